"""Rows as JSON."""

from collections.abc import Mapping
from typing import Any

from gateway.wire.encode import encode_json
from gateway.wire.formats.format import Format, Reading
from gateway.wire.json_shapes import batch_from_document
from gateway.wire.media_type import JSON
from gateway.wire.table import Table
from model import Batch
from model.batch import Array


def _read(body: bytes, reading: Reading) -> Batch:
    document = reading.parser.parse(body, max_rows=reading.max_rows, faults=reading.faults)
    return batch_from_document(document, reading.contract)


def _write(table: Table, _parameters: Mapping[str, str]) -> bytes:
    if table.refusals is None:
        return encode_json({**table.about, **table.outputs, **table.beside})
    outputs = {name: table.spread(_listed(array), None) for name, array in table.outputs.items()}
    errors = table.refusals.to_json()
    return encode_json({**table.about, **outputs, **table.beside, "errors": errors})


def _listed(array: Array) -> list[Any]:
    listed: list[Any] = array.tolist()
    return listed


FORMAT = Format("json", (JSON,), _read, _write, has_members=True)
