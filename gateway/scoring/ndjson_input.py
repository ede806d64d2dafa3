"""NDJSON: one JSON object a line."""

from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson

from gateway.scoring.errors import ScoringFailed
from gateway.scoring.lines import Lines
from gateway.scoring.rows import Fault, Position, Rows

_LOOKED_AT = 100


def open_ndjson(path: Path) -> "NdjsonInput":
    return NdjsonInput(path)


class NdjsonInput:
    """Rows of JSON values. Blank lines are no rows; a member that a row lacks is missing.

    Its columns are the members of the first hundred rows.
    """

    def __init__(self, path: Path) -> None:
        """Raises: ScoringFailed, where there is no object among the first rows."""
        self.arrow_types: dict[str, Any] = {}
        self.columns: tuple[str, ...] = ()
        self._lines = Lines(path)
        self.size = self._lines.size
        self._row = 0
        self._wanted: Collection[str] = ()
        with ExitStack() as undo:
            undo.callback(self._lines.close)
            self.columns = self._members(_LOOKED_AT)
            if not self.columns:
                raise ScoringFailed(f"{path} has no JSON objects in its first lines.")
            undo.pop_all()
        self.seek(Position())

    def select(self, names: Collection[str], numbers: Collection[str]) -> None:  # noqa: ARG002
        self._wanted = [name for name in self.columns if name in names]

    def seek(self, position: Position) -> None:
        self._lines.seek(position)
        self._row = position.row

    def read(self, most_rows: int) -> Rows | None:
        start = self._position()
        records: list[dict[str, Any]] = []
        numbers: list[int] = []
        faults: dict[int, Fault] = {}
        for line in self._lines:
            if not line.strip():
                continue
            record, fault = _parsed(line)
            if fault is not None:
                faults[len(records)] = fault
            records.append(record)
            numbers.append(self._lines.line)
            if len(records) == most_rows:
                break
        self._row += len(records)
        if not records:
            return None
        columns = {name: [record.get(name) for record in records] for name in self._wanted}
        return Rows(start, self._position(), columns, False, numbers, faults)

    def close(self) -> None:
        self._lines.close()

    def _position(self) -> Position:
        return Position(self._row, self._lines.line, self._lines.offset)

    def _members(self, most_rows: int) -> tuple[str, ...]:
        names: dict[str, None] = {}
        for _, line in zip(range(most_rows), self._lines, strict=False):
            names |= dict.fromkeys(_parsed(line)[0])
        return tuple(names)


def _parsed(line: str) -> tuple[dict[str, Any], Fault | None]:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        found = f"no valid JSON at column {exc.colno}"
        return {}, Fault(None, "invalid_json", found, "a JSON object")
    if not isinstance(record, dict):
        return {}, Fault(None, "not_a_row", "another JSON value", "a JSON object")
    return record, None
