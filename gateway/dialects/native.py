"""The gateway's own answers; the shapes of its requests are those of `gateway.wire.json_shapes`.

`{"model", "version", "predictions", "probabilities", "classes", "tags"}`; the last three where the
model has them.
"""

from typing import Any

from gateway.wire.table import Refusals, Table
from model import Contract, Feature, Output, Prediction


def table(prediction: Prediction, contract: Contract, refusals: Refusals | None = None) -> Table:
    """The answer, its arrays still numpy's."""
    beside: dict[str, Any] = {}
    if prediction.classes is not None:
        beside["classes"] = prediction.classes
    if prediction.tags:
        beside["tags"] = prediction.tags
    return Table(
        outputs=prediction.outputs,
        labels={one.name: one.names or one.classes or () for one in contract.outputs},
        about={"model": prediction.model_name, "version": prediction.model_version},
        beside=beside,
        refusals=refusals,
    )


def describe(contract: Contract, versions: list[dict[str, Any]]) -> dict[str, Any]:
    """The contract as a partner reads it; its example can be posted as it is.

    Args:
        versions: `version` and `role` of each that callers may name.
    """
    return {
        "model": contract.model_name,
        "version": contract.model_version,
        "versions": versions,
        "description": contract.description,
        "features": [_feature(feature) for feature in contract.features],
        "outputs": [_output(output) for output in contract.outputs],
        "limits": _limits(contract),
        "cost": contract.cost,
        "example": _example(contract),
    }


def _example(contract: Contract) -> dict[str, Any]:
    """By name where kinds are mixed: people cannot tell which value is which from their order."""
    if contract.dense:
        return {"data": contract.example}
    names = contract.feature_names
    return {"rows": [dict(zip(names, row, strict=True)) for row in contract.example]}


def _limits(contract: Contract) -> dict[str, Any]:
    """The model's own; those of the caller's plan apply as well."""
    limits = {"max_rows": contract.limits.max_rows, "deadline_s": contract.limits.deadline_s}
    return {name: value for name, value in limits.items() if value is not None}


def _feature(feature: Feature) -> dict[str, Any]:
    return _without_empty(
        {
            "name": feature.name,
            "datatype": feature.datatype,
            "nullable": feature.nullable,
            "minimum": feature.minimum,
            "maximum": feature.maximum,
            "categories": feature.categories,
            "unit": feature.unit,
            "description": feature.description,
        }
    )


def _output(output: Output) -> dict[str, Any]:
    return _without_empty(
        {
            "name": output.name,
            "datatype": output.datatype,
            "shape": output.shape,
            "classes": output.classes,
            "names": output.names,
            "unit": output.unit,
            "description": output.description,
        }
    )


def _without_empty(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None and value != ""}
