"""Tables as Parquet, in only. Needs pyarrow, an optional dependency."""

from typing import Any

import pyarrow as pa
from pyarrow import parquet

from gateway.wire.arrays import columns_batch
from gateway.wire.formats.arrow import damage_refused
from gateway.wire.formats.arrow_columns import typed_columns
from gateway.wire.formats.format import Format, Reading
from gateway.wire.formats.parquet_pages import refuse_large_pages
from model import Batch

_THRIFT_STRING_BYTES = 1 << 20
_THRIFT_MEMBERS = 100_000


def _read(body: bytes, reading: Reading) -> Batch:
    texts = [feature.name for feature in reading.contract.features if feature.datatype == "BYTES"]
    with damage_refused("Parquet file"):
        file = parquet.ParquetFile(
            pa.BufferReader(body),
            # One long text that comes a million times stays one.
            read_dictionary=texts,
            thrift_string_size_limit=_THRIFT_STRING_BYTES,
            thrift_container_size_limit=_THRIFT_MEMBERS,
        )
        reading.refuse_too_many(file.metadata.num_rows)
        batches = _batches(file, body, reading.max_bytes) if file.metadata.num_rows else []
        columns = typed_columns(batches, file.schema_arrow, reading.max_bytes)
    return columns_batch(columns, reading.contract)


def _batches(file: Any, body: bytes, max_bytes: int) -> list[Any]:
    refuse_large_pages(body, file.metadata, max_bytes)
    table = file.read(use_threads=False)
    table.validate(full=True)
    batches: list[Any] = table.to_batches()
    return batches


_MEDIA_TYPES = (
    "application/vnd.apache.parquet",
    "application/x-parquet",
    "application/parquet",
)
FORMAT = Format("parquet", _MEDIA_TYPES, _read)
