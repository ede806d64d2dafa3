"""Naming what is wrong with a batch. Runs only once a batch is known to break its contract."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from model.errors import MAX_FAULTS, Fault, InvalidInput
from model.signature import Feature


def find_faults(features: Sequence[Feature], values: npt.NDArray[np.float64]) -> InvalidInput:
    """Everything wrong with `values`, in row order, ready to be raised."""
    shape_fault = _shape_fault(len(features), values)
    if shape_fault is not None:
        return InvalidInput((shape_fault,))
    wrong = np.column_stack([_wrong(f, values[:, i]) for i, f in enumerate(features)])
    positions = np.argwhere(wrong)
    faults = tuple(
        _cell_fault(int(row), features[column], float(values[row, column]))
        for row, column in positions[:MAX_FAULTS]
    )
    return InvalidInput(faults, fault_count=len(positions))


def _shape_fault(feature_count: int, values: npt.NDArray[np.float64]) -> Fault | None:
    if values.shape[0] == 0:
        return Fault(None, None, "empty_batch", "no rows", "at least one row")
    if values.ndim != 2:
        return Fault(None, None, "wrong_feature_count", f"{values.ndim} dimensions", "a matrix")
    if values.shape[1] != feature_count:
        found, expected = _count(values.shape[1]), _count(feature_count)
        return Fault(None, None, "wrong_feature_count", found, expected)
    return None


def _count(features: int) -> str:
    return f"{features} feature" if features == 1 else f"{features} features"


def _wrong(feature: Feature, column: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    wrong = np.isinf(column)
    if not feature.nullable:
        wrong |= np.isnan(column)
    if feature.minimum is not None:
        wrong |= column < feature.minimum
    if feature.maximum is not None:
        wrong |= column > feature.maximum
    return wrong


def _cell_fault(row: int, feature: Feature, value: float) -> Fault:
    code, found = _kind(feature, value)
    return Fault(row, feature.name, code, found, expected_value(feature))


def _kind(feature: Feature, value: float) -> tuple[str, str]:
    if np.isnan(value):
        return "missing_value", "null or NaN"
    if np.isinf(value):
        return "not_finite", "infinity"
    if feature.minimum is not None and value < feature.minimum:
        return "out_of_range", f"number below {_number(feature.minimum)}"
    # Only the upper bound is left to be broken, so there is one.
    return "out_of_range", f"number above {_number(feature.maximum or 0.0)}"


def expected_value(feature: Feature) -> str:
    """What the feature accepts, in words: "number of at least 0 or null"."""
    text = "finite number"
    if feature.minimum is not None and feature.maximum is not None:
        text = f"number from {_number(feature.minimum)} to {_number(feature.maximum)}"
    elif feature.minimum is not None:
        text = f"number of at least {_number(feature.minimum)}"
    elif feature.maximum is not None:
        text = f"number of at most {_number(feature.maximum)}"
    return f"{text} or null" if feature.nullable else text


def _number(bound: float) -> str:
    return str(int(bound)) if bound.is_integer() and abs(bound) < 1e15 else repr(bound)
