"""Rows of Seldon's tables, whose columns may be named in any order, into a Batch."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gateway.errors import BadRequest
from gateway.wire.columns import batch_from_columns
from gateway.wire.json_document import JsonDocument
from gateway.wire.rows import batch_from_lists, refuse_too_many_rows
from model import Batch, Contract, Fault, InvalidInput
from model.batch import Array
from model.cell_faults import count_words, kind

_TENSOR = 'Send {"shape": [rows, features], "values": [number, …]}.'
_WHOLE_BELOW = 2.0**63


def rows_of_list(
    data: JsonDocument,
    member: str,
    names: Sequence[str],
    contract: Contract,
    max_rows: int | None,
) -> Batch:
    """Rows as nested lists. Raises: InvalidInput, with every fault up to the cap."""
    if _in_order(names, contract):
        return data.matrix(member, contract, whole)
    numbers = data.numbers(member, len(names)) if _reorders(names, contract) else None
    if numbers is not None:
        return rows_of_array(numbers, names, contract, max_rows)
    rows = data.values(member, contract)
    _require_lengths(rows, len(names))
    return _by_name(rows, names, contract)


def rows_of_array(
    array: Array, names: Sequence[str], contract: Contract, max_rows: int | None
) -> Batch:
    """Rows as an array of numbers or texts. Raises: BadRequest; InvalidInput."""
    if array.ndim != 2:
        detail = f"A tensor of {array.ndim} dimensions: send [rows, {len(contract.features)}]."
        raise BadRequest(detail)
    if max_rows is not None:
        refuse_too_many_rows(len(array), max_rows)
    width = len(names) if names else len(contract.features)
    if array.shape[1] != width:
        _refuse_width(array.shape[1], width)
    numbers = contract.dense and len(array) and array.dtype.kind in "fiu"
    if numbers and (_in_order(names, contract) or _reorders(names, contract)):
        places = [list(names).index(name) for name in contract.feature_names] if names else ...
        return Batch(np.ascontiguousarray(array[:, places], dtype=np.float64))
    rows = [[whole(cell) for cell in row] for row in array.tolist()]
    if _in_order(names, contract):
        return batch_from_lists(rows, contract)
    return _by_name(rows, names, contract)


def tensor(document: JsonDocument) -> Array:
    """An object with a `shape` and its `values`, flat, in row-major order. Raises: BadRequest."""
    names = document.member_names() or []
    if set(names) != {"shape", "values"}:
        raise BadRequest(f"A tensor has shape and values. {_TENSOR}")
    sizes = document.aside("shape")
    if (
        not isinstance(sizes, list)
        or len(sizes) != 2
        or not all(type(size) is int and size >= 0 for size in sizes)
    ):
        raise BadRequest(f"The shape of a tensor is two whole numbers. {_TENSOR}")
    values = document.vector("values")
    if values is None:
        raise BadRequest(f"The values of a tensor are numbers, in one array. {_TENSOR}")
    if len(values) != sizes[0] * sizes[1]:
        detail = f"A tensor of shape {sizes} has {sizes[0] * sizes[1]} values, not {len(values)}."
        raise BadRequest(detail)
    return values.reshape(sizes)


def whole(cell: Any) -> Any:
    """Protobuf has no whole numbers beside doubles: 3.0 is what its clients make of 3."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _WHOLE_BELOW:
        return int(cell)
    return cell


def _in_order(names: Sequence[str], contract: Contract) -> bool:
    return not names or tuple(names) == contract.feature_names


def _reorders(names: Sequence[str], contract: Contract) -> bool:
    """Whether these are the features of a model of numbers, in another order."""
    same = len(names) == len(contract.features) and set(names) == contract.feature_name_set
    return contract.dense and same


def _by_name(rows: Sequence[Sequence[Any]], names: Sequence[str], contract: Contract) -> Batch:
    columns = {name: [whole(row[at]) for row in rows] for at, name in enumerate(names)}
    return batch_from_columns(names, columns, contract)


def _require_lengths(rows: Any, width: int) -> None:
    if not isinstance(rows, list) or not rows:
        found = "0 rows" if rows == [] else kind(rows)
        raise InvalidInput((Fault(None, None, "not_rows", found, "an array of rows"),))
    for at, row in enumerate(rows):
        if not isinstance(row, list):
            expected = f"an array of {count_words(width)}"
            raise InvalidInput((Fault(at, None, "not_a_row", kind(row), expected),))
        if len(row) != width:
            found, expected = count_words(len(row)), f"{count_words(width)}, as in names"
            raise InvalidInput((Fault(at, None, "ragged_rows", found, expected),))


def _refuse_width(found: int, width: int) -> None:
    fault = Fault(None, None, "wrong_feature_count", count_words(found), count_words(width))
    raise InvalidInput((fault,))
