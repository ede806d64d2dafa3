"""The rows of one call."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """n rows of f numbers: float64, shape (n, f), C-contiguous; a missing value is NaN."""

    values: npt.NDArray[np.float64]

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[float | None]]) -> Self:
        """A batch of plain Python rows; None is a missing value."""
        return cls(np.array(rows, dtype=np.float64, order="C"))

    @property
    def row_count(self) -> int:
        return len(self.values)
