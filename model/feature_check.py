"""Whether the values of one feature keep its promise, for a whole column at once."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from model.batch import Array
from model.signature import Feature


class FeatureCheck:
    """The rules of one feature, made ready to be applied to columns.

    A missing value is NaN in numbers and None in objects, as in `Batch`. `minimum` and `maximum`
    are those that a value of this type can meet: for integers the next ones inside the range.
    """

    def __init__(self, feature: Feature) -> None:
        self._nullable = feature.nullable
        ranged = feature.datatype in {"FP64", "INT64"}
        self.minimum = _edge(feature, feature.minimum, math.ceil) if ranged else None
        self.maximum = _edge(feature, feature.maximum, math.floor) if ranged else None
        self._allowed = None if feature.categories is None else frozenset(feature.categories)

    def accepts(self, column: Array) -> bool:
        """Whether every value is good."""
        if column.dtype.kind == "O" and (self._allowed is not None or not self._nullable):
            found = set(column.tolist())
            if None in found and not self._nullable:
                return False
            return self._allowed is None or found <= (self._allowed | {None})
        return not self.wrong(column).any()

    def wrong(self, column: Array) -> npt.NDArray[np.bool_]:
        """Which values are not, shape (n,)."""
        missing = missing_in(column)
        wrong = self._beyond(column)
        if self._allowed is not None:
            wrong |= ~self._listed(column, self._allowed)
        return wrong & ~missing if self._nullable else wrong | missing

    def _beyond(self, column: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        beyond = np.isinf(column) if column.dtype.kind == "f" else np.zeros(len(column), np.bool_)
        if self.minimum is not None:
            beyond |= column < self.minimum
        if self.maximum is not None:
            beyond |= column > self.maximum
        return beyond

    def _listed(self, column: Array, allowed: frozenset[Any]) -> npt.NDArray[np.bool_]:
        values = column.tolist()
        return np.fromiter((value in allowed for value in values), np.bool_, len(values))


def missing_in(column: Array) -> npt.NDArray[np.bool_]:
    """Which values of a column are missing, shape (n,)."""
    if column.dtype.kind == "f":
        return np.isnan(column)
    if column.dtype.kind == "O":
        values = column.tolist()
        return np.fromiter((value is None for value in values), np.bool_, len(values))
    return np.zeros(len(column), np.bool_)


def _edge(feature: Feature, bound: float | None, inwards: Any) -> float | None:
    # Beyond 2**53 a double skips integers: the bound of an integer is compared as one.
    return bound if bound is None or feature.datatype != "INT64" else inwards(bound)
