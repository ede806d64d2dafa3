"""Rows as CSV, with a header or without. Source: RFC 4180.

Lines of numbers are rewritten to a JSON matrix and take its fast path. Anything else is read cell
by cell, each as its feature says; an empty cell is a missing value.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt

from gateway.errors import BadRequest, BodyTooLarge, InvalidBody, InvalidJson
from gateway.wire.columns import batch_from_columns
from gateway.wire.counting import count_byte
from gateway.wire.fault_list import FaultList
from gateway.wire.formats.csv_answer import write
from gateway.wire.formats.csv_cells import column_from_text, is_number
from gateway.wire.formats.format import Format, Reading
from gateway.wire.rows import check_lengths
from model import Batch, Contract

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_HEADER = {"present": True, "absent": False}
# What JSON would read as more than a number, were it in a line.
_NOT_IN_NUMBERS = (b"[", b"]", b"{", b'"')


def first_line(body: bytes) -> list[str]:
    """The cells of the first line, whatever it is.

    Raises: InvalidBody.
    """
    end = body.find(b"\n") + 1
    lines = _lines(_without_mark(body[:end] if end and b'"' not in body[:end] else body))
    return next(lines, [])


def is_header(cells: Sequence[str], contract: Contract) -> bool:
    """Whether a first line names features: one of them is enough, so that mistakes are told.

    Raises: BadRequest, where the names are numbers themselves, so that this cannot be known.
    """
    names = [cell for cell in cells if cell in contract.feature_name_set]
    if any(not is_number(name) for name in names):
        return True
    if len(names) == len(contract.features) == len(set(names)):
        raise BadRequest("Is the first line a header? Say text/csv; header=present, or absent.")
    return False


def _read(body: bytes, reading: Reading) -> Batch:
    body = _without_mark(body)
    _refuse_too_large(body, reading.parser.max_elements)
    cells = first_line(body)
    header = cells if _has_header(cells, reading) else None
    batch = _numbers(body, header, reading) if reading.contract.dense else None
    return batch or _cells(body, header, reading)


def _has_header(cells: Sequence[str], reading: Reading) -> bool:
    said = reading.parameters.get("header")
    if said is None:
        return is_header(cells, reading.contract)
    if said.lower() not in _HEADER:
        raise BadRequest("The parameter header of text/csv is present or absent.")
    return _HEADER[said.lower()]


def _numbers(body: bytes, header: Sequence[str] | None, reading: Reading) -> Batch | None:
    """The fast path: None unless these are lines of numbers, all of the right length."""
    names = reading.contract.feature_names
    if header is not None and (len(header) != len(names) or set(header) != set(names)):
        return None
    start = body.find(b"\n") + 1 if header is not None else 0
    lines = body[start:].removesuffix(b"\n")
    if any(mark in lines for mark in _NOT_IN_NUMBERS) or _has_other_ends(lines):
        return None
    reading.refuse_too_many(count_byte(lines, b"\n") + 1)
    values = _matrix(lines, len(names), reading)
    if values is None or header is None or list(header) == list(names):
        return None if values is None else Batch(values)
    return Batch(np.ascontiguousarray(values[:, [header.index(name) for name in names]]))


def _matrix(lines: bytes, width: int, reading: Reading) -> npt.NDArray[np.float64] | None:
    try:
        document = reading.parser.parse(b"".join((b"[[", lines.replace(b"\n", b"],["), b"]]")))
    except InvalidJson:
        return None
    return document.numbers(None, width)


def _has_other_ends(lines: bytes) -> bool:
    """Whether a carriage return stands alone: a line's end to CSV, white space to JSON."""
    return b"\r" in lines and lines.count(b"\r") != lines.count(b"\r\n")


def _cells(body: bytes, header: Sequence[str] | None, reading: Reading) -> Batch:
    contract = reading.contract
    lines = _lines(body)
    if header is not None:
        next(lines)
    names = list(contract.feature_names if header is None else header)
    faults = FaultList() if reading.faults is None else reading.faults
    rows, places = _whole_rows(_rows(lines, reading), len(names), faults)
    texts = zip(*rows, strict=True) if rows else [()] * len(names)
    features = {feature.name: feature for feature in contract.features}
    columns = {
        name: column_from_text(features[name], cells)
        for name, cells in zip(names, texts, strict=True)
        if name in features
    }
    return batch_from_columns(names, columns, contract, faults, places)


def _rows(lines: Iterator[list[str]], reading: Reading) -> list[list[str]]:
    caps = [cap for cap in (reading.max_rows, reading.contract.limits.max_rows) if cap is not None]
    rows = list(islice(lines, min(caps) + 1)) if caps else list(lines)
    reading.refuse_too_many(len(rows))
    # A line without a character is a row of one empty cell.
    return [row or [""] for row in rows]


def _whole_rows(
    rows: Sequence[list[str]], width: int, faults: FaultList
) -> tuple[Sequence[list[str]], Sequence[int]]:
    """The rows of the right length, and their places."""
    if set(map(len, rows)) <= {width}:
        return rows, range(len(rows))
    check_lengths(rows, width, faults)
    places = [at for at, row in enumerate(rows) if len(row) == width]
    if not places:
        faults.refuse()
    return [rows[at] for at in places], places


def _refuse_too_large(body: bytes, max_values: int) -> None:
    # Each value takes a byte, and most bodies are too short to be counted.
    if len(body) >= max_values and count_byte(body, b",") + count_byte(body, b"\n") >= max_values:
        raise BodyTooLarge(f"A body may have {max_values} values.")


def _lines(body: bytes) -> Iterator[list[str]]:
    try:
        text = body.decode()
    except UnicodeDecodeError as exc:
        raise InvalidBody("The body is not valid UTF-8.") from exc
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        yield from reader
    except csv.Error as exc:
        raise InvalidBody(
            f"The body is not valid CSV at line {reader.line_num}, or a cell is too long."
        ) from exc


def _without_mark(body: bytes) -> bytes:
    # Spreadsheets begin their files with one.
    return body.removeprefix(_BYTE_ORDER_MARK)


FORMAT = Format("csv", ("text/csv", "application/csv"), _read, write, "; charset=utf-8")
