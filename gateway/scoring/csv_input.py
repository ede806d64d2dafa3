"""CSV (RFC 4180) and TSV, with a header, in any size.

Lines without quotes, which most are, are split as they stand; others are given to Python's csv.
Columns of numbers side by side are read straight into an array, five times as fast.
"""

import csv
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import simdjson

from gateway.scoring.errors import ScoringFailed
from gateway.scoring.lines import Lines
from gateway.scoring.rows import Column, Doubles, Fault, Position, Rows


def open_csv(path: Path) -> "CsvInput":
    return CsvInput(path, ",")


def open_tsv(path: Path) -> "CsvInput":
    return CsvInput(path, "\t")


class CsvInput:
    """Rows of text. Blank lines are no rows."""

    def __init__(self, path: Path, delimiter: str) -> None:
        """Raises: ScoringFailed, where there is no header."""
        self.path = path
        self.arrow_types: dict[str, Any] = {}
        self._delimiter = delimiter
        self._mark = delimiter.encode()
        self._lines = Lines(path)
        self.size = self._lines.size
        with ExitStack() as undo:
            undo.callback(self._lines.close)
            self.columns = self._header()
            undo.pop_all()
        self._row = 0
        self._wanted: Collection[str] = self.columns
        # The columns that can be read as a matrix, where they stand side by side.
        self._numeric = slice(0, 0)

    def select(self, names: Collection[str], numbers: Collection[str]) -> None:
        self._wanted = names
        places = [at for at, name in enumerate(self.columns) if name in numbers]
        if places and places == list(range(places[0], places[-1] + 1)):
            self._numeric = slice(places[0], places[-1] + 1)

    def seek(self, position: Position) -> None:
        self._lines.seek(position)
        self._row = position.row

    def read(self, most_rows: int) -> Rows | None:
        start = self._position()
        rows = self._unquoted(start, most_rows)
        if rows is None:
            self.seek(start)
            rows = self._quoted(start, most_rows)
        return rows if rows.count else None

    def close(self) -> None:
        self._lines.close()

    def _position(self) -> Position:
        return Position(self._row, self._lines.line, self._lines.offset)

    def _header(self) -> tuple[str, ...]:
        header = next(filter(None, self._records()), None)
        if header is None:
            raise ScoringFailed(f"{self.path} is empty: it must have a header.")
        columns = tuple(name.strip() for name in header)
        if len(columns) == 1 and ";" in columns[0]:
            raise ScoringFailed(
                f"{self.path} is separated by semicolons. Write it with commas, and with points in"
                " its numbers."
            )
        return columns

    def _records(self) -> Any:
        """Records as csv reads them. Raises ScoringFailed, naming the line."""
        records = csv.reader(self._lines, delimiter=self._delimiter, strict=True)
        while True:
            first_line = self._lines.line + 1
            try:
                record = next(records, None)
            except csv.Error as exc:
                raise ScoringFailed(
                    f"{self.path}, line {first_line}: no valid CSV ({exc})."
                ) from exc
            if record is None:
                return
            yield record

    def _unquoted(self, start: Position, most_rows: int) -> Rows | None:
        """The fast path; None where a quote or a lone carriage return needs a closer look."""
        raw = self._lines.block(most_rows)
        text = b"".join(raw)
        if b'"' in text:
            return None
        text = text.replace(b"\r\n", b"\n")
        if b"\r" in text:
            return None
        lines = text.removesuffix(b"\n").split(b"\n") if text else []
        numbers = range(start.line + 1, start.line + 1 + len(lines))
        if b"" in lines:
            kept = [at for at, line in enumerate(lines) if line]
            lines, numbers = [lines[at] for at in kept], [numbers[at] for at in kept]  # type: ignore[assignment]
        columns = self._columns(lines) if self._numeric.stop else None
        if columns is None:
            rows: list[Sequence[str]] = [
                line.split(self._delimiter) for line in self._decoded(lines, numbers)
            ]
            return self._rows(start, rows, numbers)
        return self._made(start, columns, numbers, {})

    def _columns(self, lines: Sequence[bytes]) -> dict[str, Column] | None:
        """The columns of numbers as such; None where not all of their cells are JSON numbers."""
        if not lines or set(map(bytes.count, lines, repeat(self._mark))) != {len(self.columns) - 1}:
            return None
        before, after = self._numeric.start, len(self.columns) - self._numeric.stop
        parts = [line.split(self._mark, before) for line in lines]
        heads = [[part[at] for part in parts] for at in range(before)]
        ends = [part[before].rsplit(self._mark, after) for part in parts]
        tails = [[end[1 + at] for end in ends] for at in range(after)]
        try:
            texts = [self._texts(cells) for cells in (*heads, *tails)]
            numbers = self._numbers([end[0] for end in ends])
        except (ValueError, TypeError, RuntimeError):
            return None
        columns: list[Column] = [*texts[:before], *numbers, *texts[before:]]
        return dict(zip(self.columns, columns, strict=True))

    def _numbers(self, lines: Sequence[bytes]) -> Sequence[Doubles]:
        """Cells by column. Raises ValueError, TypeError or RuntimeError where one is no number."""
        text = b",".join(lines)
        # What a cell could hold to pass for several: the marks between cells are counted already.
        if b"[" in text or (self._mark != b"," and text.count(b",") != len(lines) - 1):
            raise ValueError
        text = b"[%b]" % text.replace(self._mark, b",")
        document: Any = simdjson.Parser().parse(text)
        cells = np.frombuffer(document.as_buffer(of_type="d"), dtype=np.float64)
        width = self._numeric.stop - self._numeric.start
        return list(cells.reshape(-1, width).T)

    def _texts(self, cells: Sequence[bytes]) -> Sequence[str]:
        return self._mark.join(cells).decode().split(self._delimiter)

    def _decoded(self, lines: Sequence[bytes], numbers: Sequence[int]) -> list[str]:
        try:
            return b"\n".join(lines).decode().split("\n") if lines else []
        except UnicodeDecodeError:
            for self._lines.line, line in zip(numbers, lines, strict=True):
                self._lines.decoded(line)
            raise

    def _quoted(self, start: Position, most_rows: int) -> Rows:
        rows: list[Sequence[str]] = []
        numbers: list[int] = []
        line = start.line
        for record in self._records():
            if record:
                rows.append(record)
                numbers.append(line + 1)
            line = self._lines.line
            if len(rows) == most_rows:
                break
        return self._rows(start, rows, numbers)

    def _rows(self, start: Position, rows: list[Sequence[str]], numbers: Sequence[int]) -> Rows:
        width = len(self.columns)
        faults: dict[int, Fault] = {}
        for at, row in enumerate(rows):
            if len(row) != width:
                found, expected = f"{len(row)} cells", f"{width} cells, as in the header"
                faults[at] = Fault(None, "ragged_rows", found, expected)
                rows[at] = [None] * width  # type: ignore[list-item]  # It has no cells to speak of.
        cells = list(zip(*rows, strict=True)) if rows else [()] * width
        named = zip(self.columns, cells, strict=True)
        columns: dict[str, Column] = {
            name: column for name, column in named if name in self._wanted
        }
        return self._made(start, columns, numbers, faults)

    def _made(
        self,
        start: Position,
        columns: dict[str, Column],
        numbers: Sequence[int],
        faults: dict[int, Fault],
    ) -> Rows:
        self._row += len(numbers)
        return Rows(start, self._position(), columns, True, numbers, faults)
