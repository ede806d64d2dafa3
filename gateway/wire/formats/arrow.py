"""Tables as Arrow IPC, stream and file. Needs pyarrow, an optional dependency.

Source: Arrow columnar format, serialization and interprocess communication. A file is read as the
stream that it holds, so that no footer can point elsewhere.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from gateway.errors import InvalidBody
from gateway.wire.arrays import columns_batch
from gateway.wire.formats.arrow_answer import arrow_table
from gateway.wire.formats.arrow_columns import typed_columns
from gateway.wire.formats.arrow_messages import BrokenMessage, row_count
from gateway.wire.formats.format import Format, Reading
from gateway.wire.table import Table
from model import Batch

_FILE_MAGIC = b"ARROW1\0\0"
_DAMAGED = (
    pa.ArrowException,
    BrokenMessage,
    KeyError,
    MemoryError,
    OSError,
    OverflowError,
    ValueError,
)


@contextmanager
def damage_refused(what: str) -> Iterator[None]:
    """Turn whatever Arrow raises about bytes into a refusal."""
    try:
        yield
    except _DAMAGED as exc:
        raise InvalidBody(f"The body is no {what}, or is damaged.") from exc


def _read_stream(body: bytes, reading: Reading) -> Batch:
    return _read(pa.py_buffer(body), "Arrow stream", reading)


def _read_file(body: bytes, reading: Reading) -> Batch:
    if not body.startswith(_FILE_MAGIC):
        raise InvalidBody("The body does not begin as an Arrow file does.")
    return _read(pa.py_buffer(body)[len(_FILE_MAGIC) :], "Arrow file", reading)


def _read(stream: Any, what: str, reading: Reading) -> Batch:
    with damage_refused(what):
        reading.refuse_too_many(row_count(stream, reading.max_bytes))
        options = pa.ipc.IpcReadOptions(use_threads=False)
        with pa.ipc.open_stream(stream, options=options) as reader:
            batches = list(reader)
            for batch in batches:
                # Offsets, lengths, indices and UTF-8, before a value is touched.
                batch.validate(full=True)
            columns = typed_columns(batches, reader.schema, reading.max_bytes)
    return columns_batch(columns, reading.contract, reading.faults)


def _write_stream(table: Table, _parameters: Mapping[str, str]) -> bytes:
    return _written(table, pa.ipc.new_stream)


def _write_file(table: Table, _parameters: Mapping[str, str]) -> bytes:
    return _written(table, pa.ipc.new_file)


def _written(table: Table, new: Any) -> bytes:
    answer = arrow_table(table)
    sink = pa.BufferOutputStream()
    with new(sink, answer.schema) as writer:
        writer.write_table(answer)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


_STREAM = "application/vnd.apache.arrow.stream"
_FILE = "application/vnd.apache.arrow.file"
STREAM_FORMAT = Format("arrow_stream", (_STREAM,), _read_stream, _write_stream)
FILE_FORMAT = Format("arrow_file", (_FILE,), _read_file, _write_file)
