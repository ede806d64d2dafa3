"""Answers as SeldonMessages: one table in the kind that the caller sent, and a `meta`."""

from collections.abc import Mapping
from typing import Any

import orjson

from gateway.dialects.endpoint import Reply
from gateway.dialects.seldon_meta import PUID_HEADER, Meta
from gateway.errors import BadRequest, Problem
from gateway.wire.encode import encode_json
from gateway.wire.media_type import JSON
from gateway.wire.tensor_proto import to_tensor_proto
from model import Contract, Output, Prediction
from model.batch import Array
from model.message import MESSAGE

# Seldon's server for scikit-learn answers with probabilities, where there are any.
_PREFERRED = ("probabilities", "predictions")
_FAILURE = 1
_MICROSERVICE_CODE = -1


def message(value: Mapping[str, Any], meta: Mapping[str, Any]) -> Reply:
    """A message with this payload, which may be none."""
    fields = {PUID_HEADER: str(meta["puid"])}
    return Reply(encode_json({**value, "meta": meta}), JSON, headers=fields)


def output_names(contract: Contract, wanted: str) -> tuple[str, ...]:
    """Which outputs an answer has: the one that is asked for, else the preferred; else all.

    Raises: BadRequest, where there is no such output.
    """
    names = tuple(output.name for output in contract.outputs)
    if wanted:
        if wanted not in names:
            raise BadRequest(f"The model's outputs are {', '.join(sorted(names))}.")
        return (wanted,)
    preferred = [name for name in _PREFERRED if name in names]
    return (preferred[0],) if preferred else names


def answer(
    prediction: Prediction, contract: Contract, kind: str, meta: Meta, names: tuple[str, ...]
) -> Reply:
    """A prediction: one output as a table, several as jsonData; a message as it is."""
    if contract.messages:
        return message(orjson.loads(str(prediction.outputs[MESSAGE][0])), meta.of(prediction))
    outputs = {name: prediction.outputs[name] for name in names}
    if len(outputs) > 1:
        return message({"jsonData": outputs}, meta.of(prediction))
    described = {output.name: output for output in contract.outputs}[names[0]]
    array = prediction.outputs[names[0]]
    table = {"names": _column_names(described, array), **_table(array, kind)}
    return message({"data": table}, meta.of(prediction))


def _table(array: Array, kind: str) -> dict[str, Any]:
    if array.dtype.kind not in "fiu" or kind == "ndarray":
        return {"ndarray": array}
    if kind == "tftensor":
        return {"tftensor": to_tensor_proto(array)}
    return {"tensor": {"shape": array.shape, "values": array.ravel()}}


def _column_names(output: Output, array: Array) -> list[str]:
    if array.ndim < 2:
        return []
    labels = output.names or output.classes or ()
    if len(labels) == array.shape[1]:
        return [str(label) for label in labels]
    return [f"t:{at}" for at in range(array.shape[1])]


def problem(failure: Problem, request_id: str) -> tuple[bytes, str]:
    """A failure's status. What it has no room for is in the tags of `meta`."""
    internal = failure.status >= 500
    status = {
        "status": _FAILURE,
        "info": failure.detail,
        "code": _MICROSERVICE_CODE,
        "reason": "MICROSERVICE_INTERNAL_ERROR" if internal else "MICROSERVICE_BAD_DATA",
    }
    tags = {"code": failure.code, "request_id": request_id, **failure.members}
    return encode_json({"status": status, "meta": {"tags": tags}}), JSON
