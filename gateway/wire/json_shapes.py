"""The shapes in which rows travel as JSON.

`[[…], …]`, `{"data": [[…], …]}`, `{"rows": [{"feature": value}, …]}` or
`{"columns": {"feature": [value, …]}}`.
"""

from collections.abc import Collection

from gateway.errors import BadRequest
from gateway.wire.json_document import JsonDocument
from model import Batch, Contract

_SHAPES = (
    'Send [[…]], {"data": [[…]]}, {"rows": [{"feature": value}]} or {"columns": {"feature": […]}}.'
)


def batch_from_document(
    document: JsonDocument, contract: Contract, beside: Collection[str] = ()
) -> Batch:
    """The rows of a document; members named in `beside` may stand beside them.

    Raises:
        BadRequest: none of the four shapes.
        InvalidInput (model's): rows that do not keep the contract.
    """
    names = document.member_names()
    if names is None:
        return document.matrix(None, contract)
    names = [name for name in names if name not in beside]
    if names == ["data"]:
        return document.matrix("data", contract)
    if names == ["rows"]:
        return document.records("rows", contract)
    if names == ["columns"]:
        return document.columns("columns", contract)
    document.refuse()
    raise BadRequest(f"The object has other members than expected. {_SHAPES}")
