"""Columns by name as Python values into a Batch, saying everything that is wrong with them."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from gateway.wire.fault_list import FaultList
from gateway.wire.rows import check_lengths, check_names, require_rows
from model import Batch, Contract, Fault, InvalidInput
from model.cell_faults import ABSENT, count_words, kind


def refuse_not_columns(found: Any) -> NoReturn:
    """Raise InvalidInput, as this is no object."""
    expected = "an object with an array for each feature"
    raise InvalidInput((Fault(None, None, "not_columns", kind(found), expected),))


def batch_from_columns(
    names: Sequence[str],
    columns: Mapping[str, Any],
    contract: Contract,
    faults: FaultList | None = None,
    places: Sequence[int] | None = None,
) -> Batch:
    """Columns by name into the batch of the contract.

    Args:
        names: all that the caller gave, in any order; a name may be unknown or come twice.
        columns: the values of each known name: a list or, for numbers only, an array. Where the
            name of a nullable feature is left out, the value is missing in every row.
        places: what each row is called in faults, where others of the body were left out.

    Raises: InvalidInput, with every fault up to the cap.
    """
    faults = FaultList() if faults is None else faults
    check_names(None, names, contract, faults)
    columns = {name: columns[name] for name in contract.feature_names if name in columns}
    row_count = _row_count(columns, faults)
    cells = [
        columns.get(feature.name, [None if feature.nullable else ABSENT] * row_count)
        for feature in contract.features
    ]
    return faults.batch_of_cells(cells, range(row_count) if places is None else places, contract)


def batch_from_named_rows(names: Sequence[str], rows: Any, contract: Contract) -> Batch:
    """Rows as lists whose values are in the order of these names. Raises: InvalidInput."""
    faults = FaultList()
    rows = require_rows(rows, faults, expected="an array of rows")
    check_lengths(rows, len(names), faults)
    faults.refuse()
    columns = map(list, zip(*rows, strict=True))
    return batch_from_columns(names, dict(zip(names, columns, strict=True)), contract)


def _row_count(columns: Mapping[str, Any], faults: FaultList) -> int:
    """How many rows all columns have. Raises InvalidInput where they differ, as nothing fits."""
    lengths: dict[str, int] = {}
    for name, values in columns.items():
        if isinstance(values, (list, np.ndarray)):
            lengths[name] = len(values)
        else:
            faults.add(None, name, "not_a_column", kind(values), "an array of values")
    # The first feature says how many there should be: no column is more right than another.
    row_count = next(iter(lengths.values()), 0)
    ragged = {name: length for name, length in lengths.items() if length != row_count}
    for name, length in ragged.items():
        found, expected = count_words(length), f"{count_words(row_count)}, as in the first feature"
        faults.add(None, name, "ragged_columns", found, expected)
    if not row_count and not faults.count:
        faults.add(None, None, "empty_batch", "0 rows", "at least 1 row")
    if not row_count or ragged or len(lengths) < len(columns):
        faults.refuse()
    return row_count
