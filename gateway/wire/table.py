"""What is answered: named arrays with one entry for each row, and what is said about them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from model.batch import Array


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows of an answer.

    Attributes:
        outputs: arrays of shape (n,) or (n, k), by name.
        labels: the names of the k columns of an output; numbers from 0 where there are none.
        about: what stands before the outputs where the format has room for it, as JSON has.
        beside: what stands behind them there.
    """

    outputs: Mapping[str, Array]
    labels: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)

    @property
    def row_count(self) -> int:
        return len(next(iter(self.outputs.values())))

    def columns(self) -> Iterator[tuple[str, Array]]:
        """Every column by its name, such as `predictions` and `probabilities.0`."""
        for name, array in self.outputs.items():
            if array.ndim == 1:
                yield name, array
            else:
                labels = self.labels.get(name) or range(array.shape[1])
                for at, label in enumerate(labels):
                    yield f"{name}.{label}", array[:, at]
