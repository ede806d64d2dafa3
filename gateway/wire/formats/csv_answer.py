"""Answers as CSV: a header, then a line for each row."""

from collections.abc import Mapping

import numpy as np

from gateway.wire.encode import encode_json
from gateway.wire.table import Table
from model.batch import Array

_END = b"\r\n"


def write(table: Table, parameters: Mapping[str, str]) -> bytes:
    """A line for each row; a header before them unless the caller accepts `header=absent`."""
    columns = dict(table.columns())
    lines = list(map(b",".join, zip(*map(_cells, columns.values()), strict=True)))
    if parameters.get("header", "present").lower() != "absent":
        lines.insert(0, b",".join(_quoted(name) for name in columns))
    return _END.join([*lines, b""])


def _cells(column: Array) -> list[bytes]:
    if column.dtype.kind not in "fiub":
        return [b"" if cell is None else _quoted(str(cell)) for cell in column.tolist()]
    # The shortest text of each number, as in JSON.
    native = np.ascontiguousarray(column, column.dtype.newbyteorder("="))
    return encode_json(native)[1:-1].split(b",")


def _quoted(text: str) -> bytes:
    if any(mark in text for mark in ',"\r\n'):
        text = '"' + text.replace('"', '""') + '"'
    return text.encode()
