"""What partners read of the Open Inference Protocol's endpoints."""

from typing import Any

from gateway.dialects import schemas
from gateway.dialects.operation import (
    Answer,
    Body,
    Operation,
    Parameter,
    Schema,
    Shared,
    Tag,
)
from gateway.errors import ModelUnavailable
from gateway.wire.media_type import JSON
from model import Contract

TAG = Tag(
    "Open Inference Protocol v2",
    "As KServe, Triton and MLServer speak it; their clients work with an access token.",
)
OCTETS = "application/octet-stream"

_TEXT: Schema = {"type": "string"}
# Nested as the shape says, or flat.
_DATA: Schema = {
    "type": "array",
    "items": {"type": ["number", "string", "boolean", "null", "array"], "items": {}},
}
_FLAG: Schema = {"type": "boolean"}
_PARAMETERS: Schema = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}
_SHAPE: Schema = {"type": "array", "items": {"type": "integer", "minimum": 0}}

ERROR = Body(
    JSON,
    Shared(
        "OpenInferenceError",
        {
            "type": "object",
            "description": "The members of a problem stand beside `error`.",
            "properties": {"error": _TEXT, "code": _TEXT, "request_id": _TEXT},
            "required": ["error", "code", "request_id"],
        },
    ),
)

SERVER = Operation(
    TAG,
    "Read the server's metadata",
    {
        200: Answer(
            "Name, version and extensions.",
            (
                Body(
                    JSON,
                    schemas.members(
                        {
                            "name": _TEXT,
                            "version": _TEXT,
                            "extensions": {"type": "array", "items": _TEXT},
                        }
                    ),
                ),
            ),
        )
    },
)
_HEALTH = Body(JSON, schemas.members({"live": _FLAG, "ready": _FLAG}))
LIVE = Operation(TAG, "Is the server alive", {200: Answer("It is.", (_HEALTH,))})
READY = Operation(
    TAG,
    "Is the server ready",
    {200: Answer("It is.", (_HEALTH,)), 503: Answer("It is not.", (_HEALTH,))},
)


def metadata(contract: Contract) -> Operation:
    """GET /v2/models/{model}."""
    tensor = schemas.members(
        {
            "name": _TEXT,
            "datatype": _TEXT,
            "shape": {"type": "array", "items": {"type": "integer", "minimum": -1}},
        }
    )
    answer = schemas.members(
        {
            "name": {"const": contract.model_name},
            "versions": {"type": "array", "items": _TEXT},
            "platform": _TEXT,
            "inputs": {"type": "array", "items": tensor},
            "outputs": {"type": "array", "items": tensor},
        }
    )
    return Operation(
        TAG,
        f"Read the tensors of {contract.model_name}",
        {200: Answer("Inputs and outputs; -1 is the number of rows.", (Body(JSON, answer),))},
    )


def model_ready(contract: Contract) -> Operation:
    """GET /v2/models/{model}/ready."""
    answer = schemas.members({"name": {"const": contract.model_name}, "ready": {"const": True}})
    return Operation(
        TAG,
        f"Is {contract.model_name} ready",
        {200: Answer("It is; any other status says that it is not.", (Body(JSON, answer),))},
        description="503, also where the model's own code says that it is not well.",
    )


def infer(contract: Contract) -> Operation:
    """POST /v2/models/{model}/infer."""
    request = Body(JSON, _request(contract), {"tensors": _example(contract)})
    binary = "JSON followed by binary tensors (Triton's extension)."
    return Operation(
        TAG,
        f"Infer with {contract.model_name}",
        {200: Answer(binary, (Body(JSON, _response(contract)), Body(OCTETS)))},
        description=(
            f"{contract.description} The Content-Type is not looked at. Before binary tensors,"
            " Inference-Header-Content-Length says how long the JSON is; 0 is one raw tensor."
        ).strip(),
        request=(request, Body(OCTETS)),
    )


def _request(contract: Contract) -> Schema:
    tensor = {
        "type": "object",
        "properties": {
            "name": _TEXT,
            "shape": _SHAPE,
            "datatype": _TEXT,
            "parameters": _PARAMETERS,
            "data": _DATA,
        },
        "required": ["name", "shape", "datatype"],
    }
    asked = {
        "type": "object",
        "properties": {
            "name": {"enum": [output.name for output in contract.outputs]},
            "parameters": _PARAMETERS,
        },
        "required": ["name"],
    }
    body = {
        "type": "object",
        "properties": {
            "id": _TEXT,
            "parameters": _PARAMETERS,
            "inputs": {"type": "array", "items": tensor, "minItems": 1},
            "outputs": {"type": "array", "items": asked},
        },
        "required": ["inputs"],
    }
    return Shared(schemas.of_model(contract, "InferenceRequest"), body)


def _example(contract: Contract) -> dict[str, Any]:
    rows = schemas.example_rows(contract)
    if contract.dense:
        tensor = {"name": "features", "shape": [len(rows), len(rows[0])], "datatype": "FP64"}
        return {"inputs": [{**tensor, "data": rows}]}
    columns = list(zip(*rows, strict=True))
    return {
        "inputs": [
            {
                "name": feature.name,
                "shape": [len(rows), 1],
                "datatype": feature.datatype,
                "data": list(column),
            }
            for feature, column in zip(contract.features, columns, strict=True)
        ]
    }


def _response(contract: Contract) -> Schema:
    tensor = {
        "type": "object",
        "properties": {
            "name": {"enum": [output.name for output in contract.outputs]},
            "shape": _SHAPE,
            "datatype": _TEXT,
            "parameters": _PARAMETERS,
            "data": _DATA,
        },
        "required": ["name", "shape", "datatype"],
    }
    body = {
        "type": "object",
        "properties": {
            "model_name": {"const": contract.model_name},
            "model_version": _TEXT,
            "id": _TEXT,
            "parameters": _PARAMETERS,
            "outputs": {"type": "array", "items": tensor},
        },
        "required": ["model_name", "model_version", "outputs"],
    }
    return Shared(schemas.of_model(contract, "InferenceResponse"), body)


_INDEX_ENTRY = schemas.members(
    {
        "name": _TEXT,
        "version": _TEXT,
        "state": {"enum": ["READY", "UNAVAILABLE"]},
        "reason": _TEXT,
    },
    ["name", "state"],
)
INDEX = Operation(
    TAG,
    "List the models",
    {
        200: Answer(
            "Those the token may use.", (Body(JSON, {"type": "array", "items": _INDEX_ENTRY}),)
        )
    },
    request=(
        Body(JSON, {"type": "object", "properties": {"ready": _FLAG}}, {"ready": {"ready": True}}),
    ),
    body_required=False,
)


def load(contract: Contract) -> Operation:
    """POST /v2/repository/models/{model}/load, at the token service."""
    version = {"version": {"type": "string", "minLength": 1}}
    return Operation(
        TAG,
        f"Bring {contract.model_name} into service",
        {200: Answer("It answers in every worker.", (Body(JSON, schemas.members({})),))},
        description=(
            "In the version that is named; without one, a model that is in service stays as it is,"
            " and another returns in the version that was current last."
        ),
        request=(Body(JSON, _parameters_only(version)),),
        body_required=False,
        parameters=(
            Parameter("version", "query", "In place of the parameter.", version["version"]),
        ),
        problems=(ModelUnavailable,),
    )


def unload(contract: Contract) -> Operation:
    """POST /v2/repository/models/{model}/unload, at the token service."""
    return Operation(
        TAG,
        f"Take {contract.model_name} out of service",
        {200: Answer("No worker has it any more.", (Body(JSON, schemas.members({})),))},
        request=(Body(JSON, _parameters_only({"unload_dependents": _FLAG})),),
        body_required=False,
        problems=(ModelUnavailable,),
    )


def _parameters_only(known: dict[str, Any]) -> Schema:
    return schemas.members({"parameters": schemas.members(known, [])}, [])


def config(contract: Contract) -> Operation:
    """GET /v2/models/{model}/config."""
    tensor = schemas.members(
        {"name": _TEXT, "data_type": _TEXT, "dims": {"type": "array", "items": {"type": "integer"}}}
    )
    answer = schemas.members(
        {
            "name": {"const": contract.model_name},
            "platform": _TEXT,
            "backend": _TEXT,
            "version_policy": {"type": "object"},
            "max_batch_size": {"type": "integer", "minimum": 0},
            "input": {"type": "array", "items": tensor},
            "output": {"type": "array", "items": tensor},
        }
    )
    return Operation(
        TAG,
        f"Read Triton's configuration of {contract.model_name}",
        {200: Answer("Where max_batch_size is not 0, dims leave rows out.", (Body(JSON, answer),))},
    )


_SUM = schemas.members({"count": {"type": "integer"}, "ns": {"type": "integer"}})
_STATISTICS = Body(
    JSON,
    Shared(
        "ModelStatistics",
        schemas.members(
            {
                "model_stats": {
                    "type": "array",
                    "items": schemas.members(
                        {
                            "name": _TEXT,
                            "version": _TEXT,
                            "last_inference": {"type": "integer"},
                            "inference_count": {"type": "integer"},
                            "execution_count": {"type": "integer"},
                            "inference_stats": {"type": "object", "additionalProperties": _SUM},
                            "batch_stats": {"type": "array", "items": {"type": "object"}},
                        }
                    ),
                }
            }
        ),
    ),
)
_COUNTED = (
    "What this token's partner asked, summed over all workers and about a second old; with the"
    " scope admin of a model, what all partners asked of it."
)
ALL_STATISTICS = Operation(
    TAG,
    "Read statistics of the calls of all models",
    {200: Answer("By model and version.", (_STATISTICS,))},
    description=_COUNTED,
    problems=(ModelUnavailable,),
)


def statistics(contract: Contract) -> Operation:
    """GET /v2/models/{model}/stats."""
    return Operation(
        TAG,
        f"Read statistics of the calls of {contract.model_name}",
        {200: Answer("By version.", (_STATISTICS,))},
        description=_COUNTED,
        problems=(ModelUnavailable,),
    )
