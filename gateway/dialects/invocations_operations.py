"""What partners read of the endpoints of MLflow and SageMaker."""

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
from gateway.errors import (
    DuplicateKey,
    InvalidInput,
    NotAcceptable,
    NotReady,
    UnsupportedMediaType,
)
from gateway.wire.formats import FORMATS
from gateway.wire.media_type import JSON
from model import Contract

TAG = Tag(
    "MLflow and SageMaker",
    "MLflow's scoring server and SageMaker's containers; clients work with an access token.",
)

_TEXT: Schema = {"type": "string"}
ERROR = Body(
    JSON,
    Shared(
        "MlflowError",
        {
            "type": "object",
            "description": "The members of a problem stand beside `error_code` and `message`.",
            "properties": {
                "error_code": _TEXT,
                "message": _TEXT,
                "code": _TEXT,
                "request_id": _TEXT,
            },
            "required": ["error_code", "message", "code", "request_id"],
        },
    ),
)

PING = Operation(
    TAG,
    "Can this worker serve",
    {200: Answer("It can: an empty body.")},
    problems=(NotReady,),
)
VERSION = Operation(
    TAG,
    "Read the version of the gateway",
    {200: Answer("As text.", (Body("text/plain", _TEXT),))},
)
_ATTRIBUTES = Parameter(
    "X-Amzn-SageMaker-Custom-Attributes",
    "header",
    "Comes back as it was sent.",
    {"type": "string", "maxLength": 1024, "pattern": "^[ -~]*$"},
)


def invocations(contract: Contract) -> Operation:
    """POST /invocations."""
    return Operation(
        TAG,
        f"Predict with {contract.model_name}, as MLflow and SageMaker do",
        {200: Answer("One output of the model: an entry for each row.", _answers(contract))},
        description=(
            f"{contract.description} The answer is the first output, which of a classifier are"
            ' its labels; MLflow\'s `params` ask for another, `{"pyfunc_predict_fn":'
            ' "predict_proba"}`, or Accept, `text/csv; output=probabilities`.'
        ).strip(),
        request=(
            Body(JSON, _request(contract), _examples(contract)),
            *(Body(one.media_types[0]) for one in FORMATS.of_bodies if one.name != "json"),
        ),
        parameters=(_ATTRIBUTES,),
        problems=(InvalidInput, DuplicateKey, NotAcceptable, UnsupportedMediaType),
    )


def _request(contract: Contract) -> Schema:
    rows, records = schemas.rows(contract), schemas.records(contract)
    names = contract.feature_names
    split = schemas.members(
        {
            # Numbered in the order of the features where they have no names.
            "columns": {"type": ["array", "null"], "items": {"enum": [*names, *range(len(names))]}},
            "data": {"type": "array", "items": {"type": "array", "items": {}}, "minItems": 1},
            "index": {"description": "Of no account."},
        },
        ["data"],
    )
    shapes = {
        "dataframe_split": split,
        "dataframe_records": records,
        "instances": {"anyOf": [rows, records, schemas.columns(contract)]},
        "inputs": {"anyOf": [rows, records, schemas.columns(contract)]},
    }
    parameters: dict[str, Schema] = {"params": {"type": "object"}}
    mlflow = [
        schemas.members({name: shape, **parameters}, [name]) for name, shape in shapes.items()
    ]
    body = {"oneOf": [*mlflow, {"anyOf": [rows, records]}]}
    return Shared(schemas.of_model(contract, "Invocation"), body)


def _examples(contract: Contract) -> dict[str, Any]:
    rows, records = schemas.example_rows(contract), schemas.example_records(contract)
    columns = list(contract.feature_names)
    return {
        "dataframe_split": {"dataframe_split": {"columns": columns, "data": rows}},
        "dataframe_records": {"dataframe_records": records},
        "instances": {"instances": rows},
        "inputs": {"inputs": {name: [row[name] for row in records] for name in columns}},
        "bare list": rows,
    }


def _answers(contract: Contract) -> tuple[Body, ...]:
    values = {"anyOf": [schemas.output_values(output) for output in contract.outputs]}
    shapes = {"oneOf": [schemas.members({"predictions": values}), values]}
    body = Body(JSON, Shared(schemas.of_model(contract, "InvocationAnswer"), shapes))
    return (body, *(Body(one.media_types[0]) for one in FORMATS.of_answers if one.name != "json"))
