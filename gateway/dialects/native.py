"""The gateway's own predict shapes.

Request: `[[…], …]`, `{"data": [[…], …]}` or `{"rows": [{"feature": value}, …]}`.
Answer: `{"model", "version", "predictions", "probabilities", "classes"}`; the last two where
the model has them.
"""

from typing import Any

from gateway.errors import BadRequest
from gateway.wire.json_document import JsonDocument
from model import Batch, Contract, Prediction

_SHAPES = 'Send [[…]], {"data": [[…]]} or {"rows": [{"feature": value}]}.'


def parse(document: JsonDocument, contract: Contract) -> Batch:
    """The rows of a request.

    Raises:
        BadRequest: none of the three shapes.
        InvalidInput (model's): rows that do not keep the contract.
    """
    names = document.member_names()
    if names is None:
        return document.matrix(None, contract)
    if names == ["data"]:
        return document.matrix("data", contract)
    if names == ["rows"]:
        return document.records("rows", contract)
    document.refuse()
    raise BadRequest(f"The object has other members than expected. {_SHAPES}")


def render(prediction: Prediction) -> dict[str, Any]:
    """The answer, its arrays still numpy's."""
    answer: dict[str, Any] = {
        "model": prediction.model_name,
        "version": prediction.model_version,
        **prediction.outputs,
    }
    if prediction.classes is not None:
        answer["classes"] = prediction.classes
    return answer


def describe(contract: Contract, versions: list[str]) -> dict[str, Any]:
    """The contract as a partner reads it; its example can be posted as it is."""
    return {
        "model": contract.model_name,
        "version": contract.model_version,
        "versions": versions,
        "description": contract.description,
        "features": [_feature(feature) for feature in contract.features],
        "outputs": [_output(output) for output in contract.outputs],
        "example": {"data": contract.example},
    }


def _feature(feature: Any) -> dict[str, Any]:
    facts = {
        "name": feature.name,
        "datatype": feature.datatype,
        "nullable": feature.nullable,
        "minimum": feature.minimum,
        "maximum": feature.maximum,
        "unit": feature.unit or None,
        "description": feature.description or None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _output(output: Any) -> dict[str, Any]:
    facts = {"name": output.name, "datatype": output.datatype, "shape": output.shape}
    return facts | ({"classes": output.classes} if output.classes is not None else {})
