"""A row on each line, as JSON: an array of values or an object with a member for each feature.

Source: github.com/ndjson/ndjson-spec 1.0; JSON Lines.
"""

import json
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import orjson

from gateway.errors import InvalidJson
from gateway.wire.counting import count_byte
from gateway.wire.encode import encode_json
from gateway.wire.formats.format import Format, Reading
from gateway.wire.formats.parts import ROWS_PER_PART, streamed
from gateway.wire.json_document import JsonDocument
from gateway.wire.table import Refusals, Table
from model import Batch
from model.batch import Array

_BETWEEN = {b"[": b"]\n[", b"{": b"}\n{"}


def _read(body: bytes, reading: Reading) -> Batch:
    lines = body.replace(b"\r\n", b"\n") if b"\r" in body else body
    lines = lines.rstrip(b"\n")
    row_count = count_byte(lines, b"\n") + 1
    reading.refuse_too_many(row_count)
    opening = lines.lstrip()[:1]
    document = _joined(lines, opening, row_count, reading) or _checked(lines, reading)
    if opening == b"{":
        return document.records(None, reading.contract)
    return document.matrix(None, reading.contract)


def _joined(lines: bytes, opening: bytes, row_count: int, reading: Reading) -> JsonDocument | None:
    """All lines as one array; None unless every end of a line is the end of a row."""
    between = _BETWEEN.get(opening)
    if between is None or lines.count(between) != row_count - 1:
        return None
    try:
        document = _array(lines.replace(b"\n", b","), reading)
    except InvalidJson:
        return None
    return document if document.row_count == row_count else None


def _checked(lines: bytes, reading: Reading) -> JsonDocument:
    """The same, each line parsed by itself, to say which is wrong."""
    parts = lines.split(b"\n")
    for at, line in enumerate(parts):
        try:
            reading.parser.parse(line)
        except InvalidJson as exc:
            if reading.faults is None:
                raise InvalidJson(f"Line {at + 1} of the body is not valid JSON.") from exc
            reading.faults.add(at, None, "not_a_row", "no JSON", "a row as JSON")
            parts[at] = b"null"
    return _array(b",".join(parts), reading)


def _array(rows: bytes, reading: Reading) -> JsonDocument:
    return reading.parser.parse(b"".join((b"[", rows, b"]")), faults=reading.faults)


def _write(table: Table, _parameters: Mapping[str, str]) -> bytes | Iterable[bytes]:
    return streamed(map(_lines, table.parts(ROWS_PER_PART)), table)


def _lines(table: Table) -> bytes:
    names = [json.dumps(name).encode() for name in table.outputs]
    form = b"{" + b",".join(name.replace(b"%", b"%%") + b":%b" for name in names) + b"}\n"
    values = [table.spread(list(_values(array)), b"null") for array in table.outputs.values()]
    if table.refusals is not None:
        form = form.replace(b"}\n", b',"errors":%b}\n')
        values.append(_errors(table.refusals))
    return b"".join(map(form.__mod__, zip(*values, strict=True)))


def _errors(refusals: Refusals) -> list[bytes]:
    errors = [b"[]"] * refusals.row_count
    for said in refusals.to_json():
        errors[said["row"]] = orjson.dumps(said["faults"])
    return errors


def _values(array: Array) -> Iterable[bytes]:
    """The JSON of each row's value, from one encoding of all of them."""
    if array.dtype.kind not in "fiub" or not len(array):
        return map(orjson.dumps, array.tolist())
    native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    if array.ndim == 1:
        return encode_json(native)[1:-1].split(b",")
    return _rows(encode_json(native))


def _rows(matrix: bytes) -> Iterator[bytes]:
    for row in matrix[2:-2].split(b"],["):
        yield b"[%b]" % row


FORMAT = Format(
    "ndjson",
    ("application/x-ndjson", "application/jsonl", "application/x-jsonlines"),
    _read,
    _write,
)
