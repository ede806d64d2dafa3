"""Plain Python values that are not what a feature takes: which they are, and how that is said."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from model.errors import Fault, InvalidInput
from model.feature_words import expected_value, number_words
from model.signature import Feature

# Stands for a value that is refused elsewhere already, so that it is not refused here as well.
ABSENT: Final = object()

# An integer that may be missing travels as a double, which holds all integers up to here.
EXACT = 2**53
_INT64 = 2**63

TYPES: Mapping[str, frozenset[type]] = {
    "FP64": frozenset({float, int}),
    "INT64": frozenset({int}),
    "BOOL": frozenset({bool}),
    "BYTES": frozenset({str}),
}
_KINDS: Mapping[type, str] = {
    str: "a string",
    bool: "a boolean",
    type(None): "null",
    float: "a number",
    int: "a number",
    dict: "an object",
}
_CODES: Mapping[type, str] = {
    str: "string_value",
    bool: "boolean_value",
    type(None): "missing_value",
    float: "number_value",
    int: "number_value",
}
_EXPECTED: Mapping[str, str] = {
    "FP64": "a number",
    "INT64": "an integer",
    "BOOL": "true or false",
    "BYTES": "a string",
}


def kind(value: Any) -> str:
    """What a JSON value is, without the value."""
    return _KINDS.get(type(value), "an array")


def expected_kind(feature: Feature) -> str:
    """What kind of JSON value a feature takes; its list where there is one."""
    if feature.categories is not None:
        return expected_value(feature)
    return _EXPECTED[feature.datatype] + (" or null" if feature.nullable else "")


def ragged_row(row: int, found: int, expected: int) -> InvalidInput:
    """The refusal of a row of the wrong length."""
    return InvalidInput(
        (Fault(row, None, "ragged_rows", count_words(found), count_words(expected)),)
    )


def count_words(values: int) -> str:
    return f"{values} values" if values != 1 else "1 value"


def wrong_cells(feature: Feature, values: Sequence[Any]) -> list[int]:
    """Where values are that the feature cannot hold, whatever its range."""
    types = TYPES[feature.datatype] | ({type(None)} if feature.nullable else frozenset())
    return [
        row
        for row, value in enumerate(values)
        if value is not ABSENT and (type(value) not in types or _too_large(feature, value))
    ]


def _too_large(feature: Feature, value: Any) -> bool:
    if type(value) is not int:
        return False
    if feature.datatype == "FP64":
        return abs(value) > sys.float_info.max
    return not least(feature) <= value <= most(feature)


def most(feature: Feature) -> int:
    """The greatest integer that a column of this feature can hold."""
    return EXACT if feature.nullable else _INT64 - 1


def least(feature: Feature) -> int:
    return -EXACT if feature.nullable else -_INT64


def cell_fault(row: int, feature: Feature, value: Any) -> Fault:
    """What to say of a value that `wrong_cells` found."""
    code, found = _CODES.get(type(value), "nested_value"), kind(value)
    if code == "number_value" and feature.datatype == "INT64":
        code, found = _no_integer(feature, value)
    elif code == "number_value" and feature.datatype == "FP64":
        code, found = "not_finite", "a number beyond doubles"
    return Fault(row, feature.name, code, found, expected_kind(feature))


def _no_integer(feature: Feature, value: float) -> tuple[str, str]:
    if isinstance(value, float):
        return "not_integer", "a number with a decimal point or exponent"
    if value > 0:
        return "out_of_range", f"number above {number_words(most(feature))}"
    return "out_of_range", f"number below {number_words(least(feature))}"
