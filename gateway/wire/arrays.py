"""Typed arrays, as binary formats hold them, into a Batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.wire.columns import batch_from_columns
from gateway.wire.fault_list import FaultList
from model import Batch, Contract, Fault, Feature, InvalidInput
from model.batch import Array
from model.cell_faults import EXACT

# The kind of a column of nothing but missing values.
ANY_KIND = "missing"

# The kinds of numpy types that a feature takes. Nothing else is converted.
_TAKES: Mapping[str, frozenset[str]] = {
    "FP64": frozenset({"f", "i", "u", ANY_KIND}),
    "INT64": frozenset({"i", "u", ANY_KIND}),
    "BOOL": frozenset({"b", ANY_KIND}),
    "BYTES": frozenset({"O", ANY_KIND}),
}
_INT64_MAX = 2**63 - 1


def matrix_batch(array: Array, contract: Contract) -> Batch:
    """A matrix of numbers, in the order of the contract's features; doubles are not copied.

    Raises: InvalidInput.
    """
    if array.dtype.kind not in "fiu" or not contract.dense:
        found = "a matrix of numbers" if array.dtype.kind in "fiu" else "other values than numbers"
        expected = "a matrix of numbers" if contract.dense else "a column for each feature"
        raise InvalidInput((Fault(None, None, "wrong_datatype", found, expected),))
    width = len(contract.features)
    if array.ndim != 2 or array.shape[1] != width:
        found, expected = f"shape {list(array.shape)}", f"shape [n, {width}]"
        raise InvalidInput((Fault(None, None, "wrong_feature_count", found, expected),))
    return Batch(_doubles(array))


@dataclass(frozen=True, slots=True, eq=False)
class TypedColumn:
    """One column of a body whose format knows types.

    Attributes:
        kind: what numpy calls the kind of its values: one of f, i, u, b; O is text; ANY_KIND;
            empty is anything else, which no feature takes.
        called: what to call its type.
        values: an array of that kind; or, where a value other than a double is missing, of objects
            with None. Shape (n,) or (n, 1).
    """

    name: str
    kind: str
    called: str
    values: Array


def columns_batch(
    given: Sequence[TypedColumn], contract: Contract, faults: FaultList | None = None
) -> Batch:
    """Columns by name, in any order.

    Raises: InvalidInput.
    """
    features = {feature.name: feature for feature in contract.features}
    faults = FaultList() if faults is None else faults
    columns: dict[str, Any] = {}
    for one in given:
        feature = features.get(one.name)
        if feature is None:
            continue
        if one.kind not in _TAKES[feature.datatype]:
            expected = f"{feature.datatype} data"
            faults.add(None, one.name, "wrong_datatype", one.called, expected)
        elif one.values.ndim != 1 and one.values.shape[1:] != (1,):
            found = f"shape {list(one.values.shape)}"
            faults.add(None, one.name, "not_a_column", found, "an array of values")
        else:
            columns[one.name] = _column(one.values.reshape(-1), feature)
    faults.refuse()
    return batch_from_columns([one.name for one in given], columns, contract, faults)


def missing_as_none(array: Array, missing: npt.NDArray[np.bool_]) -> Array:
    """The same values as objects, None where one is missing."""
    objects = array.astype(np.object_)
    objects[missing] = None
    return objects


def _column(array: Array, feature: Feature) -> Any:
    if array.dtype.kind == "O" or not array.size:
        return array.tolist()
    if feature.datatype == "FP64":
        return _doubles(array)
    if feature.datatype == "INT64" and _too_large(array, feature):
        return array.tolist()
    held = {"INT64": np.int64, "BOOL": np.bool_}[feature.datatype]
    if feature.nullable:
        held = {"INT64": np.float64, "BOOL": np.object_}[feature.datatype]
    return array.astype(held)


def _doubles(array: Array) -> npt.NDArray[np.float64]:
    # Some bit patterns of NaN make numpy warn; a missing value is what they are.
    with np.errstate(invalid="ignore"):
        return np.require(array, np.float64, ["C", "A"])


def _too_large(array: Array, feature: Feature) -> bool:
    """Whether an integer is beyond what the column holds, so that each must be looked at."""
    most = EXACT if feature.nullable else _INT64_MAX
    return int(array.max()) > most or int(array.min()) < -most - 1
