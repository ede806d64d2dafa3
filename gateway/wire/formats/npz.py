"""Named arrays as npz: a zip of npy files, one for each feature, or one matrix."""

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from gateway.errors import BodyTooLarge, InvalidBody
from gateway.wire.arrays import TypedColumn, columns_batch, matrix_batch
from gateway.wire.formats.format import Format, Reading
from gateway.wire.formats.npy import npy_bytes, whole_array
from gateway.wire.formats.npy_header import PREFIX_BYTES, elements, read_header
from gateway.wire.table import Table
from model import Batch
from model.batch import Array

_ENTRY_MARK = b"PK\x01\x02"
# Beyond the features; also because the mark may occur in the data by chance.
_SPARE_ENTRIES = 64
_COMPRESSIONS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


def _read(body: bytes, reading: Reading) -> Batch:
    # Python reads the whole list of entries at once, and each takes half a kilobyte.
    if body.count(_ENTRY_MARK) > len(reading.contract.features) + _SPARE_ENTRIES:
        raise InvalidBody("The zip has more entries than the model has features.")
    with _damage_refused(), zipfile.ZipFile(io.BytesIO(body)) as archive:
        arrays = dict(_arrays(archive, reading))
    contract = reading.contract
    if contract.dense and len(arrays) == 1 and not contract.feature_name_set.issuperset(arrays):
        return matrix_batch(next(iter(arrays.values())), contract)
    columns = [_column(name, array) for name, array in arrays.items()]
    return columns_batch(columns, contract, reading.faults)


@contextmanager
def _damage_refused() -> Iterator[None]:
    try:
        yield
    except _DAMAGED as exc:
        raise InvalidBody("The body is no zip of npy arrays, or is damaged.") from exc


def _arrays(archive: zipfile.ZipFile, reading: Reading) -> Iterator[tuple[str, Array]]:
    left, seen = reading.max_bytes, set()
    for entry in archive.infolist():
        name = entry.filename.removesuffix(".npy")
        if entry.compress_type not in _COMPRESSIONS or name in seen:
            raise InvalidBody("An entry of the zip comes twice or is compressed in another way.")
        seen.add(name)
        with archive.open(entry) as file:
            start = file.read(PREFIX_BYTES)
            header = read_header(start)
            reading.refuse_too_many(header.row_count)
            if entry.file_size != header.file_bytes:
                raise InvalidBody("An array in the zip has another length than its header says.")
            left -= header.file_bytes
            if left < 0:
                raise BodyTooLarge(f"The arrays may have {reading.max_bytes} bytes in all.")
            # One byte more than promised, to see that there is none.
            rest = file.read(max(0, header.file_bytes - len(start)) + 1)
            yield name, elements(start + rest, header)


def _column(name: str, array: Array) -> TypedColumn:
    called = f"an array of {array.dtype.name}"
    if array.dtype.kind == "U":
        return TypedColumn(name, "O", called, array.astype(np.object_))
    return TypedColumn(name, array.dtype.kind, called, array)


def _write(table: Table, _parameters: Mapping[str, str]) -> bytes:
    """Each output as an array of its name."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in table.outputs:
            archive.writestr(f"{name}.npy", npy_bytes(whole_array(table, name)))
        if table.refusals is not None:
            rows = np.array(list(table.refusals.faults), np.int64)
            archive.writestr("refused.npy", npy_bytes(rows))
    return file.getvalue()


FORMAT = Format("npz", ("application/x-npz", "application/npz"), _read, _write)
