"""The JSON of MLflow's scoring server: four shapes of rows, its answer and its errors.

`dataframe_split` {columns, data, index}, `dataframe_records` [{…}], `instances` or `inputs`, and
`params` beside them. Source: MLflow, "Deploy MLflow Model as a Local Inference Server". Its paths
are those of `gateway.dialects.invocations`.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from gateway.dialects import instances
from gateway.dialects.output_choice import default_output, outputs_by_choice
from gateway.errors import BadRequest, Problem
from gateway.wire.columns import batch_from_named_rows
from gateway.wire.encode import encode_json
from gateway.wire.json_document import JsonDocument
from gateway.wire.media_type import JSON
from gateway.wire.rows import batch_from_lists
from model import Batch, Contract
from model.batch import Array

_SHAPES = ("dataframe_split", "dataframe_records", "instances", "inputs")
_SEND = f"Send an object with exactly one of {', '.join(_SHAPES)}, and params if you like."
_SPLIT = 'dataframe_split is {"columns": [names], "data": [[…], …]}; it may have an "index".'
# As MLflow calls the same choice where a model is logged.
_CHOICE = "pyfunc_predict_fn"

# MLflow's own codes for our statuses (its databricks.proto); any other is BAD_REQUEST.
_ERROR_CODES: Mapping[int, str] = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    405: "ENDPOINT_NOT_FOUND",
    422: "INVALID_PARAMETER_VALUE",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    501: "NOT_IMPLEMENTED",
    502: "TEMPORARILY_UNAVAILABLE",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def speaks(names: Collection[str] | None) -> bool:
    """Whether a document with these members is MLflow's."""
    return names is not None and not set(_SHAPES).isdisjoint(names)


def read(document: JsonDocument, contract: Contract) -> tuple[Batch, str]:
    """The rows, and the name of the output that is wanted.

    Raises: BadRequest, where it is not exactly one of the shapes; InvalidInput (the model's).
    """
    names = document.member_names() or []
    shapes = [name for name in names if name in _SHAPES]
    if len(shapes) != 1 or set(names) - {*shapes, "params"}:
        document.refuse()
        raise BadRequest(f"The body has other members than expected. {_SEND}")
    output = _output(document, contract) if "params" in names else default_output(contract).name
    if shapes == ["dataframe_split"]:
        return _split(document, contract), output
    if shapes == ["dataframe_records"]:
        return document.records("dataframe_records", contract), output
    return instances.by_column(document, shapes[0], contract), output


def _output(document: JsonDocument, contract: Contract) -> str:
    """As MLflow's server, this ignores params that the model has not."""
    if not document.is_object("params"):
        raise BadRequest(f"params is not an object. {_SEND}")
    wanted = dict(document.root()["params"].items()).get(_CHOICE)
    if wanted is None:
        return default_output(contract).name
    choices = outputs_by_choice(contract)
    if not isinstance(wanted, str) or wanted not in choices:
        raise BadRequest(f"params.{_CHOICE} is not one of {', '.join(choices)}.")
    return choices[wanted].name


def _split(document: JsonDocument, contract: Contract) -> Batch:
    member = "dataframe_split"
    split = document.part(member)
    parts = split.member_names()
    if parts is None or "data" not in parts or set(parts) - {"columns", "data", "index"}:
        raise BadRequest(_SPLIT)
    arrays_beside = split.count_arrays({"columns", "index"})
    split = document.part(member, arrays_beside=arrays_beside)
    split.refuse_too_many_rows("data", contract)
    columns = split.scalars("columns") if "columns" in parts else None
    if columns is None or columns == list(range(len(contract.features))):
        # A frame without names, whose columns are in the order of the features.
        return _matrix(split, contract)
    names = [name for name in columns if isinstance(name, str)]
    if len(names) != len(columns):
        raise BadRequest(f"The columns have no names. {_SPLIT}")
    return _named(split, names, contract)


def _matrix(split: JsonDocument, contract: Contract) -> Batch:
    values = split.numbers("data", len(contract.features)) if contract.dense else None
    if values is not None:
        return Batch(values)
    return batch_from_lists(split.values("data", contract), contract)


def _named(split: JsonDocument, names: list[str], contract: Contract) -> Batch:
    """Columns by name: their order is the frame's, not the model's."""
    known = sorted(names) == sorted(contract.feature_names)
    values = split.numbers("data", len(names)) if contract.dense and known else None
    if values is not None:
        order = [names.index(name) for name in contract.feature_names]
        return Batch(np.ascontiguousarray(values[:, order]))
    return batch_from_named_rows(names, split.values("data", contract), contract)


def answer(predictions: Array) -> bytes:
    """{"predictions": [...]}."""
    return encode_json({"predictions": predictions})


def problem(failure: Problem, request_id: str) -> tuple[bytes, str]:
    """{"error_code", "message"}; further facts of ours stand beside them."""
    body: dict[str, Any] = {
        "error_code": _ERROR_CODES.get(failure.status, "BAD_REQUEST"),
        "message": failure.detail,
    }
    return encode_json({**body, **failure.body(request_id)}), JSON
