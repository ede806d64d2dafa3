"""What partners read of the endpoints of TensorFlow Serving and KServe v1."""

from typing import Any

from gateway.dialects import schemas
from gateway.dialects.operation import Answer, Body, Operation, Schema, Shared, Tag
from gateway.dialects.output_choice import outputs_by_choice
from gateway.errors import PROBLEM_JSON, DuplicateKey, InvalidInput
from gateway.wire.media_type import JSON
from model import Contract

TAG = Tag(
    "TensorFlow Serving and KServe v1",
    "Their REST API; clients work with an access token.",
)

_TEXT: Schema = {"type": "string"}
_ERROR: dict[str, Any] = {
    "type": "object",
    "description": "The members of a problem stand beside `error`.",
    "properties": {"error": _TEXT, "code": _TEXT, "request_id": _TEXT},
    "required": ["error", "code", "request_id"],
}
ERROR = Body(JSON, Shared("TensorFlowServingError", _ERROR))
SHARED_ERROR = Body(PROBLEM_JSON, Shared("ProblemWithError", _ERROR))


def predict(contract: Contract) -> Operation:
    """POST /v1/models/{model}:predict."""
    return Operation(
        TAG,
        f"Predict with {contract.model_name}, as TensorFlow Serving and KServe v1 do",
        {200: Answer("One output of the model: an entry for each row.", (_answer(contract),))},
        description=(
            f"{contract.description} The answer is the first output, which of a classifier are"
            " its labels; `signature_name` asks for another, such as `predict_proba`."
        ).strip(),
        request=(Body(JSON, _request(contract), _examples(contract)),),
        problems=(InvalidInput, DuplicateKey),
    )


def _request(contract: Contract) -> Schema:
    by_row = [schemas.rows(contract), schemas.records(contract)]
    by_column = [*by_row, schemas.columns(contract)]
    names = ["serving_default", *outputs_by_choice(contract)]
    signature: dict[str, Schema] = {"signature_name": {"enum": names}}
    body = {
        "oneOf": [
            schemas.members({"instances": {"anyOf": by_row}, **signature}, ["instances"]),
            schemas.members({"inputs": {"anyOf": by_column}, **signature}, ["inputs"]),
        ]
    }
    return Shared(schemas.of_model(contract, "ServingRequest"), body)


def _examples(contract: Contract) -> dict[str, Any]:
    rows, records = schemas.example_rows(contract), schemas.example_records(contract)
    columns = {name: [record[name] for record in records] for name in contract.feature_names}
    examples: dict[str, Any] = {
        "instances": {"instances": rows},
        "by name": {"instances": records},
        "inputs": {"inputs": columns},
    }
    if any(output.name == "probabilities" for output in contract.outputs):
        examples["probabilities"] = {"instances": rows, "signature_name": "predict_proba"}
    return examples


def _answer(contract: Contract) -> Body:
    values = {"anyOf": [schemas.output_values(output) for output in contract.outputs]}
    body = {
        "type": "object",
        "properties": {"predictions": values, "outputs": values},
        "minProperties": 1,
        "additionalProperties": False,
    }
    return Body(JSON, Shared(schemas.of_model(contract, "ServingAnswer"), body))


def metadata(contract: Contract) -> Operation:
    """GET /v1/models/{model}/metadata."""
    specification = schemas.members({"name": _TEXT, "version": _TEXT, "signature_name": _TEXT})
    answer = schemas.members({"model_spec": specification, "metadata": {"type": "object"}})
    return Operation(
        TAG,
        f"Read the signatures of {contract.model_name}",
        {200: Answer("Inputs and outputs; a size of -1 is the rows.", (Body(JSON, answer),))},
    )
