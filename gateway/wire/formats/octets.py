"""A matrix as its bare elements, row by row, little-endian: `application/octet-stream`.

Its Content-Type may say `dtype=float32`; without, the elements are doubles. The number of columns
is that of the features, so nothing else needs to be said.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gateway.errors import BadRequest, InvalidBody
from gateway.wire.arrays import matrix_batch
from gateway.wire.formats.format import Format, Reading
from model import Batch

_DTYPES: Mapping[str, np.dtype[Any]] = {
    "float64": np.dtype("<f8"),
    "float32": np.dtype("<f4"),
    "int64": np.dtype("<i8"),
    "int32": np.dtype("<i4"),
}


def _read(body: bytes, reading: Reading) -> Batch:
    dtype = _DTYPES.get(reading.parameters.get("dtype", "float64"))
    if dtype is None:
        raise BadRequest(f"The parameter dtype is one of {', '.join(_DTYPES)}.")
    width = len(reading.contract.features)
    row_count, rest = divmod(len(body), width * dtype.itemsize)
    if rest:
        raise InvalidBody(f"The body is not made of rows of {width} numbers of type {dtype.name}.")
    reading.refuse_too_many(row_count)
    return matrix_batch(np.frombuffer(body, dtype).reshape(row_count, width), reading.contract)


FORMAT = Format("octets", ("application/octet-stream",), _read)
