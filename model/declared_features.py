"""[[features]] of model.toml."""

from collections.abc import Mapping
from itertools import count
from typing import Any

from model.declared_values import finite_number, flag, is_number, reject, table, tables, text
from model.signature import DATATYPES, Feature

_KEYS = (
    "name",
    "datatype",
    "description",
    "unit",
    "minimum",
    "maximum",
    "categories",
    "nullable",
)
# Where categories are given without a datatype, they tell it.
_INFERRED: Mapping[type, str] = {str: "BYTES", bool: "BOOL", int: "FP64", float: "FP64"}


def declared_features(entries: Any) -> tuple[Feature, ...]:
    """The features in the order of the file.

    Raises: ArtifactRejected, also for a name that comes twice.
    """
    features = tuple(map(_feature, count(1), tables("[[features]]", entries)))
    seen: set[str] = set()
    for feature in features:
        if feature.name in seen:
            reject(f"feature {feature.name!r} appears twice")
        seen.add(feature.name)
    return features


def _feature(number: int, entry: Any) -> Feature:
    where = f"[[features]] number {number}"
    facts = table(where, entry, _KEYS)
    name = text(f"{where} name", facts.get("name", ""))
    if not name:
        reject(f"{where} has no name")
    where = f"feature {name!r}"
    categories = _categories(where, facts.get("categories"))
    datatype = _datatype(where, facts.get("datatype"), categories)
    minimum, maximum = _bounds(where, facts)
    if (minimum, maximum) != (None, None) and (categories or datatype not in {"FP64", "INT64"}):
        reject(f"{where} has a range, which is only for numbers without categories")
    return Feature(
        name,
        datatype,
        flag(f"nullable of {where}", facts.get("nullable", False)),
        minimum,
        maximum,
        categories,
        text(f"unit of {where}", facts.get("unit", "")),
        text(f"description of {where}", facts.get("description", "")),
    )


def _categories(where: str, value: Any) -> tuple[Any, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value:
        reject(f"categories of {where} must be a list with at least one value")
    if {type(category) for category in value} not in ({str}, {bool}, {int}, {float}, {int, float}):
        reject(f"categories of {where} must be all text, all numbers or all true and false")
    for category in value:
        if is_number(category):
            finite_number(f"category of {where}", category)
    if len(set(value)) < len(value):
        reject(f"categories of {where} name a value twice")
    return tuple(value)


def _datatype(where: str, value: Any, categories: tuple[Any, ...] | None) -> str:
    inferred = "FP64" if categories is None else _INFERRED[type(categories[0])]
    datatype = inferred if value is None else text(f"datatype of {where}", value)
    if datatype not in DATATYPES:
        reject(f"the datatype of {where} must be one of {', '.join(DATATYPES)} (BYTES is text)")
    if categories is None or datatype == inferred:
        return datatype
    if datatype != "INT64" or not all(type(category) is int for category in categories):
        reject(f"categories of {where} must be of its datatype, {datatype}")
    return datatype


def _bounds(where: str, facts: Mapping[str, Any]) -> tuple[float | None, float | None]:
    minimum, maximum = (
        None if facts.get(key) is None else finite_number(f"{key} of {where}", facts[key])
        for key in ("minimum", "maximum")
    )
    if minimum is not None and maximum is not None and minimum > maximum:
        reject(f"the minimum of {where} is above its maximum")
    return minimum, maximum
