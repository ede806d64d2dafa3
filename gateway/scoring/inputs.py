"""Files of rows to be scored, by the ends of their names."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from gateway.scoring.errors import ScoringFailed
from gateway.scoring.rows import Position, Rows


class Input(Protocol):
    """A file of rows, read once from front to end.

    Attributes:
        columns: their names, in the order of the file.
        size: what `Position.offset` counts up to; 0 where that is not known.
        arrow_types: of each column the Arrow type, where the file has such types.
    """

    columns: tuple[str, ...]
    size: int
    arrow_types: dict[str, Any]

    def select(self, names: Collection[str], numbers: Collection[str]) -> None:
        """Read these columns only; `numbers` are those whose text nobody will ask for."""

    def seek(self, position: Position) -> None:
        """Go on from a place that `Rows.end` said."""

    def read(self, most_rows: int) -> Rows | None:
        """The next rows; None at the end. Raises ScoringFailed where no more can be read."""

    def close(self) -> None:
        """Close the file."""


@dataclass(frozen=True)
class _Kind:
    """How a kind of file is opened: imported when it is needed, as pyarrow may not be there."""

    module: str
    opener: str


_CSV = _Kind("gateway.scoring.csv_input", "open_csv")
_TSV = _Kind("gateway.scoring.csv_input", "open_tsv")
_NDJSON = _Kind("gateway.scoring.ndjson_input", "open_ndjson")
_PARQUET = _Kind("gateway.scoring.arrow_input", "open_parquet")
_ARROW = _Kind("gateway.scoring.arrow_input", "open_arrow")
_KINDS = {
    ".csv": _CSV,
    ".tsv": _TSV,
    ".ndjson": _NDJSON,
    ".jsonl": _NDJSON,
    ".parquet": _PARQUET,
    ".arrow": _ARROW,
    ".arrows": _ARROW,
    ".feather": _ARROW,
}


def open_input(path: Path) -> Input:
    """Open a file, and read which columns it has.

    Raises: ScoringFailed, where it is none of these, cannot be read, or names a column twice.
    """
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise ScoringFailed(f"{path}: its name must end in one of {', '.join(_KINDS)}.")
    opener: Callable[[Path], Input] = getattr(load(kind.module), kind.opener)
    try:
        found = opener(path)
    except OSError as exc:
        raise ScoringFailed(f"{path}: {exc.strerror or exc}.") from exc
    twice = sorted({name for name in found.columns if found.columns.count(name) > 1})
    if twice:
        found.close()
        raise ScoringFailed(f"{path} has more than one column {twice[0]!r}.")
    return found


def load(module: str) -> Any:
    """A module of this package that may need what is not installed. Raises ScoringFailed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as exc:
        if exc.name != "pyarrow":
            raise
        raise ScoringFailed("Parquet and Arrow files need pyarrow: pip install pyarrow.") from exc
