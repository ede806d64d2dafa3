"""Columns by name as Python values into a Batch, saying everything that is wrong with them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gateway.wire.fault_list import FaultList
from gateway.wire.rows import check_names
from model import Batch, Contract, InvalidInput
from model.cells import ABSENT, kind

Members = Sequence[tuple[str, Any]]


def batch_from_columns(members: Members | Any, contract: Contract) -> Batch:
    """Columns as (name, values) in any order, values as a list or, for numbers only, an array.

    The name of a nullable feature may be left out: the value is missing in every row.

    Raises: InvalidInput, with every fault up to the cap.
    """
    faults = FaultList()
    if not isinstance(members, tuple):
        expected = "an object with an array for each feature"
        faults.add(None, None, "not_columns", kind(members), expected)
        faults.refuse()
    check_names(None, [name for name, _ in members], contract, faults)
    columns = {name: values for name, values in members if name in contract.feature_name_set}
    row_count = _row_count(columns, faults)
    cells = [
        columns.get(feature.name, [None if feature.nullable else ABSENT] * row_count)
        for feature in contract.features
    ]
    return _batch(cells, row_count, contract, faults)


def _row_count(columns: dict[str, Any], faults: FaultList) -> int:
    """How many rows all columns have. Raises InvalidInput where they differ, as nothing fits."""
    expected: int | None = None
    for name, values in columns.items():
        if not isinstance(values, (list, np.ndarray)):
            faults.add(None, name, "not_a_column", kind(values), "an array of values")
            continue
        if expected is None:
            expected = len(values)
        elif len(values) != expected:
            # The first column says how many there should be: none is more right than another.
            found = (f"{len(values)} rows", f"{expected} rows, as in the first column")
            faults.add(None, name, "ragged_columns", *found)
    broken = {"not_a_column", "ragged_columns"}
    if any(fault.code in broken for fault in faults.found):
        faults.refuse()
    if not expected:
        faults.add(None, None, "empty_batch", "0 rows", "at least 1 row")
        faults.refuse()
    return expected or 0


def _batch(cells: list[Any], row_count: int, contract: Contract, faults: FaultList) -> Batch:
    try:
        batch = contract.batch_from_cells(cells)
        if faults.count:
            contract.check(batch)
    except InvalidInput as exc:
        faults.merge(exc, range(row_count))
    faults.refuse()
    return batch
