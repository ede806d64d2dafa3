"""A matrix as npy: numpy's own file of one array, never with pickled objects."""

import io
from collections.abc import Mapping

import numpy as np

from gateway.errors import NotAcceptable
from gateway.wire.arrays import matrix_batch
from gateway.wire.formats.format import Format, Reading
from gateway.wire.formats.npy_header import PREFIX_BYTES, elements, read_header
from gateway.wire.table import Table
from model import Batch
from model.batch import Array


def _read(body: bytes, reading: Reading) -> Batch:
    header = read_header(body[:PREFIX_BYTES])
    reading.refuse_too_many(header.row_count)
    return matrix_batch(elements(body, header), reading.contract)


def _write(table: Table, parameters: Mapping[str, str]) -> bytes:
    """One output: the one that `application/x-npy; output=name` names, else the predictions."""
    name = parameters.get("output", next(iter(table.outputs)))
    if name not in table.outputs:
        raise NotAcceptable(f"The outputs are {', '.join(table.outputs)}.")
    return npy_bytes(whole_array(table, name))


def whole_array(table: Table, name: str) -> Array:
    """An output with a row for each of the call: NaN, or an empty text, where one was refused."""
    array = table.outputs[name]
    if table.refusals is None or not table.refusals.faults:
        return array
    shape = (table.row_count, *array.shape[1:])
    if array.dtype.kind in "fiub":
        whole: Array = np.full(shape, np.nan)
    else:
        whole = np.full(shape, "", np.object_)
    whole[np.asarray(table.refusals.kept, np.intp)] = array
    return whole


def npy_bytes(array: Array) -> bytes:
    """An array as a file; texts as the longest needs, as numpy has no others without pickles."""
    plain = array.astype(np.str_) if array.dtype.kind == "O" else array
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(plain), allow_pickle=False)
    return file.getvalue()


FORMAT = Format("npy", ("application/x-npy", "application/npy"), _read, _write)
