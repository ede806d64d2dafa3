"""What every kind of model offers, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from model.batch import Array, Batch
from model.contract import Contract
from model.errors import ModelFailed


class Model(Protocol):
    """Anything that can be served."""

    @property
    def contract(self) -> Contract: ...

    def predict(self, batch: Batch) -> Mapping[str, Array]:
        """Answer a batch that keeps the contract: one array of n rows for each output.

        May raise anything; the caller turns it into ModelFailed.
        """


@runtime_checkable
class TakesFeedback(Protocol):
    """A model that may want to know how good its answers were."""

    def send_feedback(self, batch: Batch, reward: float, truth: Sequence[Any] | None) -> None:
        """What became of these rows; `truth` has an entry for each. May raise anything."""


@runtime_checkable
class ReportsHealth(Protocol):
    """A model that may have something to say of how it is."""

    def health_status(self) -> Mapping[str, Any] | None:
        """A payload of Seldon's by its kind, None for nothing. Raises anything: it is not well."""


@runtime_checkable
class RunsElsewhere(Protocol):
    """A model on another engine, which may be away while this one loads: so it is not measured.

    `expected_s` is how long an answer may take.
    """

    expected_s: float


class TaggedOutputs(dict[str, Array]):
    """Outputs of a model that also says something about this answer, as Seldon's do.

    Attributes:
        tags: anything fit for JSON, by name.
        metrics: {"key", "type" (COUNTER, GAUGE or TIMER), "value", "tags"} each.
    """

    def __init__(
        self,
        outputs: Mapping[str, Array],
        tags: Mapping[str, Any],
        metrics: Sequence[Mapping[str, Any]],
    ) -> None:
        super().__init__(outputs)
        self.tags = tags
        self.metrics = metrics


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The answer to one batch.

    `outputs` has "predictions", shape (n,) or (n, k), and for models that have them
    "probabilities", shape (n, number of classes). All its numbers are finite.
    `digest` is the SHA-256 of the manifest of the version that answered, in hex.
    `tags` and `metrics` are those of `TaggedOutputs`.
    """

    outputs: Mapping[str, Array]
    model_name: str
    model_version: str
    digest: str
    classes: tuple[Any, ...] | None
    tags: Mapping[str, Any] = field(default_factory=dict)
    metrics: Sequence[Mapping[str, Any]] = ()


def require_complete(outputs: Mapping[str, Array], row_count: int) -> None:
    """Raise ModelFailed unless each output has `row_count` rows, all of them finite.

    An infinity or NaN has no place in JSON, and mixed up rows would reach the wrong subjects.
    """
    for name, array in outputs.items():
        if len(array) != row_count:
            raise ModelFailed(f"output {name} has {len(array)} rows for {row_count} rows of input")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelFailed(f"output {name} has a number that is not finite")
