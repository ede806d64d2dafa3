"""Rows that show what a model takes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from model.declaration import reject
from model.estimator.columns import Column
from model.signature import Feature

Row = tuple[Any, ...]

_TYPES: Mapping[str, Any] = {
    "FP64": (float, int),
    "INT64": (float, int),
    "BOOL": bool,
    "BYTES": str,
}
_ZERO: Mapping[str, Any] = {"FP64": 0.0, "INT64": 0, "BOOL": False, "BYTES": "text"}
_ONE: Mapping[str, Any] = {"FP64": 1.0, "INT64": 1, "BOOL": True, "BYTES": "text"}


def example_candidates(
    declared: Sequence[Any], features: Sequence[Feature], columns: Sequence[Column] | None = None
) -> list[tuple[Row, ...]]:
    """The example that model.toml declares, or else those to try, in this order.

    Args:
        declared: the rows of model.toml, empty where it has none.
        columns: what is known of each feature; None where nothing is.
    """
    if declared:
        return [_declared_rows(declared, features)]
    known = columns or [Column() for _ in features]
    return [(row,) for row in _typical_rows(features, known)]


def _declared_rows(declared: Sequence[Any], features: Sequence[Feature]) -> tuple[Row, ...]:
    """The rows of model.toml in the order of the features; nan and what is left out is None."""
    rows = tuple(_declared_row(row, features) for row in declared)
    if len({len(row) for row in rows}) != 1:
        reject("the rows of the example differ in length")
    if len(rows[0]) != len(features):
        found = f"{len(rows[0])} feature{'s' * (len(rows[0]) != 1)}"
        reject(f"the rows of the example have {found}, the model takes {len(features)}")
    return rows


def _declared_row(row: Any, features: Sequence[Feature]) -> Row:
    if isinstance(row, Mapping):
        unknown = sorted(set(row) - {feature.name for feature in features})
        if unknown:
            reject(f"the example names an unknown feature {unknown[0]!r}")
        row = [row.get(feature.name) for feature in features]
    if len(row) != len(features):
        return tuple(row)
    return tuple(
        _as_datatype(value, feature.datatype) for value, feature in zip(row, features, strict=True)
    )


def _as_datatype(value: Any, datatype: str) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    # What does not fit is left as it is, for the contract to name.
    return float(value) if datatype == "FP64" and type(value) is int else value


def _typical_rows(features: Sequence[Feature], columns: Sequence[Column]) -> list[Row]:
    """Rows to try in this order: of typical values, then of the simplest ones."""
    typical = tuple(map(_typical, features, columns))
    zeros = tuple(_within(feature, _ZERO[feature.datatype]) for feature in features)
    ones = tuple(_within(feature, _ONE[feature.datatype]) for feature in features)
    return list(dict.fromkeys((typical, zeros, ones)))


def _typical(feature: Feature, column: Column) -> Any:
    value = column.typical
    if not isinstance(value, _TYPES[feature.datatype]):
        value = _ZERO[feature.datatype]
    if feature.datatype == "INT64":
        value = round(value)
    if feature.datatype == "FP64" and feature.categories is None:
        # For people to read and paste: 5.95, not 5.950000047683716.
        value = float(f"{value:.4g}")
    return _within(feature, value)


def _within(feature: Feature, value: Any) -> Any:
    """The nearest value that the feature accepts."""
    if feature.categories is not None:
        return value if value in feature.categories else feature.categories[0]
    if feature.datatype not in {"FP64", "INT64"}:
        return value
    low = value if feature.minimum is None else max(value, feature.minimum)
    return low if feature.maximum is None else min(low, feature.maximum)
