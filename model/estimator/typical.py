"""A typical value of each column, from what fitting left behind."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

# Where scalers, imputers and the like keep one of each column, the most typical first.
_VALUES = ("mean_", "center_", "statistics_", "data_min_")

# Where estimators keep centres of the data, or the data. Of these only the median is shown: the
# example is public, and a row of the training data is not.
_ROWS = ("cluster_centers_", "means_", "theta_", "centroids_", "_fit_X", "X_train_", "X_fit_", "X_")


def typical_values(part: Any, count: int) -> Sequence[Any]:
    """One plain value or None for each of `count` columns."""
    for attribute in _VALUES:
        values: Any = getattr(part, attribute, None)
        if np.shape(values) == (count,):
            return [_plain(value) for value in np.asarray(values).tolist()]
    rows = centres(part, count)
    if rows is not None:
        return [float(value) for value in np.median(rows, axis=0)]
    thresholds = split_thresholds(part, count)
    return [None] * count if thresholds is None else list(map(_median, thresholds))


def centres(part: Any, count: int) -> npt.NDArray[np.float64] | None:
    """Centres of the training data, or that data, shape (n, count)."""
    for attribute in _ROWS:
        rows: Any = getattr(part, attribute, None)
        if np.ndim(rows) == 2 and np.shape(rows)[1] == count and _all_finite(rows):
            return np.asarray(rows, dtype=np.float64)
    return None


def common_words(vectorizer: Any) -> str:
    """Three words that a vectorizer knows, the most common ones where it can tell."""
    words = sorted(getattr(vectorizer, "vocabulary_", {}), key=str)
    rarity = getattr(vectorizer, "idf_", None)
    if rarity is not None:
        vocabulary = vectorizer.vocabulary_
        words.sort(key=lambda word: float(rarity[vocabulary[word]]))
    return " ".join(words[:3]) or "text"


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _all_finite(rows: Any) -> bool:
    values = rows if isinstance(rows, np.ndarray) else None
    return values is not None and values.dtype.kind in "fiu" and bool(np.isfinite(values).all())


def split_thresholds(part: Any, count: int) -> Sequence[npt.NDArray[np.float64]] | None:
    """The thresholds at which trees split each column; None where there are no trees."""
    bins = getattr(getattr(part, "_bin_mapper", None), "bin_thresholds_", None)
    if bins is not None and len(bins) == count:
        return list(bins)
    trees = [one.tree_ for one in _trees(part) if getattr(one, "n_features_in_", None) == count]
    if not trees:
        return None
    columns = np.concatenate([tree.feature for tree in trees])
    thresholds = np.concatenate([tree.threshold for tree in trees])
    return [thresholds[columns == column] for column in range(count)]


def _trees(part: Any) -> list[Any]:
    if hasattr(getattr(part, "tree_", None), "threshold"):
        return [part]
    found = getattr(part, "estimators_", ())
    flat = found.ravel().tolist() if isinstance(found, np.ndarray) else list(found)
    return [one for one in flat if hasattr(getattr(one, "tree_", None), "threshold")]


def _median(thresholds: npt.NDArray[np.float64]) -> float | None:
    # The last bin of histogram gradient boosting is open, so its threshold may be infinite.
    finite = thresholds[np.isfinite(thresholds)]
    return float(np.median(finite)) if len(finite) else None
