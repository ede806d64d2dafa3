"""Naming what is wrong with a batch. Runs only once a batch is known to break its contract."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from model.batch import Array, Batch
from model.errors import MAX_FAULTS, Fault, InvalidInput
from model.feature_check import FeatureCheck
from model.feature_words import category_words, expected_value, number_words
from model.signature import Feature


def find_faults(features: Sequence[Feature], batch: Batch) -> InvalidInput:
    """Everything wrong with a batch, in row order, ready to be raised."""
    shape_fault = _shape_fault(features, batch)
    if shape_fault is not None:
        return InvalidInput((shape_fault,))
    columns = _columns(batch)
    checks = [FeatureCheck(feature) for feature in features]
    wrong = [check.wrong(column) for check, column in zip(checks, columns, strict=True)]
    positions = np.argwhere(np.column_stack(wrong))
    faults = []
    for row, at in positions[:MAX_FAULTS].tolist():
        code, found = _kind(features[at], checks[at], columns[at].item(row))
        faults.append(Fault(row, features[at].name, code, found, expected_value(features[at])))
    return InvalidInput(tuple(faults), fault_count=len(positions))


def _columns(batch: Batch) -> list[Array]:
    if batch.columns is None:
        return list(batch.values.T)
    return list(batch.columns.values())


def _shape_fault(features: Sequence[Feature], batch: Batch) -> Fault | None:
    if batch.row_count == 0:
        return Fault(None, None, "empty_batch", "no rows", "at least one row")
    if batch.columns is not None:
        return _names_fault(features, list(batch.columns))
    values = batch.values
    if values.ndim != 2:
        return Fault(None, None, "wrong_feature_count", f"{values.ndim} dimensions", "a matrix")
    if any(feature.datatype != "FP64" for feature in features):
        found, expected = "numbers without names", "a column for each feature"
        return Fault(None, None, "wrong_feature_count", found, expected)
    return _count_fault(values.shape[1], len(features))


def _names_fault(features: Sequence[Feature], names: Sequence[str]) -> Fault | None:
    if len(names) == len(features) and names != [feature.name for feature in features]:
        found, expected = "other names or another order", "the features in their order"
        return Fault(None, None, "wrong_feature_count", found, expected)
    return _count_fault(len(names), len(features))


def _count_fault(found: int, expected: int) -> Fault | None:
    if found == expected:
        return None
    return Fault(None, None, "wrong_feature_count", _count(found), _count(expected))


def _count(features: int) -> str:
    return f"{features} feature" if features == 1 else f"{features} features"


def _kind(feature: Feature, check: FeatureCheck, value: Any) -> tuple[str, str]:
    """The code and what was found: a kind of value, not the value."""
    if value is None:
        return "missing_value", "null"
    if isinstance(value, float) and math.isnan(value):
        return "missing_value", "null or NaN"
    if isinstance(value, float) and math.isinf(value):
        return "not_finite", "infinity"
    if check.minimum is not None and value < check.minimum:
        return "out_of_range", f"number below {number_words(feature.minimum)}"
    if check.maximum is not None and value > check.maximum:
        return "out_of_range", f"number above {number_words(feature.maximum)}"
    return "unknown_category", category_words(feature)
