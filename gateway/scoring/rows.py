"""What travels through a job: rows of a file, the chunk of them that is sent, what came of it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
# An array of doubles, in which NaN is a missing value, or a list, in which None is one.
Column = Doubles | Sequence[Any]


class Position(NamedTuple):
    """A place between two rows of a file.

    Attributes:
        row: how many rows are before it.
        line: how many lines are; 0 where the file has none.
        offset: how much of the file is, in the units of `Input.size`.
    """

    row: int = 0
    line: int = 0
    offset: int = 0


class Fault(NamedTuple):
    """What is wrong with a row, in the words of the gateway (docs/errors.md, `invalid_input`).

    `value` is the cell itself, which no other than its owner is told.
    """

    feature: str | None
    code: str
    found: str
    expected: str
    value: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Consecutive rows as a file holds them.

    Attributes:
        columns: each as long as there are rows; a row in `faults` has None in all of them.
        text: whether all cells are text, as in CSV.
        lines: of each row the line it begins on; empty where the file has no lines.
        faults: rows that are none, by their place among these.
    """

    start: Position
    end: Position
    columns: Mapping[str, Column]
    text: bool
    lines: Sequence[int]
    faults: Mapping[int, Fault]

    @property
    def count(self) -> int:
        return self.end.row - self.start.row

    def only(self, names: Collection[str]) -> "Rows":
        """The same rows with some of their columns: what waits for an answer should be small."""
        columns = {name: self.columns[name] for name in names}
        return replace(self, columns=columns)


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """The rows of one call.

    Attributes:
        places: of each row that can be sent, its place among `rows`.
        features: the cells of those, in the order of the contract.
        refused: what is wrong with the others, by their place among `rows`.
    """

    rows: Rows
    places: npt.NDArray[np.intp]
    features: Mapping[str, Column]
    refused: Mapping[int, Sequence[Fault]]

    @property
    def count(self) -> int:
        return len(self.places)

    def pick(self, kept: npt.NDArray[np.intp]) -> "Chunk":
        """A chunk of some of the rows that can be sent, and none of the refused."""
        features = {name: _pick(column, kept) for name, column in self.features.items()}
        return Chunk(self.rows, self.places[kept], features, {})

    def keeping(self, names: Collection[str]) -> "Chunk":
        """The same without the cells that neither are sent nor stand before the answers."""
        return replace(self, rows=self.rows.only(names))

    def value(self, feature: str, at: int) -> str:
        """A cell of the row at a place among those that can be sent, for people."""
        return str(self.features[feature][at]) if feature in self.features else ""

    def halves(self) -> Iterator["Chunk"]:
        """The same rows as two chunks."""
        middle = self.count // 2
        yield self.pick(np.arange(middle))
        yield self.pick(np.arange(middle, self.count))


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What came of a chunk.

    Attributes:
        columns: of each output column, the cells of all rows; None for a refused one.
        refused: what is wrong with those, by their place among the rows.
    """

    rows: Rows
    columns: Mapping[str, Sequence[Any]]
    refused: Mapping[int, Sequence[Fault]]


def _pick(column: Column, kept: npt.NDArray[np.intp]) -> Column:
    if isinstance(column, np.ndarray):
        picked: Doubles = column[kept]
        return picked
    return [column[at] for at in kept.tolist()]
