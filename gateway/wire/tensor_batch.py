"""Named tensors into a Batch: one matrix, or one column for each feature."""

from collections.abc import Mapping, Sequence

import numpy as np

from gateway.wire.rows import refuse_too_many_rows
from gateway.wire.tensors import InputTensor
from model import Batch, Contract, Fault, Feature, InvalidInput
from model.batch import Array

# The kinds of numpy types that a feature takes, and what it turns them into.
_TAKES: Mapping[str, tuple[str, type]] = {
    "FP64": ("fiu", np.float64),
    "INT64": ("iu", np.int64),
    "BOOL": ("b", np.bool_),
    "BYTES": ("O", np.object_),
}


def batch_of_tensors(
    tensors: Sequence[InputTensor], contract: Contract, max_rows: int | None
) -> Batch:
    """The rows in these tensors.

    A model of numbers takes one tensor of any name and shape (n, f), or one for each feature;
    any other model one for each feature, of shape (n,) or (n, 1).

    Raises: InvalidInput, with every fault up to the cap.
    """
    names = [tensor.name for tensor in tensors]
    if contract.dense and len(tensors) == 1 and names != list(contract.feature_names):
        batch = _matrix(tensors[0], contract)
    else:
        batch = _columns({tensor.name: tensor for tensor in tensors}, contract)
    if max_rows is not None:
        refuse_too_many_rows(batch.row_count, max_rows)
    return batch


def _matrix(tensor: InputTensor, contract: Contract) -> Batch:
    array = tensor.array
    if array.dtype.kind not in "fiu":
        raise InvalidInput((_wrong_datatype(tensor, tensor.name[:64], "a tensor of numbers"),))
    width = len(contract.features)
    if array.ndim != 2 or array.shape[1] != width:
        expected = f"shape [n, {width}]"
        found = f"shape {list(array.shape)}"
        raise InvalidInput((Fault(None, None, "wrong_feature_count", found, expected),))
    return Batch(np.ascontiguousarray(array, dtype=np.float64))


def _columns(tensors: Mapping[str, InputTensor], contract: Contract) -> Batch:
    faults = [*_name_faults(tensors, contract)]
    columns: dict[str, Array] = {}
    for feature in contract.features:
        tensor = tensors.get(feature.name)
        if tensor is not None:
            column, fault = _column(tensor, feature)
            columns[feature.name] = column
            faults += [fault] if fault else []
    if len({len(column) for column in columns.values()}) > 1:
        found, expected = "inputs of different lengths", "one value per row in each"
        faults.append(Fault(None, None, "ragged_rows", found, expected))
    if faults:
        raise InvalidInput(tuple(faults))
    if contract.dense:
        return Batch(np.column_stack([columns[name] for name in contract.feature_names]))
    return Batch.of_columns(columns)


def _name_faults(tensors: Mapping[str, InputTensor], contract: Contract) -> Sequence[Fault]:
    known = set(contract.feature_names)
    unknown = [
        Fault(None, name[:64], "unknown_feature", "an unknown name", "a feature's name")
        for name in tensors
        if name not in known
    ]
    missing = [
        Fault(None, feature.name, "missing_feature", "nothing", f"a {feature.datatype} tensor")
        for feature in contract.features
        if feature.name not in tensors
    ]
    return [*unknown, *missing]


def _column(tensor: InputTensor, feature: Feature) -> tuple[Array, Fault | None]:
    array = tensor.array
    if array.ndim > 2 or (array.ndim == 2 and array.shape[1] != 1):
        found = f"shape {list(array.shape)}"
        fault = Fault(None, feature.name, "wrong_feature_count", found, "shape [n] or [n, 1]")
        return np.empty(0), fault
    kinds, held = _TAKES[feature.datatype]
    if array.dtype.kind not in kinds:
        return np.empty(0), _wrong_datatype(tensor, feature.name, f"{feature.datatype} data")
    column: Array = array.reshape(-1).astype(held)
    return column, None


def _wrong_datatype(tensor: InputTensor, name: str, expected: str) -> Fault:
    return Fault(None, name, "wrong_datatype", f"{tensor.datatype} data", expected)
