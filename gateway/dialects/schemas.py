"""A model's contract as JSON Schema: the parts that the dialects put their shapes together from."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.dialects.operation import Schema, Shared
from model import Contract, Feature, Output

_JSON_TYPES = {"FP64": "number", "INT64": "integer", "BOOL": "boolean", "BYTES": "string"}
# Beyond these an INT64 is refused; one that may be missing is held as a double.
_INT64, _EXACT_DOUBLE = 2**63, 2**53


def of_model(contract: Contract, name: str) -> str:
    """The name of a shared schema that depends on this contract."""
    return f"{contract.model_name}.{contract.model_version}.{name}"


def cell(feature: Feature) -> dict[str, Any]:
    """One value of a feature."""
    json_type = _JSON_TYPES[feature.datatype]
    schema: dict[str, Any] = {"type": [json_type, "null"] if feature.nullable else json_type}
    schema |= _texts(feature)
    if feature.categories is not None:
        schema["enum"] = [*feature.categories, *([None] if feature.nullable else [])]
        return schema
    bounds = {"minimum": feature.minimum, "maximum": feature.maximum}
    if feature.datatype == "INT64":
        bounds = _integer_bounds(feature)
    return schema | {name: bound for name, bound in bounds.items() if bound is not None}


def _integer_bounds(feature: Feature) -> dict[str, Any]:
    least, most = (-_EXACT_DOUBLE, _EXACT_DOUBLE) if feature.nullable else (-_INT64, _INT64 - 1)
    return {
        "minimum": least if feature.minimum is None else max(least, feature.minimum),
        "maximum": most if feature.maximum is None else min(most, feature.maximum),
    }


def _texts(feature: Feature) -> dict[str, str]:
    unit = f"Unit: {feature.unit}." if feature.unit else ""
    description = " ".join(text for text in (feature.description, unit) if text)
    return {"description": description} if description else {}


def row(contract: Contract) -> Schema:
    """The values of all features, in their order."""
    cells = [{"title": feature.name, **cell(feature)} for feature in contract.features]
    size = len(cells)
    schema = {
        "type": "array",
        "prefixItems": cells,
        "items": {},
        "minItems": size,
        "maxItems": size,
    }
    return Shared(of_model(contract, "Row"), schema)


def record(contract: Contract) -> Schema:
    """One row by names; features that may be missing may be left out."""
    schema = {
        "type": "object",
        "properties": {feature.name: cell(feature) for feature in contract.features},
        "required": [feature.name for feature in contract.features if not feature.nullable],
        "additionalProperties": False,
    }
    return Shared(of_model(contract, "Record"), schema)


def rows(contract: Contract) -> Schema:
    """At least one row, and no more than the model takes in one call."""
    return Shared(of_model(contract, "Rows"), _many(row(contract), contract))


def records(contract: Contract) -> Schema:
    """As `rows`, by names."""
    return Shared(of_model(contract, "Records"), _many(record(contract), contract))


def columns(contract: Contract) -> Schema:
    """The values of each feature; JSON Schema cannot say that all are of one length."""
    schema = {
        "type": "object",
        "description": "Every array has one value for each row.",
        "properties": {
            feature.name: _many(cell(feature), contract) for feature in contract.features
        },
        "required": [feature.name for feature in contract.features if not feature.nullable],
        "additionalProperties": False,
        # At least one column says how many rows there are.
        "minProperties": 1,
    }
    return Shared(of_model(contract, "Columns"), schema)


def _many(items: Schema, contract: Contract) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "array", "items": items, "minItems": 1}
    if contract.limits.max_rows is not None:
        schema["maxItems"] = contract.limits.max_rows
    return schema


def outputs(contract: Contract) -> dict[str, Schema]:
    """The arrays of an answer by the names of the outputs, an entry for each row."""
    return {output.name: output_values(output) for output in contract.outputs}


def output_values(output: Output) -> dict[str, Any]:
    """The values of an output as JSON: nested as its shape says."""
    schema = _value(output)
    for size in reversed(output.shape):
        bounds = {} if size < 0 else {"minItems": size, "maxItems": size}
        schema = {"type": "array", "items": schema, **bounds}
    return schema | _output_texts(output)


def _value(output: Output) -> dict[str, Any]:
    json_type = (
        "integer" if "INT" in output.datatype else _JSON_TYPES.get(output.datatype, "number")
    )
    # What a class stands for is one of them; a probability is in a column of its class.
    if output.classes is not None and len(output.shape) == 1:
        return {"type": json_type, "enum": list(output.classes)}
    return {"type": json_type}


def _output_texts(output: Output) -> dict[str, str]:
    unit = f"Unit: {output.unit}." if output.unit else ""
    names = f"Columns: {', '.join(output.names)}." if output.names else ""
    description = " ".join(text for text in (output.description, unit, names) if text)
    return {"description": description} if description else {}


def example_rows(contract: Contract) -> list[list[Any]]:
    """The contract's own example, in the order of the features."""
    return [list(values) for values in contract.example]


def example_records(contract: Contract) -> list[dict[str, Any]]:
    """The same by names."""
    names = contract.feature_names
    return [dict(zip(names, values, strict=True)) for values in contract.example]


def members(properties: Mapping[str, Any], required: Sequence[str] | None = None) -> dict[str, Any]:
    """An object with these members and no other; all of them required unless some are named."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties if required is None else required),
        "additionalProperties": False,
    }
