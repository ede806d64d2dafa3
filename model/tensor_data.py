"""The elements of one tensor of the Open Inference Protocol, as JSON or as bytes."""

import math
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import numpy as np

from model.batch import Array

_NUMBERS = {
    **{f"FP{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
    **{f"INT{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
}
# The upper half of FP32. Triton's, and binary only.
_BF16 = "BF16"
_LENGTH_BYTES = 4
# As many as JSON may have values. Four bytes are an empty one, which takes ten times that here.
_MOST_TEXTS = 5_000_000
_KINDS_OF_JSON = {"f": "fiu", "i": "iu", "u": "iu"}


def is_datatype(word: str) -> bool:
    return word in _NUMBERS or word in {"BOOL", "BYTES", _BF16}


def number_type(datatype: str) -> np.dtype[Any] | None:
    """What numpy holds these numbers in, little-endian; None for BOOL and BYTES."""
    return _NUMBERS.get(datatype)


def datatype_of(array: Array) -> str:
    """The datatype of an array that `from_json` or `from_binary` made."""
    if array.dtype.kind in "bO":
        return "BOOL" if array.dtype.kind == "b" else "BYTES"
    return next(word for word, dtype in _NUMBERS.items() if dtype == array.dtype)


def to_json(array: Array, datatype: str) -> Any:
    """The elements in row-major order; a missing one is None, which NaN becomes when written."""
    flat = array.ravel()
    if datatype == "BYTES" or flat.dtype.kind == "O":
        return flat.tolist()
    if datatype == "BOOL":
        return flat.astype(np.bool_)
    if _NUMBERS[datatype].kind != "f" and flat.dtype.kind == "f":
        return [None if math.isnan(value) else int(value) for value in flat]
    return _narrowed(flat, _NUMBERS[datatype].newbyteorder("="))


def to_binary(array: Array, datatype: str) -> bytes | None:
    """The elements in row-major order, little-endian; None where one of them has no such form."""
    flat = array.ravel()
    if datatype == "BYTES":
        return _framed(flat.tolist())
    if datatype == "BOOL":
        return None if _misses(flat) else flat.astype(np.bool_).tobytes()
    dtype = _NUMBERS[datatype]
    if dtype.kind != "f" and flat.dtype.kind == "f" and np.isnan(flat).any():
        return None
    return _narrowed(flat, dtype).tobytes()


def _misses(flat: Array) -> bool:
    return flat.dtype.kind == "O" and any(value is None for value in flat)


def _narrowed(flat: Array, dtype: np.dtype[Any]) -> Array:
    # The contract keeps whole numbers within their type; what is too great for FP32 is infinite.
    with np.errstate(over="ignore"):
        return flat.astype(dtype)


def _framed(texts: list[str | None]) -> bytes | None:
    if None in texts:
        return None
    words = [text.encode() for text in texts if text is not None]
    return b"".join(len(word).to_bytes(_LENGTH_BYTES, "little") + word for word in words)


def from_json(data: Any, datatype: str, shape: tuple[int, ...]) -> Array:
    """An array of elements given flat or nested.

    Raises:
        ValueError, TypeError, OverflowError: other elements than the datatype's, not as many as
            the shape has, or nested in another way.
    """
    if not isinstance(data, list):
        raise TypeError("data is no list")
    if datatype == "BYTES":
        return _texts(data, shape)
    # Before numpy looks: among numbers, of booleans it makes numbers, and of texts an array that
    # takes 84 bytes for each element.
    _require(_kinds(data) <= ({bool} if datatype == "BOOL" else {int, float}))
    array: Array = np.asarray(data)
    if datatype == "BOOL":
        return _shaped(array.astype(np.bool_), shape)
    _require(datatype != _BF16)
    dtype = _NUMBERS[datatype]
    if dtype.kind == "u" and array.dtype.kind == "f":
        array = _unsigned(data)
    _require(array.dtype.kind in _KINDS_OF_JSON[dtype.kind] or not array.size)
    converted = _narrowed(array, dtype)
    _require(dtype.kind == "f" or bool((converted == array).all()))
    return _shaped(converted, shape)


def _shaped(array: Array, shape: tuple[int, ...]) -> Array:
    # Rows of another length than the shape says would be mixed up, and nobody would see it.
    _require(array.ndim == 1 or array.shape == shape)
    return array.reshape(shape)


def _kinds(data: list[Any]) -> set[type]:
    """The types of the elements. Raises: ValueError, where lists stand among others."""
    kinds = set(map(type, data))
    while list in kinds:
        _require(kinds == {list})
        data = list(chain.from_iterable(data))
        kinds = set(map(type, data))
    return kinds


def _unsigned(data: list[Any]) -> Array:
    # numpy makes doubles of small and very large whole numbers side by side.
    objects = np.asarray(data, dtype=object)
    _require(all(type(value) is int for value in objects.flat))
    return objects.astype(np.uint64)


def from_binary(data: memoryview, datatype: str, shape: tuple[int, ...]) -> Array:
    """An array of little-endian elements. Raises ValueError as `from_json` does."""
    if datatype == "BYTES":
        _require(math.prod(shape) <= _MOST_TEXTS)
        words = islice(_words(data), math.prod(shape) + 1)
        return _texts([bytes(word).decode() for word in words], shape)
    if datatype == "BOOL":
        flags = np.frombuffer(data, dtype=np.uint8)
        _require(not flags.size or int(flags.max()) <= 1)
        return flags.astype(np.bool_).reshape(shape)
    if datatype == _BF16:
        halves = np.frombuffer(data, dtype="<u2").astype(np.uint32)
        return (halves << 16).view(np.float32).reshape(shape)
    array = np.frombuffer(data, dtype=_NUMBERS[datatype])
    # A copy in this machine's own order, which does not keep the whole answer alive.
    return array.astype(array.dtype.newbyteorder("=")).reshape(shape)


def _words(data: memoryview) -> Iterator[memoryview]:
    while data:
        length = int.from_bytes(data[:_LENGTH_BYTES], "little")
        end = _LENGTH_BYTES + length
        _require(end <= len(data))
        yield data[_LENGTH_BYTES:end]
        data = data[end:]


def _texts(data: list[Any], shape: tuple[int, ...]) -> Array:
    # As objects: numpy's own text would give each element the room of the longest.
    array = _shaped(np.array(data, dtype=object), shape)
    _require(all(isinstance(text, str) for text in array.flat))
    return array


def _require(fits: bool) -> None:
    if not fits:
        raise ValueError("the elements do not fit their heading")
