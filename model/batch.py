"""The rows of one call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """n rows, either of f numbers or of named columns of mixed type.

    Attributes:
        values: float64, shape (n, f), C-contiguous; a missing value is NaN. Shape (n, 0) where
            there are columns.
        columns: one array of n values for each feature, in the contract's order: FP64 as float64
            with NaN for a missing value; INT64 as int64, or float64 with NaN where the feature is
            nullable; BOOL as bool, or objects with None; BYTES (text) as objects, str or None.
            None for a batch of numbers.
    """

    values: npt.NDArray[np.float64]
    columns: Mapping[str, Array] | None = None

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[float | None]]) -> Self:
        """A batch of plain Python rows; None is a missing value."""
        return cls(np.array(rows, dtype=np.float64, order="C"))

    @classmethod
    def of_columns(cls, columns: Mapping[str, Array]) -> Self:
        """A batch of named columns, all of the same length; at least one."""
        row_count = len(next(iter(columns.values())))
        return cls(np.empty((row_count, 0)), columns)

    @property
    def row_count(self) -> int:
        return len(self.values)

    @property
    def dense(self) -> bool:
        """Whether these are numbers only."""
        return self.columns is None

    def feature_columns(self) -> list[Array]:
        """The values of each feature in turn."""
        return list(self.values.T) if self.columns is None else list(self.columns.values())

    def take(self, index: Any) -> "Batch":
        """The rows at these positions: a slice, a mask or an array of row numbers."""
        if self.columns is None:
            return Batch(np.ascontiguousarray(self.values[index]))
        return Batch.of_columns({name: column[index] for name, column in self.columns.items()})
