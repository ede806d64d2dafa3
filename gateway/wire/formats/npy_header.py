"""The header of an npy array, read without trust. Source: NEP 1, numpy.lib.format.

numpy's own reader evaluates the header as Python and allocates what it promises. This one reads
three members by their text, and compares what they promise with what is there.
"""

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from gateway.errors import InvalidBody
from model.batch import Array

_MAGIC = b"\x93NUMPY"
_MOST_HEADER_BYTES = 4096
# The first bytes of a file that hold any header this reads.
PREFIX_BYTES = len(_MAGIC) + 6 + _MOST_HEADER_BYTES
_MOST_DIMENSIONS = 8
# Numbers, booleans and texts of one length. No objects: those are pickles.
_DTYPE = re.compile(r"[<>|=]?(?:f[248]|[iu][1248]|b1|\?|[US][1-9][0-9]{0,5})")
_MEMBERS = {
    "descr": re.compile(r"'descr' *: *'([^'\\]*)'"),
    "order": re.compile(r"'fortran_order' *: *(True|False)"),
    "shape": re.compile(r"'shape' *: *\( *((?:[0-9]+ *(?:, *|(?=\))))*)\)"),
}


@dataclass(frozen=True, slots=True)
class NpyHeader:
    """What an array promises to be, and where its elements begin."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran_order: bool
    offset: int

    @property
    def row_count(self) -> int:
        return self.shape[0] if self.shape else 1

    @property
    def file_bytes(self) -> int:
        """How long the whole file must be."""
        return self.offset + self.dtype.itemsize * math.prod(self.shape)


def read_header(start: bytes) -> NpyHeader:
    """The header in the first PREFIX_BYTES of a file.

    Raises: InvalidBody, also for arrays of objects or of structures.
    """
    if not start.startswith(_MAGIC) or len(start) < 12:
        raise InvalidBody("The body does not begin as an npy array does.")
    length_bytes = 2 if start[6] == 1 else 4
    begin = 8 + length_bytes
    length = int.from_bytes(start[8:begin], "little")
    if start[6] not in {1, 2, 3} or length > _MOST_HEADER_BYTES or begin + length > len(start):
        raise InvalidBody("The header of an npy array is cut off, too long or of another version.")
    dtype, order, shape = _members(start[begin : begin + length])
    return NpyHeader(dtype, shape, order, begin + length)


def elements(body: bytes, header: NpyHeader) -> Array:
    """The array behind a header. Raises: InvalidBody, unless it has the bytes it promises."""
    if len(body) != header.file_bytes:
        raise InvalidBody("An npy array has not as many bytes as its header says.")
    flat: Array = np.frombuffer(body, header.dtype, offset=header.offset)
    try:
        return flat.reshape(header.shape, order="F" if header.fortran_order else "C")
    except ValueError as exc:
        # Nothing, times more than numpy can count.
        raise InvalidBody("An npy array has a size beyond all arrays.") from exc


def _members(header: bytes) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    text = header.decode("latin-1")
    found = {name: pattern.findall(text) for name, pattern in _MEMBERS.items()}
    rest = text
    for pattern in _MEMBERS.values():
        rest = pattern.sub("", rest)
    if any(len(values) != 1 for values in found.values()) or rest.strip("{}, \n"):
        raise InvalidBody("The header of an npy array is not understood: send plain numbers.")
    [descr], [order], [shape] = found.values()
    if not _DTYPE.fullmatch(descr):
        raise InvalidBody("An npy array must hold numbers, booleans or texts of one length.")
    sizes = tuple(int(size) for size in shape.split(",") if size.strip())
    if len(sizes) > _MOST_DIMENSIONS:
        raise InvalidBody(f"An npy array may have {_MOST_DIMENSIONS} dimensions.")
    return np.dtype(descr), order == "True", sizes
