"""Answers as CSV: a header, then a line for each row."""

from collections.abc import Iterable, Mapping

import numpy as np

from gateway.wire.encode import encode_json
from gateway.wire.formats.parts import ROWS_PER_PART, streamed
from gateway.wire.table import Table
from model.batch import Array

_END = b"\r\n"


def write(table: Table, parameters: Mapping[str, str]) -> bytes | Iterable[bytes]:
    """A line for each row; a header before them unless the caller accepts `header=absent`."""
    first = parameters.get("header", "present").lower() != "absent"
    parts = enumerate(table.parts(ROWS_PER_PART))
    return streamed((_lines(part, header=first and at == 0) for at, part in parts), table)


def _lines(table: Table, *, header: bool) -> bytes:
    names, cells = [], []
    for name, column in table.columns():
        names.append(_quoted(name))
        cells.append(table.spread(_cells(column), b""))
    if table.refusals is not None:
        names.append(b"errors")
        cells.append([_quoted(words or "") for words in table.refusals.words()])
    lines = list(map(b",".join, zip(*cells, strict=True)))
    if header:
        lines.insert(0, b",".join(names))
    return _END.join([*lines, b""])


def _cells(column: Array) -> list[bytes]:
    if column.dtype.kind not in "fiub" or not len(column):
        return [b"" if cell is None else _quoted(str(cell)) for cell in column.tolist()]
    # The shortest text of each number, as in JSON.
    native = np.ascontiguousarray(column, column.dtype.newbyteorder("="))
    return encode_json(native)[1:-1].split(b",")


def _quoted(text: str) -> bytes:
    if any(mark in text for mark in ',"\r\n'):
        text = '"' + text.replace('"', '""') + '"'
    return text.encode()
