"""Plain Python values, as JSON or TOML gives them, into the columns of a batch."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from model.batch import Array, Batch
from model.errors import MAX_FAULTS, Fault, InvalidInput
from model.faults import find_faults
from model.feature_words import expected_value, number_words
from model.signature import Feature

# Stands for a value that is refused elsewhere already, so that it is not refused here as well.
ABSENT: Final = object()

# An integer that may be missing travels as a double, which holds all integers up to here.
_EXACT = 2**53
_INT64 = 2**63

_TYPES: Mapping[str, frozenset[type]] = {
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


def read_cells(features: Sequence[Feature], cells: Sequence[Sequence[Any]]) -> Batch:
    """A batch from the values of each feature, all of the same length; None is a missing value.

    Types are strict: no text is read as a number, no number as text. An array of doubles is taken
    as it is.

    Raises:
        InvalidInput: values of another type, together with whatever else is wrong with the rest.
    """
    faults: list[Fault] = []
    fault_count = 0
    columns: dict[str, Array] = {}
    for feature, values in zip(features, cells, strict=True):
        column = _column(feature, values)
        if column is None:
            wrong = _wrong_cells(feature, values)
            faults += [_fault(row, feature, values[row]) for row in wrong[:MAX_FAULTS]]
            fault_count += len(wrong)
            column = _without(feature, values, wrong)
        columns[feature.name] = column
    batch = _batch(features, columns)
    if not fault_count:
        return batch
    others = find_faults(features, batch)
    # In the order of the rows; sorting keeps wrong types before wrong values.
    found = sorted([*faults, *others.faults], key=lambda fault: fault.row or 0)
    raise InvalidInput(tuple(found), fault_count + others.fault_count)


def ragged_row(row: int, found: int, expected: int) -> InvalidInput:
    """The refusal of a row of the wrong length."""
    return InvalidInput(
        (Fault(row, None, "ragged_rows", count_words(found), count_words(expected)),)
    )


def count_words(values: int) -> str:
    return f"{values} values" if values != 1 else "1 value"


def _batch(features: Sequence[Feature], columns: Mapping[str, Array]) -> Batch:
    if any(feature.datatype != "FP64" for feature in features):
        return Batch.of_columns(columns)
    return Batch(np.column_stack(list(columns.values())) if columns else np.empty((0, 0)))


def _column(feature: Feature, values: Any) -> Array | None:
    """All values at once; None where one of them does not fit."""
    if isinstance(values, np.ndarray):
        return values
    found = set(map(type, values))
    if feature.nullable:
        found.discard(type(None))
    if not found <= _TYPES[feature.datatype]:
        return None
    try:
        return _COLUMNS[feature.datatype](values, feature.nullable)
    except OverflowError:
        return None


def _doubles(values: Sequence[Any], _nullable: bool) -> Array:
    return np.array(values, dtype=np.float64)


def _integers(values: Sequence[Any], nullable: bool) -> Array:
    if not nullable:
        return np.array(values, dtype=np.int64)
    if any(value is not None and abs(value) > _EXACT for value in values):
        raise OverflowError
    return np.array(values, dtype=np.float64)


def _booleans(values: Sequence[Any], nullable: bool) -> Array:
    return np.array(values, dtype=np.object_ if nullable else np.bool_)


def _texts(values: Sequence[Any], _nullable: bool) -> Array:
    return np.array(values, dtype=np.object_)


_COLUMNS: Mapping[str, Callable[[Sequence[Any], bool], Array]] = {
    "FP64": _doubles,
    "INT64": _integers,
    "BOOL": _booleans,
    "BYTES": _texts,
}


def _wrong_cells(feature: Feature, values: Sequence[Any]) -> list[int]:
    types = _TYPES[feature.datatype] | ({type(None)} if feature.nullable else frozenset())
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
    return not _least(feature) <= value <= _most(feature)


def _most(feature: Feature) -> int:
    return _EXACT if feature.nullable else _INT64 - 1


def _least(feature: Feature) -> int:
    return -_EXACT if feature.nullable else -_INT64


def _fault(row: int, feature: Feature, value: Any) -> Fault:
    code, found = _CODES.get(type(value), "nested_value"), kind(value)
    if code == "number_value" and feature.datatype == "INT64":
        if type(value) is int:
            above = value > 0
            code = "out_of_range"
            found = f"number {'above' if above else 'below'} " + number_words(
                _most(feature) if above else _least(feature)
            )
        else:
            code, found = "not_integer", "a number with a decimal point or exponent"
    elif code == "number_value" and feature.datatype == "FP64":
        code, found = "not_finite", "a number beyond doubles"
    return Fault(row, feature.name, code, found, expected_kind(feature))


def _without(feature: Feature, values: Sequence[Any], wrong: Sequence[int]) -> Array:
    good = acceptable(feature)
    filled = [good if value is ABSENT else value for value in values]
    for row in wrong:
        filled[row] = good
    return _COLUMNS[feature.datatype](filled, feature.nullable)


def acceptable(feature: Feature) -> Any:
    """A value that keeps the promise of the feature."""
    if feature.categories is not None:
        return feature.categories[0]
    if feature.datatype in {"BOOL", "BYTES"}:
        return False if feature.datatype == "BOOL" else ""
    bounds = (feature.minimum, feature.maximum)
    bound = next((bound for bound in bounds if bound is not None), 0.0)
    return bound if feature.datatype == "FP64" else int(bound)
