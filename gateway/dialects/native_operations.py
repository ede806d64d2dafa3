"""What partners read of the gateway's own endpoints that concern a model."""

import csv
import io
from collections.abc import Mapping
from typing import Any

from gateway.dialects import native, schemas
from gateway.dialects.operation import Answer, Body, Operation, Parameter, Schema, Shared, Tag
from gateway.errors import InvalidBody, InvalidInput, NotAcceptable
from gateway.wire.formats import FORMATS
from gateway.wire.media_type import JSON
from model import Contract

PREDICTIONS = Tag("Predictions", "Rows in, answers out, in the gateway's own shapes.")
MODELS = Tag("Models", "Which models there are, and what each takes and gives.")

_DATATYPE: Schema = {"enum": ["FP64", "INT64", "BOOL", "BYTES"], "type": "string"}
_TEXT: Schema = {"type": "string"}
_ANY_VALUE: Schema = {"type": ["number", "string", "boolean"]}
_NUMBER: Schema = {"type": "number"}
_ON_ERROR = Parameter(
    "on_error",
    "query",
    "What a bad row does: refuse the call, with all that is wrong with it; or only itself, so that "
    "the good rows are answered, and it is null and told of in errors.",
    {"type": "string", "enum": ["refuse", "row"], "default": "refuse"},
)


def predict(contract: Contract) -> Operation:
    """POST …/predict."""
    return Operation(
        PREDICTIONS,
        f"Predict with {contract.model_name}",
        {200: Answer("One entry for each row, in their order.", _answers(contract))},
        description=contract.description,
        request=_requests(contract),
        parameters=(_ON_ERROR,),
        problems=(InvalidBody, NotAcceptable),
    )


def _requests(contract: Contract) -> tuple[Body, ...]:
    """JSON, and every other format of rows: text has its example, bytes speak for themselves."""
    json = Body(JSON, _rows_body(contract), _examples(contract))
    return tuple(
        json if known.name == "json" else _of_format(known.media_types[0], _csv(contract))
        for known in FORMATS.of_bodies
    )


def _answers(contract: Contract) -> tuple[Body, ...]:
    return tuple(
        _prediction(contract) if known.name == "json" else _of_format(known.media_types[0])
        for known in FORMATS.of_answers
    )


def _of_format(media_type: str, csv_example: str = "") -> Body:
    if not media_type.startswith("text/"):
        return Body(media_type)
    return Body(media_type, {"type": "string"}, {"rows": csv_example} if csv_example else {})


def _csv(contract: Contract) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [contract.feature_names, *(map(_csv_cell, row) for row in contract.example)]
    )
    return text.getvalue()


def _csv_cell(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _shapes(contract: Contract) -> dict[str, Schema]:
    """The ways to write rows in an object, by the member that has them."""
    return {
        "data": schemas.rows(contract),
        "rows": schemas.records(contract),
        "columns": schemas.columns(contract),
    }


def _rows_body(contract: Contract) -> Schema:
    objects = [schemas.members({name: shape}) for name, shape in _shapes(contract).items()]
    return Shared(
        schemas.of_model(contract, "Request"), {"oneOf": [schemas.rows(contract), *objects]}
    )


def _examples(contract: Contract) -> dict[str, Any]:
    rows, records = schemas.example_rows(contract), schemas.example_records(contract)
    columns = {name: [record[name] for record in records] for name in contract.feature_names}
    return {
        "data": {"data": rows},
        "rows": {"rows": records},
        "columns": {"columns": columns},
        "array": rows,
    }


def _prediction(contract: Contract) -> Body:
    answer: dict[str, Schema] = {"model": _constant(contract.model_name), "version": _TEXT}
    answer |= {name: _or_null(schema) for name, schema in schemas.outputs(contract).items()}
    required = list(answer)
    if contract.classes is not None:
        labels = list(contract.classes)
        answer["classes"] = _labels(labels)
        required.append("classes")
    answer["tags"] = {"type": "object", "description": "What the model adds of its own."}
    answer["errors"] = _ERRORS
    schema = schemas.members(answer, required)
    return Body(JSON, Shared(schemas.of_model(contract, "Prediction"), schema))


def _or_null(output: Schema) -> Schema:
    """An entry of a refused row is null."""
    described = dict(output) if isinstance(output, Mapping) else {}
    return {**described, "items": {"anyOf": [described.get("items", {}), {"type": "null"}]}}


def _labels(labels: list[Any]) -> Schema:
    size = len(labels)
    items = {"enum": labels}
    return {"type": "array", "items": items, "minItems": size, "maxItems": size}


def feedback(contract: Contract) -> Operation:
    """POST …/feedback."""
    accepted = schemas.members(
        {"model": _constant(contract.model_name), "version": _TEXT, "accepted": {"const": True}}
    )
    rows = schemas.example_rows(contract)
    return Operation(
        PREDICTIONS,
        f"Say how good answers of {contract.model_name} were",
        {202: Answer("It was taken down.", (Body(JSON, accepted),))},
        request=(Body(JSON, _feedback_body(contract), {"reward": {"data": rows, "reward": 1}}),),
        problems=(InvalidInput, NotAcceptable),
    )


def _feedback_body(contract: Contract) -> Schema:
    said: dict[str, Schema] = {
        "reward": {"type": "number", "description": "The higher the better."},
        "truth": {
            "type": "array",
            "description": "What was right: an entry for each row, all of one kind.",
            "minItems": 1,
            "items": {"oneOf": [_ANY_VALUE, {"type": "array", "items": _ANY_VALUE}]},
        },
    }
    return {
        "oneOf": [
            schemas.members({name: shape, **said}, [name])
            for name, shape in _shapes(contract).items()
        ],
        "anyOf": [{"required": [name]} for name in said],
    }


def contract_of(contract: Contract) -> Operation:
    """GET /v1/models/{model}."""
    described = Body(JSON, _CONTRACT, {"contract": native.describe(contract, [])})
    return Operation(
        MODELS,
        f"Read the contract of {contract.model_name}",
        {200: Answer("Features, outputs, limits, and an example to post.", (described,))},
    )


def _constant(value: str) -> dict[str, Any]:
    return {"type": "string", "const": value}


_FAULT = schemas.members(
    {
        "feature": {"type": ["string", "null"]},
        "code": _TEXT,
        "found": _TEXT,
        "expected": _TEXT,
    }
)
_REFUSED_ROW = schemas.members(
    {
        "row": {"type": "integer", "minimum": 0},
        "faults": {"type": "array", "items": _FAULT, "minItems": 1},
    }
)
_ERRORS = Shared(
    "RefusedRows",
    {
        "type": "array",
        "items": _REFUSED_ROW,
        "description": "With on_error=row only: the rows that were refused, and why.",
    },
)
_FEATURE = Shared(
    "Feature",
    schemas.members(
        {
            "name": _TEXT,
            "datatype": _DATATYPE,
            "nullable": {"type": "boolean"},
            "minimum": _NUMBER,
            "maximum": _NUMBER,
            "categories": {
                "type": "array",
                "items": _ANY_VALUE,
                "description": "The only values that are taken.",
            },
            "unit": _TEXT,
            "description": _TEXT,
        },
        ["name", "datatype", "nullable"],
    ),
)
_OUTPUT = Shared(
    "Output",
    schemas.members(
        {
            "name": _TEXT,
            "datatype": _TEXT,
            "shape": {
                "type": "array",
                "items": {"type": "integer"},
                "description": "-1 is the number of rows.",
            },
            "classes": {"type": "array", "items": _ANY_VALUE},
            "names": {"type": "array", "items": _TEXT},
            "unit": _TEXT,
            "description": _TEXT,
        },
        ["name", "datatype", "shape"],
    ),
)
_VERSION = Shared(
    "Version",
    schemas.members(
        {
            "version": _TEXT,
            "role": {"type": "string"},
            "sunset_at": {"type": "string", "format": "date-time"},
        },
        ["version", "role"],
    ),
)
_CONTRACT = Shared(
    "Contract",
    {
        # Servers of other protocols have members of their own at this path.
        **schemas.members(
            {
                "model": _TEXT,
                "version": _TEXT,
                "versions": {"type": "array", "items": _VERSION},
                "description": _TEXT,
                "features": {"type": "array", "items": _FEATURE},
                "outputs": {"type": "array", "items": _OUTPUT},
                "limits": schemas.members(
                    {"max_rows": {"type": "integer"}, "deadline_s": _NUMBER}, []
                ),
                "cost": _NUMBER,
                "example": {"type": "object", "description": "Can be posted as it is."},
            }
        ),
        "additionalProperties": True,
    },
)

MODELS_LIST = Operation(
    MODELS,
    "List the models that the token may use",
    {
        200: Answer(
            "Their names.",
            (Body(JSON, schemas.members({"models": {"type": "array", "items": _TEXT}})),),
        )
    },
)
