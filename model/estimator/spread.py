"""How far the values of each column reach, from what fitting left behind."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from model.estimator.typical import centres, split_thresholds

Spread = tuple[float, float] | None

# Nearly all values of a column are within so many standard deviations or quartiles of its middle.
_WIDTHS = 4.0
# Trees split between values, so the outermost values lie beyond the outermost thresholds.
_BEYOND = 0.1


def spreads(part: Any, count: int) -> Sequence[Spread]:
    """About the least and the greatest value of each of `count` columns, or None."""
    for low, high in (_bounds(part), _around(part, "mean_"), _around(part, "center_")):
        if np.shape(low) == np.shape(high) == (count,):
            return list(map(_spread, np.asarray(low).tolist(), np.asarray(high).tolist()))
    rows = centres(part, count)
    if rows is not None:
        return list(map(_spread, rows.min(axis=0).tolist(), rows.max(axis=0).tolist()))
    thresholds = split_thresholds(part, count)
    return [None] * count if thresholds is None else list(map(_beyond, thresholds))


def _bounds(part: Any) -> tuple[Any, Any]:
    quantiles: Any = getattr(part, "quantiles_", None)
    if np.ndim(quantiles) == 2:
        return quantiles[0], quantiles[-1]
    return getattr(part, "data_min_", None), getattr(part, "data_max_", None)


def _around(part: Any, attribute: str) -> tuple[Any, Any]:
    middle: Any = getattr(part, attribute, None)
    width: Any = getattr(part, "scale_", None)
    if middle is None or np.shape(middle) != np.shape(width):
        return None, None
    return middle - _WIDTHS * width, middle + _WIDTHS * width


def _spread(low: float, high: float) -> Spread:
    return (low, high) if np.isfinite(low) and np.isfinite(high) and low < high else None


def _beyond(thresholds: npt.NDArray[np.float64]) -> Spread:
    finite = thresholds[np.isfinite(thresholds)]
    if not len(finite):
        return None
    low, high = float(finite.min()), float(finite.max())
    margin = _BEYOND * (high - low) or max(1.0, abs(high))
    return low - margin, high + margin
