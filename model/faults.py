"""Naming what is wrong with a batch. Runs only once a batch is known to break its contract."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from model.batch import Batch
from model.errors import MAX_FAULTS, Fault, InvalidInput
from model.feature_check import FeatureCheck
from model.feature_words import category_words, expected_value, number_words
from model.signature import Feature


def find_faults(features: Sequence[Feature], batch: Batch) -> InvalidInput:
    """Everything wrong with a batch, in row order, ready to be raised."""
    shape_fault = _shape_fault(features, batch)
    if shape_fault is not None:
        return InvalidInput((shape_fault,))
    columns = batch.feature_columns()
    positions = np.argwhere(wrong_values(features, batch))
    faults = [
        value_fault(row, features[at], columns[at].item(row))
        for row, at in positions[:MAX_FAULTS].tolist()
    ]
    return InvalidInput(tuple(faults), fault_count=len(positions))


def wrong_values(features: Sequence[Feature], batch: Batch) -> npt.NDArray[np.bool_]:
    """Which values of a batch with these features do not keep the contract, shape (n, f)."""
    columns = batch.feature_columns()
    checks = map(FeatureCheck, features)
    return np.column_stack(
        [check.wrong(column) for check, column in zip(checks, columns, strict=True)]
    )


def value_fault(row: int, feature: Feature, value: Any) -> Fault:
    """What to say of a value that `wrong_values` found."""
    code, found = _kind(feature, FeatureCheck(feature), value)
    return Fault(row, feature.name, code, found, expected_value(feature))


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
