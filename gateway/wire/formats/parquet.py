"""Tables as Parquet, in only. Needs pyarrow, an optional dependency."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from gateway.wire.arrays import columns_batch
from gateway.wire.formats.arrow import damage_refused
from gateway.wire.formats.arrow_columns import typed_columns
from gateway.wire.formats.format import Format, Reading
from gateway.wire.formats.parquet_promises import read_footer, refuse_large_pages
from model import Batch

_THRIFT_BYTES = 1 << 20
_THRIFT_MEMBERS = 100_000


def _read(body: bytes, reading: Reading) -> Batch:
    footer = read_footer(body)
    reading.refuse_too_many(footer.row_count)
    refuse_large_pages(body, footer, reading.max_bytes)
    paths = {chunk.path for chunk in footer.chunks}
    features = reading.contract.features
    texts = [one.name for one in features if one.datatype == "BYTES" and one.name in paths]
    with damage_refused("Parquet file"):
        file = _open(body, texts)
        batches = _batches(file) if footer.row_count else []
        columns = typed_columns(batches, file.schema_arrow, reading.max_bytes)
    return columns_batch(columns, reading.contract, reading.faults)


def _open(body: bytes, texts: Sequence[str]) -> Any:
    return parquet.ParquetFile(
        pa.BufferReader(body),
        # One long text that comes a million times stays one.
        read_dictionary=texts,
        thrift_string_size_limit=_THRIFT_BYTES,
        thrift_container_size_limit=_THRIFT_MEMBERS,
    )


def _batches(file: Any) -> list[Any]:
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
