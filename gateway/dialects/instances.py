"""Rows as TensorFlow Serving, KServe v1 and MLflow write them in JSON.

`instances`: a list of rows, each a list, an object by feature or, for a model of one feature, a
value. `inputs`: the same, or an object with a list for each feature. Source: TensorFlow Serving,
g3doc/api_rest.md, predict API.
"""

import binascii
from base64 import b64decode
from typing import Any

from gateway.errors import BadRequest
from gateway.wire.columns import batch_from_columns
from gateway.wire.json_document import JsonDocument
from gateway.wire.rows import batch_from_lists
from model import Batch, Contract

# The one input of a model that takes numbers only, where a caller names it.
MATRIX = "features"


def by_row(document: JsonDocument, member: str | None, contract: Contract) -> Batch:
    """The rows of a list; None is the whole document.

    Raises: InvalidInput (the model's), with every fault; BadRequest, for base64 that is none.
    """
    kind = document.kind_of_rows(member)
    if kind == "object":
        if _names_the_matrix(document, member, contract):
            return batch_from_lists(
                [_matrix_row(row) for row in document.values(member, contract)], contract
            )
        return document.records(member, contract, _cell)
    if kind == "value" and len(contract.features) == 1:
        name = contract.features[0].name
        cells = [_cell(cell) for cell in document.values(member, contract)]
        return batch_from_columns([name], {name: cells}, contract)
    return document.matrix(member, contract, _decoded)


def by_column(document: JsonDocument, member: str, contract: Contract) -> Batch:
    """An object with a list for each feature, or a list of rows. Raises: as `by_row`."""
    if not document.is_object(member):
        return by_row(document, member, contract)
    inside = document.part(member)
    if _takes_matrix(contract) and inside.member_names() == [MATRIX]:
        return inside.matrix(MATRIX, contract, _decoded)
    return document.columns(member, contract, _cell)


def _takes_matrix(contract: Contract) -> bool:
    return contract.dense and MATRIX not in contract.feature_name_set


def _names_the_matrix(document: JsonDocument, member: str | None, contract: Contract) -> bool:
    """Whether the rows are `{"features": [value, …]}`, as metadata calls the one input."""
    if not _takes_matrix(contract):
        return False
    root = document.root()
    first = (root if member is None else root[member])[0]
    return list(first.keys()) == [MATRIX]


def _matrix_row(row: Any) -> Any:
    return row[MATRIX] if isinstance(row, dict) and list(row) == [MATRIX] else row


def _cell(value: Any) -> Any:
    """A value out of the list of one that it is in a column of shape (n, 1)."""
    return _decoded(value[0] if isinstance(value, list) and len(value) == 1 else value)


def _decoded(value: Any) -> Any:
    """A value, its base64 undone."""
    if isinstance(value, dict) and list(value) == ["b64"]:
        return _text(value["b64"])
    return value


def _text(encoded: Any) -> str:
    """What is sent as base64 is text here: no feature takes bytes."""
    try:
        return b64decode(encoded, validate=True).decode("utf-8")
    except (binascii.Error, ValueError, TypeError) as exc:
        raise BadRequest('A value {"b64": "…"} must be text in UTF-8, as base64.') from exc
