"""Rows as JSON."""

from collections.abc import Mapping

from gateway.wire.encode import encode_json
from gateway.wire.formats.format import Format, Reading
from gateway.wire.json_shapes import batch_from_document
from gateway.wire.media_type import JSON
from gateway.wire.table import Table
from model import Batch


def _read(body: bytes, reading: Reading) -> Batch:
    document = reading.parser.parse(body, max_rows=reading.max_rows)
    return batch_from_document(document, reading.contract)


def _write(table: Table, _parameters: Mapping[str, str]) -> bytes:
    return encode_json({**table.about, **table.outputs, **table.beside})


FORMAT = Format("json", (JSON,), _read, _write)
