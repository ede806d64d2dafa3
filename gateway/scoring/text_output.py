"""Scored rows as CSV, TSV or NDJSON."""

import csv
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gateway.scoring.rows import Column

_PLAIN = frozenset({str, int, float, type(None)})
# Encodes rows of cells, each row in the order of the names.
Encode = Callable[[Iterable[Sequence[Any]]], bytes]


def open_csv(path: Path, partial_file: Path, types: Mapping[str, Any], size: int) -> "TextOutput":
    return _delimited(path, partial_file, types, size, ",")


def open_tsv(path: Path, partial_file: Path, types: Mapping[str, Any], size: int) -> "TextOutput":
    return _delimited(path, partial_file, types, size, "\t")


def open_ndjson(
    path: Path, partial_file: Path, types: Mapping[str, Any], size: int
) -> "TextOutput":
    form = TextForm(b"", partial(_ndjson, list(types)), _json_cells)
    return TextOutput(path, partial_file, size, form)


def _delimited(
    path: Path, partial_file: Path, types: Mapping[str, Any], size: int, delimiter: str
) -> "TextOutput":
    encode = partial(_csv, delimiter)
    form = TextForm(encode([list(types)]), encode, _csv_cells)
    return TextOutput(path, partial_file, size, form)


@dataclass(frozen=True)
class TextForm:
    """How rows are written. `cells` makes of a column what `encode` takes."""

    header: bytes
    encode: Encode
    cells: Callable[[Column], Sequence[Any]]


class TextOutput:
    """Rows of text, one after the other."""

    def __init__(self, path: Path, partial_file: Path, size: int, form: TextForm) -> None:
        self._path = path
        self._partial = partial_file
        self._form = form
        self._file = partial_file.open("r+b" if size else "wb")
        self._file.truncate(size)
        self._file.seek(size)
        if not size:
            self._file.write(form.header)

    def write(self, columns: Mapping[str, Column]) -> None:
        cells = map(self._form.cells, columns.values())
        self._file.write(self._form.encode(zip(*cells, strict=True)))

    def flush(self) -> int:
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def finish(self) -> None:
        self.flush()
        self._file.close()
        self._partial.replace(self._path)

    def close(self) -> None:
        self._file.close()


def _csv(delimiter: str, rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _ndjson(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    lines = (
        orjson.dumps(
            dict(zip(names, row, strict=True)), default=str, option=orjson.OPT_APPEND_NEWLINE
        )
        for row in rows
    )
    return b"".join(lines)


def _json_cells(column: Column) -> Sequence[Any]:
    # orjson writes NaN as null.
    return column.tolist() if isinstance(column, np.ndarray) else column


def _csv_cells(column: Column) -> Sequence[Any]:
    """Cells that csv writes as they should be read again: a missing value is an empty cell."""
    if isinstance(column, np.ndarray):
        cells = column.tolist()
        return [None if cell != cell else cell for cell in cells]  # noqa: PLR0124  # NaN.
    if set(map(type, column)) <= _PLAIN:
        return column
    return [_text(cell) for cell in column]


def _text(cell: Any) -> Any:
    if type(cell) in _PLAIN:
        return cell
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, bool | list | dict):
        return orjson.dumps(cell, default=str).decode()
    return str(cell)
