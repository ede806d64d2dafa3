"""What is answered: named arrays with one entry for each row, and what is said about them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from model import Fault
from model.batch import Array


@dataclass(frozen=True, slots=True, eq=False)
class Refusals:
    """Rows that were judged one by one.

    Attributes:
        kept: the places of those that were answered, ascending.
        faults: what is wrong with each of the others, by its place, ascending.
    """

    kept: Sequence[int]
    faults: Mapping[int, Sequence[Fault]]

    @property
    def row_count(self) -> int:
        return len(self.kept) + len(self.faults)

    def to_json(self) -> list[dict[str, Any]]:
        """Each refused row with its faults."""
        return [
            {"row": row, "faults": [_said(fault) for fault in faults]}
            for row, faults in self.faults.items()
        ]

    def words(self) -> list[str | None]:
        """For each row of the answer what is wrong with it, in few words; None is nothing."""
        return [_words(self.faults.get(row, ())) for row in range(self.row_count)]


def _said(fault: Fault) -> dict[str, Any]:
    said = asdict(fault)
    del said["row"]
    return said


def _words(faults: Sequence[Fault]) -> str | None:
    named = [f"{one.feature}: {one.code}" if one.feature else one.code for one in faults]
    return "; ".join(named) or None


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows of an answer.

    Attributes:
        outputs: arrays of shape (n,) or (n, k), by name.
        labels: the names of the k columns of an output; numbers from 0 where there are none.
        about: what stands before the outputs where the format has room for it, as JSON has.
        beside: what stands behind them there.
        refusals: which rows of the call these are, where each was judged for itself; None where
            they are all of them.
    """

    outputs: Mapping[str, Array]
    labels: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)
    refusals: Refusals | None = None

    @property
    def row_count(self) -> int:
        """How many rows the answer has, those that were refused among them."""
        if self.refusals is not None:
            return self.refusals.row_count
        return len(next(iter(self.outputs.values())))

    def spread(self, values: Sequence[Any], nothing: Any) -> Sequence[Any]:
        """The values of the rows that were answered, and `nothing` in the place of each other."""
        if self.refusals is None or not self.refusals.faults:
            return values
        spread = [nothing] * self.refusals.row_count
        for place, value in zip(self.refusals.kept, values, strict=True):
            spread[place] = value
        return spread

    def parts(self, rows: int) -> Iterator["Table"]:
        """The same rows, so many at a time; all at once where each was judged for itself."""
        if self.refusals is not None or self.row_count <= rows:
            yield self
            return
        for start in range(0, self.row_count, rows):
            part = slice(start, start + rows)
            yield replace(self, outputs={name: one[part] for name, one in self.outputs.items()})

    def columns(self) -> Iterator[tuple[str, Array]]:
        """Every column by its name, such as `predictions` and `probabilities_0`."""
        for name, array in self.outputs.items():
            if array.ndim == 1:
                yield name, array
            else:
                labels = self.labels.get(name) or range(array.shape[1])
                for at, label in enumerate(labels):
                    yield f"{name}_{label}", array[:, at]
