"""Rows as Python values into a Batch, saying everything that is wrong with them."""

from collections.abc import Sequence
from typing import Any

from gateway.wire.fault_list import FaultList
from model import Batch, Contract, Fault, InvalidInput
from model.cell_faults import ABSENT, count_words, expected_kind, kind


def refuse_too_many_rows(row_count: int, max_rows: int) -> None:
    """Before the first is read: saying what is wrong with millions of rows takes seconds.

    Raises: InvalidInput.
    """
    if row_count > max_rows:
        found, expected = f"{row_count} rows", f"at most {max_rows} rows per call"
        raise InvalidInput((Fault(None, None, "too_many_rows", found, expected),))


def batch_from_lists(rows: Any, contract: Contract, faults: FaultList | None = None) -> Batch:
    """Rows as arrays of values, in the order of the contract's features.

    Raises: InvalidInput, with every fault up to the cap.
    """
    faults = FaultList() if faults is None else faults
    rows = require_rows(rows, faults, expected="an array of rows")
    check_lengths(rows, len(contract.features), faults)
    width = len(contract.features)
    # Which feature the values of a shorter or longer row belong to cannot be known.
    whole = [at for at, row in enumerate(rows) if isinstance(row, list) and len(row) == width]
    return faults.batch_of_rows([rows[at] for at in whole], whole, contract)


def batch_from_records(rows: Any, contract: Contract, faults: FaultList | None = None) -> Batch:
    """Rows as a map to tuples of (name, value), so that they are made one by one.

    Raises: InvalidInput, with every fault up to the cap.
    """
    faults = FaultList() if faults is None else faults
    if not isinstance(rows, map):
        rows = require_rows(rows, faults, expected="an array of objects")
    values: list[Sequence[Any]] = []
    whole: list[int] = []
    for at, row in enumerate(rows):
        if isinstance(row, tuple):
            values.append(_record_values(at, row, contract, faults))
            whole.append(at)
        else:
            expected = "an object with a member for each feature"
            faults.add(at, None, "not_a_row", kind(row), expected)
    return faults.batch_of_rows(values, whole, contract)


def require_rows(rows: Any, faults: FaultList, expected: str) -> Sequence[Any]:
    """The rows, of which there is at least one. Raises: InvalidInput."""
    if not isinstance(rows, list):
        faults.add(None, None, "not_rows", kind(rows), expected)
    elif not rows:
        faults.add(None, None, "empty_batch", "0 rows", "at least 1 row")
    faults.refuse()
    checked: Sequence[Any] = rows
    return checked


def check_lengths(rows: Sequence[Any], width: int, faults: FaultList) -> None:
    """Note rows that are no lists, or of another length."""
    lengths = {len(row) for row in rows if isinstance(row, list)}
    if len(lengths) == 1 and lengths != {width}:
        # One mistake, the same in every row, is one fault.
        found, expected = count_words(*lengths), count_words(width)
        faults.add(None, None, "wrong_feature_count", found, expected)
    for at, row in enumerate(rows):
        if not isinstance(row, list):
            faults.add(at, None, "not_a_row", kind(row), f"an array of {count_words(width)}")
        elif len(row) != width and len(lengths) > 1:
            faults.add(at, None, "ragged_rows", count_words(len(row)), count_words(width))


def _record_values(
    at: int, row: tuple[tuple[str, Any], ...], contract: Contract, faults: FaultList
) -> Sequence[Any]:
    record = dict(row)
    if len(record) == len(row) and record.keys() == contract.feature_name_set:
        return [record[name] for name in contract.feature_names]
    check_names(at, [name for name, _ in row], contract, faults)
    return [
        record.get(feature.name, None if feature.nullable else ABSENT)
        for feature in contract.features
    ]


def check_names(
    row: int | None, names: Sequence[str], contract: Contract, faults: FaultList
) -> None:
    """Note names that are unknown or given twice, and those missing that are not nullable."""
    seen: set[str] = set()
    for name in names:
        if name not in contract.feature_name_set:
            # The name is the caller's own text: shortened, and never more than a name.
            faults.add(row, name[:64], "unknown_feature", "an unknown name", "a feature's name")
        elif name in seen:
            faults.add(row, name, "duplicate_feature", "the name twice", "each name once")
        seen.add(name)
    for feature in contract.features:
        if feature.name not in seen and not feature.nullable:
            faults.add(row, feature.name, "missing_feature", "nothing", expected_kind(feature))
