"""TensorFlow's TensorProto in its JSON form. Source: tensorflow/core/framework/tensor.proto.

Its values may be a list of their kind or bytes in base64. TensorFlow fills a tensor up with its
last value where there are too few; that is refused, since it lets a few bytes stand for millions.
"""

import math
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import numpy as np

from gateway.errors import BadRequest
from model.batch import Array

# By dtype: what numpy holds it in, and the member that lists its values.
_NUMBERS: Mapping[str, tuple[str, str]] = {
    "DT_DOUBLE": ("<f8", "doubleVal"),
    "DT_FLOAT": ("<f4", "floatVal"),
    "DT_INT64": ("<i8", "int64Val"),
    "DT_INT32": ("<i4", "intVal"),
    "DT_INT16": ("<i2", "intVal"),
    "DT_INT8": ("<i1", "intVal"),
    "DT_UINT8": ("<u1", "intVal"),
    "DT_BOOL": ("?", "boolVal"),
}
_TEXT, _TEXT_MEMBER = "DT_STRING", "stringVal"
_DTYPES = {np.dtype(words[0]): name for name, words in _NUMBERS.items()}
_WRONG = "tftensor is no TensorProto whose values are those of its dtype and tensorShape."


def from_tensor_proto(proto: Any) -> Array:
    """The array; texts are objects. Raises: BadRequest."""
    members = _camel(proto) if isinstance(proto, Mapping) else {}
    dtype, shape = str(members.get("dtype")), _shape(members.get("tensorShape"))
    try:
        if dtype == _TEXT:
            return _texts(members.get(_TEXT_MEMBER)).reshape(shape)
        if dtype not in _NUMBERS:
            raise BadRequest(f"tftensor has a dtype other than {', '.join([*_NUMBERS, _TEXT])}.")
        return _numbers(members, *_NUMBERS[dtype]).reshape(shape)
    except (ValueError, TypeError, OverflowError) as exc:
        raise BadRequest(_WRONG) from exc


def to_tensor_proto(array: Array) -> dict[str, Any]:
    """An array of numbers of a dtype that TensorFlow lists above; others as doubles."""
    if array.dtype not in _DTYPES:
        array = array.astype(np.float64)
    dtype = _DTYPES[array.dtype]
    content = np.ascontiguousarray(array, dtype=_NUMBERS[dtype][0]).tobytes()
    return {
        "dtype": dtype,
        "tensorShape": {"dim": [{"size": str(size)} for size in array.shape]},
        "tensorContent": b64encode(content).decode(),
    }


def _numbers(members: Mapping[str, Any], numpy_name: str, listed: str) -> Array:
    dtype = np.dtype(numpy_name)
    if "tensorContent" in members:
        content = b64decode(members["tensorContent"], validate=True)
        return np.frombuffer(content, dtype=dtype)
    values = members.get(listed)
    if not isinstance(values, list):
        raise TypeError
    # Protobuf writes whole numbers of 64 bits as text.
    plain = [int(value) if listed == "int64Val" else value for value in values]
    kinds = {bool} if dtype.kind == "b" else {int} if dtype.kind in "iu" else {int, float}
    if not set(map(type, plain)) <= kinds:
        raise TypeError
    return np.array(plain, dtype=dtype)


def _texts(values: Any) -> Array:
    if not isinstance(values, list):
        raise TypeError
    texts = [b64decode(value, validate=True).decode() for value in values]
    return np.array(texts, dtype=object)


def _shape(found: Any) -> tuple[int, ...]:
    dims = found.get("dim") if isinstance(found, Mapping) else None
    if not isinstance(dims, list) or not 1 <= len(dims) <= 8:
        raise BadRequest(_WRONG)
    try:
        sizes = tuple(int(dim["size"]) for dim in dims)
    except (TypeError, ValueError, KeyError) as exc:
        raise BadRequest(_WRONG) from exc
    if any(size < 0 for size in sizes) or math.prod(sizes) > 2**31:
        raise BadRequest(_WRONG)
    return sizes


def _camel(members: Mapping[str, Any]) -> dict[str, Any]:
    """Protobuf's JSON has names in either way."""
    return {_camel_word(name): value for name, value in members.items()}


def _camel_word(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
