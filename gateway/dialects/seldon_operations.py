"""What partners read of Seldon's endpoints."""

from typing import Any

import orjson

from gateway.dialects import schemas
from gateway.dialects.operation import Answer, Body, Operation, Parameter, Schema, Shared, Tag
from gateway.errors import DuplicateKey, InvalidInput, NotReady
from gateway.wire.form import MULTIPART, URLENCODED
from gateway.wire.media_type import JSON
from model import Contract

TAG = Tag("Seldon v1", "As Seldon Core v1 serves models; its clients work with an access token.")
PLAIN = "text/plain"

_TEXT: Schema = {"type": "string"}
_BASE64: Schema = {"type": "string", "contentEncoding": "base64"}
_TEXTS = {"type": "array", "items": _TEXT}
_OBJECT: Schema = {"type": "object"}
# The language of these messages takes null for what is absent.
_OBJECT_OR_NULL = {"type": ["object", "null"]}
_META = Shared(
    "SeldonMeta",
    {
        **schemas.members(
            {
                "puid": {"type": ["string", "null"], "pattern": "^[A-Za-z0-9._:=+/@-]{0,128}$"},
                "tags": _OBJECT_OR_NULL,
                "routing": {**_OBJECT_OR_NULL, "additionalProperties": {"type": "integer"}},
                "requestPath": {**_OBJECT_OR_NULL, "additionalProperties": _TEXT},
                "metrics": {"type": ["array", "null"], "items": _OBJECT},
            },
            [],
        ),
        **_OBJECT_OR_NULL,
    },
)
_TENSOR = schemas.members(
    {
        "shape": {
            "type": "array",
            "items": {"type": "integer", "minimum": 0},
            "minItems": 2,
            "maxItems": 2,
        },
        "values": {"type": "array", "items": {"type": "number"}},
    }
)
_ANSWERED = {"meta": _META}
_STATUS = schemas.members(
    {"status": {"const": 1}, "info": _TEXT, "code": {"type": "integer"}, "reason": _TEXT}
)
_TAGS = {
    "type": "object",
    "properties": {"code": _TEXT, "request_id": _TEXT},
    "required": ["code", "request_id"],
}
ERROR = Body(
    JSON,
    Shared(
        "SeldonFailure",
        schemas.members({"status": _STATUS, "meta": schemas.members({"tags": _TAGS})}),
    ),
)
_ABOUT_OUTPUTS = (
    " The answer has the probabilities, where there are any; `output` names another output."
)
_OUTPUT = Parameter("output", "query", "Which of the model's outputs the answer has.", _TEXT)
_PUID = Parameter(
    "Seldon-Puid",
    "header",
    "The caller's id of this call, where meta has no puid; one that is no such id is replaced.",
    _TEXT,
)

LIVE = Operation(
    TAG, "Is this worker alive", {200: Answer("It answers.", (Body(PLAIN, {"const": "pong"}),))}
)
READY = Operation(
    TAG,
    "Can this worker serve",
    {200: Answer("It can.", (Body(PLAIN, {"const": "ready"}),))},
    problems=(NotReady,),
)


def predict(contract: Contract) -> Operation:
    """POST …/predictions."""
    forms = (Body(MULTIPART, _OBJECT), Body(URLENCODED, schemas.members({"json": _TEXT})))
    return Operation(
        TAG,
        f"Predict with {contract.model_name}, as Seldon does",
        {200: Answer(_answers(contract), (_answer(contract),))},
        description=(
            f"{contract.description}{'' if contract.messages else _ABOUT_OUTPUTS}"
            " A form has the message in its field `json`, or a part for each of its members."
        ).strip(),
        request=(Body(JSON, _message(contract), _examples(contract)), *forms),
        parameters=(_OUTPUT, _PUID),
        problems=(InvalidInput, DuplicateKey),
    )


def feedback(contract: Contract) -> Operation:
    """POST …/feedback."""
    asked = next(iter(_examples(contract).values()))
    said = schemas.members(
        {
            "request": _message(contract),
            "response": {"description": "Not looked at."},
            "reward": {"type": "number"},
            "truth": _OBJECT_OR_NULL,
        },
        ["request"],
    )
    body = Shared(
        schemas.of_model(contract, "SeldonFeedback"),
        {**said, "anyOf": [{"required": [name]} for name in ("reward", "truth")]},
    )
    taken = schemas.members(_ANSWERED)
    return Operation(
        TAG,
        f"Say how good answers of {contract.model_name} were, as Seldon does",
        {200: Answer("It was taken down.", (Body(JSON, taken),))},
        request=(Body(JSON, body, {"reward": {"request": asked, "reward": 1.0}}),),
        parameters=(_PUID,),
        problems=(InvalidInput, DuplicateKey),
    )


def status(contract: Contract) -> Operation:
    """GET …/health/status, …/status."""
    return Operation(
        TAG,
        f"Does {contract.model_name} serve",
        {200: Answer("It does: the version, or what the model says of itself.", (_any_payload(),))},
        description="503, where the model's own code says that it is not well.",
        parameters=(_PUID,),
    )


def deployment_ready(contract: Contract) -> Operation:
    """GET /seldon/…/ready."""
    return Operation(
        TAG,
        f"Is {contract.model_name} ready, for probes that have a token",
        {200: Answer("It is.", (Body(PLAIN, {"const": "ready"}),))},
        description="503, also where the model's own code says that it is not well.",
    )


def deployment_live(contract: Contract) -> Operation:
    """GET /seldon/…/live."""
    return Operation(
        TAG,
        f"Does {contract.model_name} serve, for probes that have a token",
        {200: Answer("It does, well or not.", (Body(PLAIN, {"const": "ready"}),))},
    )


def metadata(contract: Contract) -> Operation:
    """GET …/metadata."""
    table = schemas.members(
        {
            "messagetype": _TEXT,
            "schema": schemas.members(
                {"names": _TEXTS, "shape": {"type": "array", "items": {"type": "integer"}}}
            ),
        },
        ["messagetype"],
    )
    said = schemas.members(
        {
            "name": {"const": contract.model_name},
            "versions": _TEXTS,
            "platform": _TEXT,
            "inputs": {"type": "array", "items": table},
            "outputs": {"type": "array", "items": table},
            "custom": _OBJECT,
        }
    )
    return Operation(
        TAG,
        f"Read Seldon's metadata of {contract.model_name}",
        {200: Answer("What it takes and gives.", (Body(JSON, said),))},
    )


def _answers(contract: Contract) -> str:
    if contract.messages:
        return "The message that the model answers."
    return "One output of the model, in the kind that was sent."


def _examples(contract: Contract) -> dict[str, Any]:
    if contract.messages:
        messages = [orjson.loads(text) for (text,) in contract.example]
        return {kind: message for message in messages for kind in message}
    rows = list(contract.example)
    return {"ndarray": {"data": {"names": contract.feature_names, "ndarray": rows}}}


def _message(contract: Contract) -> Schema:
    if contract.messages:
        known = {"strData": _TEXT, "binData": _BASE64, "jsonData": {"not": {"type": "null"}}}
        wanted = {kind: known[kind] for kind in contract.messages}
        sent = schemas.members({**wanted, "meta": _META}, [])
        one_of = {"oneOf": [{"required": [kind]} for kind in contract.messages]}
        return Shared(schemas.of_model(contract, "SeldonMessage"), {**sent, **one_of})
    kinds: dict[str, Schema] = {
        "ndarray": schemas.rows(contract),
        "tensor": _TENSOR,
        "tftensor": _OBJECT,
    }
    names = {**_TEXTS, "type": ["array", "null"]}
    data = {
        "oneOf": [
            schemas.members({"names": names, kind: schema}, [kind])
            for kind, schema in kinds.items()
        ]
    }
    message: dict[str, Any] = schemas.members({"data": data, "meta": _META}, ["data"])
    return Shared(schemas.of_model(contract, "SeldonMessage"), message)


def _answer(contract: Contract) -> Body:
    if contract.messages:
        return _any_payload()
    message = {
        **schemas.members({**_ANSWERED, "data": _OBJECT, "jsonData": {}}, ["meta"]),
        "oneOf": [{"required": ["data"]}, {"required": ["jsonData"]}],
    }
    return Body(JSON, Shared("SeldonAnswer", message))


def _any_payload() -> Body:
    payloads = {"data": _OBJECT, "strData": _TEXT, "binData": _BASE64, "jsonData": {}}
    said = {
        **schemas.members({**_ANSWERED, **payloads}, ["meta"]),
        "oneOf": [{"required": [kind]} for kind in payloads],
    }
    return Body(JSON, Shared("SeldonMessageAnswer", said))
