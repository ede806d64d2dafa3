"""Cells of text as the values that a feature takes."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from model import Feature

_NUMBER = re.compile(r"[ \t]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t]*")
_INTEGER = re.compile(r"[ \t]*[+-]?[0-9]{1,19}[ \t]*")
_LONG_INTEGER = re.compile(r"[ \t]*([+-]?)[0-9]+[ \t]*")
# Python reads more as a number than this: underscores, other scripts' digits, nan, inf.
_NOT_IN_NUMBERS = re.compile(r"[^0-9eE+.\- \t,]")
_NOT_IN_INTEGERS = re.compile(r"[^0-9+\- \t,]")
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
        # 300,000 numbers take 15 ms so, and 150 one by one.
        try:
            return whole(feature, cells)
        except ValueError:
            pass
    if feature.datatype == "BYTES":
        return [cell or None for cell in cells] if feature.nullable else list(cells)
    value = _VALUES[feature.datatype]
    return [value(cell) if cell else None for cell in cells]


def _doubles(feature: Feature, cells: Sequence[str]) -> Any:
    if _NOT_IN_NUMBERS.search(",".join(cells)):
        raise ValueError
    if feature.nullable:
        return np.array([float(cell) if cell else math.nan for cell in cells], np.float64)
    return np.array(list(map(float, cells)), np.float64)


def _integers(feature: Feature, cells: Sequence[str]) -> Any:
    if _NOT_IN_INTEGERS.search(",".join(cells)):
        raise ValueError
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
