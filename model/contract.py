"""What a model takes and gives: the one source of validation, metadata and documents."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from model.batch import Batch
from model.faults import find_faults
from model.signature import Feature, Output


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What one call may ask of the model; None leaves it to the caller's plan and the server."""

    max_rows: int | None = None
    deadline_s: float | None = None


@dataclass(frozen=True)
class Contract:
    """The promise of one version of a model. Features are in the model's own order.

    `cost` weighs the rows of a call where they are charged: 2.0 is twice an ordinary row.
    """

    model_name: str
    model_version: str
    description: str
    features: tuple[Feature, ...]
    outputs: tuple[Output, ...]
    example: tuple[tuple[Any, ...], ...]
    limits: CallLimits = CallLimits()
    cost: float = 1.0

    @cached_property
    def dense(self) -> bool:
        """Whether all features are numbers of type FP64: the fast path."""
        return all(feature.datatype == "FP64" for feature in self.features)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The labels a classifier chooses from, in the order of its probabilities' columns."""
        return self.outputs[0].classes

    @property
    def example_batch(self) -> Batch:
        return Batch.from_rows(self.example)

    def check(self, batch: Batch) -> None:
        """Raise InvalidInput with every fault of the batch, or return in a few microseconds.

        A NaN is a missing value: accepted where the feature is nullable, else `missing_value`.
        """
        values = batch.values
        if values.shape[1:] == self.lower.shape and values.shape[0] and self._accepts(values):
            return
        raise find_faults(self.features, values)

    def _accepts(self, values: npt.NDArray[np.float64]) -> bool:
        # NaN fails both comparisons and infinity one of them, so finiteness needs no pass of its
        # own: 4 microseconds for one row of 30 values.
        within = (values >= self.lower) & (values <= self.upper)
        if self.has_nullable:
            within |= np.isnan(values) & self.nullable
        return bool(within.all())

    @cached_property
    def lower(self) -> npt.NDArray[np.float64]:
        """The least accepted value of each feature, shape (f,)."""
        least = np.finfo(np.float64).min
        return np.array([least if f.minimum is None else f.minimum for f in self.features])

    @cached_property
    def upper(self) -> npt.NDArray[np.float64]:
        """The greatest accepted value of each feature, shape (f,)."""
        most = np.finfo(np.float64).max
        return np.array([most if f.maximum is None else f.maximum for f in self.features])

    @cached_property
    def nullable(self) -> npt.NDArray[np.bool_]:
        """Which features may be missing, shape (f,)."""
        return np.array([f.nullable for f in self.features], dtype=np.bool_)

    @cached_property
    def has_nullable(self) -> bool:
        return bool(self.nullable.any())
