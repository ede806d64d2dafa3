"""Cells of a file as the values that the model's features take.

Text is read by the feature's datatype: an empty cell is a missing value, `3.0` is a whole number,
`true` and `false` may have any case. Values of other files are taken as they are; what the gateway
would refuse, it refuses itself.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import simdjson

from gateway.scoring.contract import Feature
from gateway.scoring.rows import Chunk, Column, Doubles, Fault, Rows

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_MISSING = frozenset({"", "nan", "na", "n/a", "null", "none"})
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_WHOLE_BELOW = 2.0**63


def chunk_of(rows: Rows, features: Sequence[Feature]) -> Chunk:
    """The rows that can be sent, and what is wrong with the others."""
    good = [at for at in range(rows.count) if at not in rows.faults] if rows.faults else None
    places = np.arange(rows.count) if good is None else np.array(good, dtype=np.intp)
    refused: dict[int, list[Fault]] = {at: [fault] for at, fault in rows.faults.items()}
    wrong: defaultdict[int, list[Fault]] = defaultdict(list)
    columns: dict[str, Column] = {}
    for feature in features:
        cells = _cells(rows.columns.get(feature.name), good, len(places))
        columns[feature.name] = (
            _typed(feature, cells, wrong) if rows.text else _taken(feature, cells)
        )
    chunk = Chunk(rows, places, columns, {})
    if wrong:
        refused |= {int(places[at]): faults for at, faults in wrong.items()}
        chunk = chunk.pick(np.array([at for at in range(len(places)) if at not in wrong], np.intp))
    return Chunk(rows, chunk.places, chunk.features, refused)


def _cells(column: Column | None, good: list[int] | None, count: int) -> Column:
    """The cells of the rows that are rows; a column that the file lacks has no values."""
    if column is None:
        return [None] * count
    return column if good is None else [column[at] for at in good]


def _taken(feature: Feature, cells: Column) -> Column:
    """Typed values as they are, but for numbers that files hold as another kind of number."""
    if feature.datatype == "FP64":
        return _doubles(cells)
    if feature.datatype == "INT64" and isinstance(cells, np.ndarray):
        # A file has whole numbers with gaps as doubles.
        return [_whole(cell) for cell in cells.tolist()]
    return cells


def _whole(cell: float) -> float | int | None:
    if math.isnan(cell):
        return None
    return int(cell) if abs(cell) < _WHOLE_BELOW and cell == int(cell) else cell


def _doubles(cells: Column) -> Column:
    """Numbers as an array, where all of them are; NaN is a gap."""
    kinds = set() if isinstance(cells, np.ndarray) else set(map(type, cells))
    if not kinds or not kinds <= {int, float, type(None)}:
        return cells
    if type(None) in kinds:
        cells = [np.nan if cell is None else cell for cell in cells]
    try:
        return np.array(cells, dtype=np.float64)
    except OverflowError:
        return cells


def _typed(feature: Feature, cells: Column, wrong: defaultdict[int, list[Fault]]) -> Column:
    if feature.datatype == "FP64":
        numbers = _numbers(cells)
        if numbers is not None:
            return numbers
    read = _READERS.get(feature.datatype, str)
    values: list[Any] = []
    for at, cell in enumerate(cells):
        value, code = _value(feature, cell, read)
        values.append(value)
        if code:
            found = "other text" if cell else "nothing"
            wrong[at].append(Fault(feature.name, code, found, feature.expected, cell or ""))
    if feature.datatype != "FP64":
        return values
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _numbers(cells: Column) -> Doubles | None:
    """The fast path, a tenth of a microsecond a cell; None unless every cell is a JSON number."""
    if isinstance(cells, np.ndarray):
        return cells
    if not cells or None in cells:
        return None
    text = ",".join(cells)
    # What a cell could hold to pass for several, or for something else than a number.
    if "[" in text or len(cells) - 1 != text.count(","):
        return None
    try:
        document: Any = simdjson.Parser().parse(f"[{text}]".encode())
        return np.frombuffer(document.as_buffer(of_type="d"), dtype=np.float64)
    except (ValueError, TypeError, RuntimeError):
        return None


def _value(feature: Feature, cell: str | None, read: Callable[[str], Any]) -> tuple[Any, str]:
    """The value of a cell and, where it is none, the code of what is wrong."""
    text = (cell or "").strip()
    if text == "" and feature.datatype == "BYTES" and not feature.nullable and cell is not None:
        return cell, ""
    if cell is None or (text.lower() in _MISSING and feature.datatype != "BYTES") or not text:
        return None, "" if feature.nullable else "missing_value"
    value = read(cell if feature.datatype == "BYTES" else text)
    if value is not None:
        return value, ""
    return None, "not_integer" if feature.datatype == "INT64" else "string_value"


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _integer(text: str) -> int | None:
    if text.lstrip("+-").isdecimal() and text.isascii():
        return int(text) if len(text) < 30 and text.count("-") + text.count("+") < 2 else None
    number = _number(text)
    if number is None or abs(number) >= _WHOLE_BELOW or number != int(number):
        return None
    return int(number)


_READERS: Mapping[str, Callable[[str], Any]] = {
    "FP64": _number,
    "INT64": _integer,
    "BOOL": lambda text: _BOOLEANS.get(text.lower()),
}
