"""Scored rows as Parquet or Arrow (an IPC file). Needs pyarrow.

Both end with an index of what is in them, so neither can be continued once it was cut off. The
partial file is an IPC stream without its end, to which a batch can be added at any time.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from gateway.scoring.rows import Column

_TYPES: dict[str, Any] = {
    "FP64": pa.float64(),
    "FP32": pa.float32(),
    "FP16": pa.float32(),
    "INT64": pa.int64(),
    "INT32": pa.int32(),
    "INT16": pa.int16(),
    "INT8": pa.int8(),
    "UINT64": pa.uint64(),
    "UINT32": pa.uint32(),
    "UINT16": pa.uint16(),
    "UINT8": pa.uint8(),
    "BOOL": pa.bool_(),
    "BYTES": pa.string(),
}
# Rows of a file that is read again: enough for a good compression, little enough to hold.
_GROUP_ROWS = 131_072
# An IPC stream ends with these (Arrow columnar format, encapsulated message format).
_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"

Writer = Callable[[Path, Any], Any]


def open_parquet(
    path: Path, partial_file: Path, types: Mapping[str, Any], size: int
) -> "ArrowOutput":
    return ArrowOutput(path, partial_file, types, size, pq.ParquetWriter)


def open_arrow(
    path: Path, partial_file: Path, types: Mapping[str, Any], size: int
) -> "ArrowOutput":
    return ArrowOutput(path, partial_file, types, size, pa.ipc.new_file)


class ArrowOutput:
    """Rows of typed columns; text where a column's type is not known."""

    def __init__(
        self,
        path: Path,
        partial_file: Path,
        types: Mapping[str, Any],
        size: int,
        writer: Writer,
    ) -> None:
        self._path = path
        self._partial = partial_file
        self._writer = writer
        self._schema = pa.schema([(name, _type(kind)) for name, kind in types.items()])
        self._file = partial_file.open("r+b" if size else "wb")
        self._file.truncate(size)
        self._file.seek(size)
        if not size:
            self._file.write(self._schema.serialize())

    def write(self, columns: Mapping[str, Column]) -> None:
        arrays = [
            _array(column, field.type)
            for column, field in zip(columns.values(), self._schema, strict=True)
        ]
        self._file.write(pa.RecordBatch.from_arrays(arrays, schema=self._schema).serialize())

    def flush(self) -> int:
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def finish(self) -> None:
        self._file.write(_END_OF_STREAM)
        self.flush()
        self._file.close()
        whole = self._path.with_name(f"{self._path.name}.whole")
        with pa.OSFile(str(self._partial)) as source, self._writer(whole, self._schema) as sink:
            _copy(pa.ipc.open_stream(source), sink)
        whole.replace(self._path)
        self._partial.unlink()

    def close(self) -> None:
        self._file.close()


def _copy(batches: Any, sink: Any) -> None:
    """Batch by batch, several of them together: small groups compress badly."""
    waiting: list[Any] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= _GROUP_ROWS:
            sink.write_table(pa.Table.from_batches(waiting))
            waiting, rows = [], 0
    if waiting:
        sink.write_table(pa.Table.from_batches(waiting))


def _type(kind: Any) -> Any:
    return kind if isinstance(kind, pa.DataType) else _TYPES.get(kind, pa.string())


def _array(column: Column, kind: Any) -> Any:
    if isinstance(column, np.ndarray):
        return pa.array(column, from_pandas=True).cast(kind, safe=False)
    if kind == pa.string():
        return pa.array([_text(cell) for cell in column], type=kind)
    return pa.array(column, type=kind)


def _text(cell: Any) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    return orjson.dumps(cell, default=str).decode()
