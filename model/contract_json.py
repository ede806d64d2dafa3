"""A contract as JSON, and back without loss: what a manifest keeps and tools compare."""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from model.message import KINDS, MESSAGE
from model.plain_json import (
    damaged,
    finite_number,
    flag,
    listed,
    members,
    optional,
    text,
    whole_number,
)
from model.signature import DATATYPES, CallLimits, Feature, Output

_KEYS = (
    "model_name",
    "model_version",
    "description",
    "features",
    "outputs",
    "example",
    "limits",
    "cost",
)
# Not written where there are none, so that the manifests of tables stay as they were.
_MESSAGES = "messages"
_FEATURE_KEYS, _OUTPUT_KEYS, _LIMIT_KEYS = (
    tuple(field.name for field in dataclasses.fields(kind))
    for kind in (Feature, Output, CallLimits)
)
_OUTPUT_DATATYPE = re.compile(r"(FP|INT|UINT)(8|16|32|64)|BOOL|BYTES")
_CELL_TYPES: Mapping[str, tuple[type, ...]] = {
    "FP64": (float, int),
    "INT64": (int,),
    "BOOL": (bool,),
    "BYTES": (str,),
}


def contract_to_json(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a contract by name, as lists, dicts and plain values; NaN becomes None."""
    document = {
        "model_name": facts["model_name"],
        "model_version": facts["model_version"],
        "description": facts["description"],
        "features": [_listing(feature, _FEATURE_KEYS) for feature in facts["features"]],
        "outputs": [_listing(output, _OUTPUT_KEYS) for output in facts["outputs"]],
        "example": [[_plain(value) for value in row] for row in facts["example"]],
        "limits": _listing(facts["limits"], _LIMIT_KEYS),
        "cost": facts["cost"],
    }
    kinds = list(facts[_MESSAGES])
    return document | ({_MESSAGES: kinds} if kinds else {})


def contract_from_json(document: Any) -> dict[str, Any]:
    """The fields of a contract by name, each as its class wants it.

    Raises:
        ArtifactRejected: anything missing, unknown, of another type or in contradiction.
    """
    known = (*_KEYS, _MESSAGES) if isinstance(document, dict) and _MESSAGES in document else _KEYS
    table = members("the contract", document, known)
    features = tuple(map(_feature, listed("features", table["features"])))
    outputs = tuple(map(_output, listed("outputs", table["outputs"])))
    _refuse_repetition("feature", [feature.name for feature in features])
    _refuse_repetition("output", [output.name for output in outputs])
    return {
        "model_name": text("model_name", table["model_name"]),
        "model_version": text("model_version", table["model_version"]),
        "description": text("description", table["description"]),
        "features": features,
        "outputs": outputs,
        "example": tuple(_row(row, features) for row in listed("example", table["example"])),
        "limits": _limits(table["limits"]),
        "cost": _positive("cost", table["cost"]),
        _MESSAGES: _messages(table[_MESSAGES], features) if _MESSAGES in table else (),
    }


def _messages(value: Any, features: Sequence[Feature]) -> tuple[str, ...]:
    kinds = tuple(text("a kind of message", kind) for kind in listed("messages", value))
    if not kinds or len(set(kinds)) < len(kinds) or not set(kinds) <= set(KINDS):
        damaged("messages are of unknown kinds")
    if [(feature.name, feature.datatype) for feature in features] != [(MESSAGE, "BYTES")]:
        damaged("messages have other features")
    return kinds


def _listing(thing: Any, keys: Sequence[str]) -> dict[str, Any]:
    values = {key: getattr(thing, key) for key in keys}
    return {
        key: [_plain(part) for part in value] if isinstance(value, tuple) else _plain(value)
        for key, value in values.items()
    }


def _plain(value: Any) -> Any:
    """A value as JSON has it: numpy's scalars as Python's, NaN as None."""
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and math.isnan(plain) else plain


def _feature(document: Any) -> Feature:
    table = members("a feature", document, _FEATURE_KEYS)
    name = _name("a feature", table["name"])
    where = f"feature {name!r}"
    minimum = optional(finite_number, f"minimum of {where}", table["minimum"])
    maximum = optional(finite_number, f"maximum of {where}", table["maximum"])
    if minimum is not None and maximum is not None and minimum > maximum:
        damaged(f"the minimum of {where} is above its maximum")
    datatype = text(f"datatype of {where}", table["datatype"])
    if datatype not in DATATYPES:
        damaged(f"{where} has an unknown datatype")
    return Feature(
        name,
        datatype,
        flag(f"nullable of {where}", table["nullable"]),
        minimum,
        maximum,
        _categories(where, datatype, table["categories"]),
        text(f"unit of {where}", table["unit"]),
        text(f"description of {where}", table["description"]),
    )


def _categories(where: str, datatype: str, value: Any) -> tuple[Any, ...] | None:
    if value is None:
        return None
    categories = tuple(listed(f"categories of {where}", value))
    if not categories or not all(is_cell(datatype, category) for category in categories):
        damaged(f"the categories of {where} are not {datatype}")
    return categories


def is_cell(datatype: str, value: Any) -> bool:
    """Whether this plain value is of the datatype; true and false are no numbers."""
    finite = not isinstance(value, float) or math.isfinite(value)
    return finite and type(value) in _CELL_TYPES[datatype]


def _output(document: Any) -> Output:
    table = members("an output", document, _OUTPUT_KEYS)
    name = _name("an output", table["name"])
    where = f"output {name!r}"
    datatype = text(f"datatype of {where}", table["datatype"])
    if not _OUTPUT_DATATYPE.fullmatch(datatype):
        damaged(f"{where} has an unknown datatype")
    names = optional(listed, f"names of {where}", table["names"])
    return Output(
        name,
        datatype,
        tuple(whole_number(f"shape of {where}", size) for size in listed("shape", table["shape"])),
        _labels(where, table["classes"]),
        None if names is None else tuple(text(f"names of {where}", part) for part in names),
        text(f"unit of {where}", table["unit"]),
        text(f"description of {where}", table["description"]),
    )


def _labels(where: str, value: Any) -> tuple[Any, ...] | None:
    labels = optional(listed, f"classes of {where}", value)
    if labels is None:
        return None
    if not all(type(label) in {str, int, float, bool} for label in labels):
        damaged(f"the classes of {where} are neither text nor numbers nor true and false")
    return tuple(labels)


def _name(where: str, value: Any) -> str:
    name = text(f"the name of {where}", value)
    if not name:
        damaged(f"{where} has no name")
    return name


def _row(row: Any, features: Sequence[Feature]) -> tuple[Any, ...]:
    values = listed("a row of the example", row)
    if len(values) != len(features):
        damaged("a row of the example has another number of values than there are features")
    for value, feature in zip(values, features, strict=True):
        if value is not None and not is_cell(feature.datatype, value):
            damaged(f"in the example, feature {feature.name!r} is not {feature.datatype}")
    return tuple(values)


def _limits(document: Any) -> CallLimits:
    table = members("limits", document, _LIMIT_KEYS)
    max_rows = optional(whole_number, "max_rows", table["max_rows"])
    if max_rows is not None and max_rows < 1:
        damaged("max_rows is below 1")
    return CallLimits(max_rows, optional(_positive, "deadline_s", table["deadline_s"]))


def _positive(where: str, value: Any) -> float:
    number = finite_number(where, value)
    if number <= 0:
        damaged(f"{where} is not above 0")
    return number


def _refuse_repetition(kind: str, names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        damaged(f"a name of a {kind} occurs twice")
