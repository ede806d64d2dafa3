"""Arrays of plain values from what model code returns, and the datatype they have."""

from typing import Any

import numpy as np

from model.batch import Array
from model.errors import ModelFailed

_FAMILIES = {"f": "FP", "i": "INT", "u": "UINT"}
_PLAIN_KINDS = frozenset("fiubU")


def to_array(value: Any, name: str) -> Array:
    """An array of at least one dimension, of numbers, text or booleans.

    Takes arrays, lists, data frames and series; text of mixed lengths stays as objects.

    Raises: ModelFailed, for anything else.
    """
    try:
        array = np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else value)
    except Exception as exc:
        raise ModelFailed(f"the rows of {name} differ in length") from exc
    if array.ndim == 0:
        raise ModelFailed(f"{name} is a single {type(value).__name__}, not one entry for each row")
    array = _without_objects(array)
    if array.dtype.kind not in _PLAIN_KINDS and not _all_text(array):
        raise ModelFailed(f"{name} has values that are neither numbers, text nor booleans")
    return array


def datatype_of(array: Array) -> str:
    """The Open Inference Protocol's word for what the array holds; its word for text is BYTES."""
    kind = array.dtype.kind
    if kind in _FAMILIES:
        return f"{_FAMILIES[kind]}{array.dtype.itemsize * 8}"
    return "BOOL" if kind == "b" else "BYTES"


def to_datatype(array: Array, datatype: str | None, name: str) -> Array:
    """The array as the contract promises it: whole numbers may be given where others are promised.

    Raises: ModelFailed, where values would change.
    """
    if datatype is None or datatype_of(array) == datatype:
        return array
    promised = np.dtype("O" if datatype == "BYTES" else _numpy_name(datatype))
    numeric = array.dtype.kind in "fiu" and promised.kind in "fiu"
    converted = array.astype(promised) if numeric else array
    if not numeric or (promised.kind != "f" and not np.array_equal(converted, array)):
        raise ModelFailed(f"{name} has values of {datatype_of(array)}, promised is {datatype}")
    return converted


def _numpy_name(datatype: str) -> str:
    return datatype.lower().replace("fp", "float")


def _without_objects(array: Array) -> Array:
    """Numbers and booleans that came as objects as what they are."""
    if array.dtype.kind != "O" or _all_text(array):
        return array
    plain = np.asarray(array.tolist())
    # numpy writes a number beside text as text: that would change what the model said.
    return array if plain.dtype.kind == "U" else plain


def _all_text(array: Array) -> bool:
    return array.dtype.kind == "O" and all(isinstance(cell, str) for cell in array.ravel())
