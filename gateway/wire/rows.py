"""Rows as Python values into a Batch, saying everything that is wrong with them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from model import MAX_FAULTS, Batch, Contract, Fault, Feature, InvalidInput

_NAN = float("nan")
# Counting three million faults takes a worker longer than a request may.
_MAX_COUNTED = 10_000


class _Faults:
    """Collects faults up to the cap, and counts the rest; gives up when there are very many."""

    def __init__(self) -> None:
        self.found: list[Fault] = []
        self.count = 0

    def add(
        self, row: int | None, feature: str | None, code: str, found: str, expected: str
    ) -> None:
        self.count += 1
        if len(self.found) < MAX_FAULTS:
            self.found.append(Fault(row, feature, code, found, expected))
        elif self.count == _MAX_COUNTED:
            self.refuse()

    def merge(self, other: InvalidInput, rows: Sequence[int]) -> None:
        """Add the faults of a batch that was made of these rows."""
        moved = [
            replace(fault, row=None if fault.row is None else rows[fault.row])
            for fault in other.faults
        ]
        # In the order of the rows; those that concern no single row first.
        self.found.extend(moved)
        self.found.sort(key=lambda fault: -1 if fault.row is None else fault.row)
        del self.found[MAX_FAULTS:]
        self.count += other.fault_count

    def refuse(self) -> None:
        if self.count:
            raise InvalidInput(tuple(self.found), self.count)


def refuse_too_many_rows(row_count: int, max_rows: int) -> None:
    """Before the first is read: saying what is wrong with millions of rows takes seconds.

    Raises: InvalidInput.
    """
    if row_count > max_rows:
        found, expected = f"{row_count} rows", f"at most {max_rows} rows per call"
        raise InvalidInput((Fault(None, None, "too_many_rows", found, expected),))


def batch_from_lists(rows: Any, contract: Contract) -> Batch:
    """Rows as arrays of values, in the order of the contract's features.

    Raises: InvalidInput, with every fault up to the cap.
    """
    faults = _Faults()
    rows = _require_rows(rows, faults, expected="an array of rows")
    _check_lengths(rows, contract, faults)
    values = [_row_values(index, row, contract, faults) for index, row in enumerate(rows)]
    return _batch(values, contract, faults)


def batch_from_records(rows: Any, contract: Contract) -> Batch:
    """Rows as a map to tuples of (name, value), so that they are made one by one.

    Raises: InvalidInput, with every fault up to the cap.
    """
    faults = _Faults()
    if not isinstance(rows, map):
        rows = _require_rows(rows, faults, expected="an array of objects")
    values = [_record_values(index, row, contract, faults) for index, row in enumerate(rows)]
    return _batch(values, contract, faults)


def _batch(values: list[list[float]], contract: Contract, faults: _Faults) -> Batch:
    if not faults.count:
        return Batch(np.array(values, dtype=np.float64))
    # Ranges are the contract's to check: what else is wrong with these rows is said with it.
    whole = [index for index, row in enumerate(values) if len(row) == len(contract.features)]
    try:
        if whole:
            contract.check(Batch(np.array([values[index] for index in whole])))
    except InvalidInput as exc:
        faults.merge(exc, whole)
    raise InvalidInput(tuple(faults.found), faults.count)


def _require_rows(rows: Any, faults: _Faults, expected: str) -> Sequence[Any]:
    if not isinstance(rows, list):
        faults.add(None, None, "not_rows", kind(rows), expected)
    elif not rows:
        faults.add(None, None, "empty_batch", "0 rows", "at least 1 row")
    faults.refuse()
    checked: Sequence[Any] = rows
    return checked


def _check_lengths(rows: Sequence[Any], contract: Contract, faults: _Faults) -> None:
    width = len(contract.features)
    lengths = {len(row) for row in rows if isinstance(row, list)}
    if lengths <= {width}:
        return
    if len(lengths) == 1:
        # One mistake, the same in every row, is one fault.
        faults.add(None, None, "wrong_feature_count", _values(*lengths), _values(width))
        return
    for index, row in enumerate(rows):
        if isinstance(row, list) and len(row) != width:
            faults.add(index, None, "ragged_rows", _values(len(row)), _values(width))


def _values(count: int) -> str:
    return f"{count} values" if count != 1 else "1 value"


def _row_values(index: int, row: Any, contract: Contract, faults: _Faults) -> list[float]:
    if not isinstance(row, list):
        expected = f"an array of {_values(len(contract.features))}"
        faults.add(index, None, "not_a_row", kind(row), expected)
        return []
    pairs = zip(row, contract.features, strict=False)
    values = [_number(index, value, feature, faults) for value, feature in pairs]
    return values if len(row) == len(contract.features) else []


def _record_values(index: int, row: Any, contract: Contract, faults: _Faults) -> list[float]:
    if not isinstance(row, tuple):
        faults.add(index, None, "not_a_row", kind(row), "an object with a member for each feature")
        return []
    record = dict(row)
    _check_names(index, [name for name, _ in row], contract, faults)
    return [
        _number(index, record[feature.name], feature, faults)
        for feature in contract.features
        if feature.name in record
    ]


def _check_names(index: int, names: Sequence[str], contract: Contract, faults: _Faults) -> None:
    known, seen = set(contract.feature_names), set()
    for name in names:
        if name not in known:
            # The name is the caller's own text: shortened, and never more than a name.
            faults.add(index, name[:64], "unknown_feature", "an unknown name", "a feature's name")
        elif name in seen:
            faults.add(index, name, "duplicate_feature", "the name twice", "each name once")
        seen.add(name)
    for feature in contract.features:
        if feature.name not in seen:
            faults.add(index, feature.name, "missing_feature", "nothing", _expected(feature))


def _number(index: int, value: Any, feature: Feature, faults: _Faults) -> float:
    if type(value) in (float, int):
        return float(value)
    if value is None and feature.nullable:
        return _NAN
    faults.add(
        index,
        feature.name,
        _CODES.get(type(value), "nested_value"),
        kind(value),
        _expected(feature),
    )
    return _acceptable(feature)


def _acceptable(feature: Feature) -> float:
    # Stands for a value that is refused already, so that its range is not refused as well.
    return next((bound for bound in (feature.minimum, feature.maximum) if bound is not None), 0.0)


_CODES = {str: "string_value", bool: "boolean_value", type(None): "missing_value"}
_KINDS = {
    str: "a string",
    bool: "a boolean",
    type(None): "null",
    float: "a number",
    int: "a number",
}


def kind(value: Any) -> str:
    """What a JSON value is, without the value."""
    return _KINDS.get(type(value), "an object" if isinstance(value, dict) else "an array")


def _expected(feature: Feature) -> str:
    return "a number or null" if feature.nullable else "a number"
