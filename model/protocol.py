"""What every kind of model offers, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from model.batch import Batch
from model.contract import Contract
from model.errors import ModelFailed

Array = npt.NDArray[np.generic]


class Model(Protocol):
    """Anything that can be served."""

    @property
    def contract(self) -> Contract: ...

    def predict(self, batch: Batch) -> Mapping[str, Array]:
        """Answer a batch that keeps the contract: one array of n rows for each output.

        May raise anything; the caller turns it into ModelFailed.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The answer to one batch.

    `outputs` has "predictions", shape (n,) or (n, k), and for models that have them
    "probabilities", shape (n, number of classes). All its numbers are finite.
    `digest` is the SHA-256 of the manifest of the version that answered, in hex.
    """

    outputs: Mapping[str, Array]
    model_name: str
    model_version: str
    digest: str
    classes: tuple[Any, ...] | None


def require_complete(outputs: Mapping[str, Array], row_count: int) -> None:
    """Raise ModelFailed unless each output has `row_count` rows, all of them finite.

    An infinity or NaN has no place in JSON, and mixed up rows would reach the wrong subjects.
    """
    for name, array in outputs.items():
        if len(array) != row_count:
            raise ModelFailed(f"output {name} has {len(array)} rows for {row_count} rows of input")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelFailed(f"output {name} has a number that is not finite")
