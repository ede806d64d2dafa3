"""Cells of text as the values that a feature takes."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from model import Feature

_NUMBER = re.compile(r"[ \t]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t]*")
_INTEGER = re.compile(r"[ \t]*[+-]?[0-9]{1,19}[ \t]*")
_LONG_INTEGER = re.compile(r"[ \t]*([+-]?)[0-9]+[ \t]*")
# Python reads more as a number than this: underscores, other scripts' digits, nan, inf.
_IN_NUMBERS = b"0123456789eE+-. \t,"
_IN_INTEGERS = b"0123456789+- \t,"
_BOOLEANS = {"true": True, "false": False}
_BEYOND_INT64 = 2**64


def is_number(cell: str) -> bool:
    """Whether a cell can be read as a number."""
    return _NUMBER.fullmatch(cell) is not None


def column_from_text(feature: Feature, cells: Sequence[str]) -> Any:
    """The values of one feature: an array of doubles, or a list.

    What cannot be read as the feature's type stays text, and is refused as such later. An empty
    cell is None, except that it is a text where the feature is one and may not be missing.
    """
    whole = _WHOLE_COLUMNS.get(feature.datatype)
    if whole is not None:
        # One by one takes five times as long.
        try:
            return whole(feature, cells)
        except ValueError:
            pass
    if feature.datatype == "BYTES":
        return [cell or None for cell in cells] if feature.nullable else list(cells)
    value = _VALUES[feature.datatype]
    return [value(cell) if cell else None for cell in cells]


def _require_only(characters: bytes, cells: Sequence[str]) -> None:
    # Ten times faster than a regular expression.
    if ",".join(cells).encode("ascii").translate(None, characters):
        raise ValueError


def _doubles(feature: Feature, cells: Sequence[str]) -> Any:
    _require_only(_IN_NUMBERS, cells)
    given = [cell or "null" for cell in cells] if feature.nullable else cells
    try:
        return np.array(orjson.loads(f"[{','.join(given)}]"), np.float64)
    except orjson.JSONDecodeError:
        # Such as `+1` and `.5`, which are numbers, too, and take Python five times as long.
        return np.array([float(cell) if cell != "null" else math.nan for cell in given], np.float64)


def _integers(feature: Feature, cells: Sequence[str]) -> Any:
    _require_only(_IN_INTEGERS, cells)
    if feature.nullable:
        return [int(cell) if cell else None for cell in cells]
    return list(map(int, cells))


_WHOLE_COLUMNS: Mapping[str, Callable[[Feature, Sequence[str]], Any]] = {
    "FP64": _doubles,
    "INT64": _integers,
}


def _double(cell: str) -> Any:
    return float(cell) if _NUMBER.fullmatch(cell) else cell


def _integer(cell: str) -> Any:
    if _INTEGER.fullmatch(cell):
        return int(cell)
    long = _LONG_INTEGER.fullmatch(cell)
    if long:
        # Too long to be one; how long does not matter, and Python would refuse to say.
        return -_BEYOND_INT64 if long[1] == "-" else _BEYOND_INT64
    return _double(cell)


def _boolean(cell: str) -> Any:
    return _BOOLEANS.get(cell.lower(), cell)


_VALUES: Mapping[str, Callable[[str], Any]] = {
    "FP64": _double,
    "INT64": _integer,
    "BOOL": _boolean,
}
