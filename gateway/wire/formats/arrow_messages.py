"""What the messages of an Arrow stream promise, looked at before anything is allocated.

Arrow unpacks a compressed buffer into as much memory as its own first bytes ask for. So the sizes
are added up first, from the same bytes. Source: Arrow columnar format, encapsulated messages;
Message.fbs; the layout of FlatBuffers.
"""

import struct
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from gateway.errors import BodyTooLarge, InvalidBody

_MOST_MESSAGES = 4096
# Which member of the header of a message holds its record batch.
_BATCH_IN = {"record batch": None, "dictionary": 1}
_HEADER, _LENGTH, _BUFFERS, _COMPRESSION = 2, 0, 2, 3
_BUFFER_BYTES = 16
_NOT_COMPRESSED = -1


class BrokenMessage(Exception):
    """The bytes are not those of a message."""


def row_count(stream: Any, max_bytes: int) -> int:
    """How many rows a stream promises. Its bytes may still be anything.

    Raises:
        InvalidBody: no stream of messages, or written by a version of Arrow before 1.0.
        BodyTooLarge: unpacked it would be larger than max_bytes.
    """
    rows = size = 0
    for kind, metadata, body in _messages(stream):
        batch = _batch_table(metadata, kind)
        size += _unpacked_bytes(metadata, batch, body)
        if size > max_bytes:
            raise BodyTooLarge(f"The columns may have {max_bytes} bytes in all.")
        if kind == "record batch":
            length = _field(metadata, batch, _LENGTH)
            rows += 0 if length is None else _number(metadata, length, "<q")
    return rows


def _messages(stream: Any) -> Iterator[tuple[str, bytes, Any]]:
    reader = pa.ipc.MessageReader.open_stream(stream)
    for _ in range(_MOST_MESSAGES):
        try:
            message = reader.read_next_message()
        except StopIteration:
            return
        if message.metadata_version != pa.ipc.MetadataVersion.V5:
            raise InvalidBody("The Arrow stream was written by a version before 1.0.")
        if message.type in _BATCH_IN:
            yield message.type, message.metadata.to_pybytes(), message.body
    raise InvalidBody(f"An Arrow stream may have {_MOST_MESSAGES} messages: write larger batches.")


def _batch_table(metadata: bytes, kind: str) -> int:
    message = _pointed_at(metadata, 0)
    header = _member(metadata, message, _HEADER)
    within = _BATCH_IN[kind]
    return header if within is None else _member(metadata, header, within)


def _unpacked_bytes(metadata: bytes, batch: int, body: Any) -> int:
    if _field(metadata, batch, _COMPRESSION) is None:
        return int(body.size)
    buffers = _member(metadata, batch, _BUFFERS)
    count = _number(metadata, buffers, "<I")
    return sum(
        _buffer_bytes(metadata, buffers + 4 + at * _BUFFER_BYTES, body) for at in range(count)
    )


def _buffer_bytes(metadata: bytes, at: int, body: Any) -> int:
    offset, length = _number(metadata, at, "<q"), _number(metadata, at + 8, "<q")
    if length == 0:
        return 0
    if offset < 0 or length < 8 or offset + length > body.size:
        raise BrokenMessage
    unpacked = _number(bytes(body[offset : offset + 8]), 0, "<q")
    if unpacked < _NOT_COMPRESSED:
        raise BrokenMessage
    return length if unpacked == _NOT_COMPRESSED else unpacked


def _member(metadata: bytes, table: int, index: int) -> int:
    """Where a member that is a table or a vector begins."""
    field = _field(metadata, table, index)
    if field is None:
        raise BrokenMessage
    return _pointed_at(metadata, field)


def _field(metadata: bytes, table: int, index: int) -> int | None:
    """Where a member of a table is; None where it is left out."""
    members = table - _number(metadata, table, "<i")
    at = 4 + 2 * index
    if at + 2 > _number(metadata, members, "<H"):
        return None
    offset = _number(metadata, members + at, "<H")
    return table + offset if offset else None


def _pointed_at(metadata: bytes, at: int) -> int:
    return at + _number(metadata, at, "<I")


def _number(data: bytes, at: int, form: str) -> int:
    if at < 0:
        raise BrokenMessage
    try:
        number: int = struct.unpack_from(form, data, at)[0]
    except struct.error as exc:
        raise BrokenMessage from exc
    return number
