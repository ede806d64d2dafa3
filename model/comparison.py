"""How two versions of a model differ in their answers to the same rows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from model.batch import Array, Batch
from model.contract import Contract
from model.protocol import Prediction

# The largest difference in each bin of the distribution.
BOUNDS = (0.0, 1e-9, 1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, math.inf)

# Numbers disagree when they are further apart than this part of the value that was answered.
NUMBERS_AGREE_WITHIN = 0.01


@dataclass(frozen=True, slots=True)
class Difference:
    """The rows of one call, compared.

    Attributes:
        disagreeing: rows with another label; for a model of numbers, with a number more than
            NUMBERS_AGREE_WITHIN apart.
        bins: rows by how far their scores are apart, each under the least of BOUNDS that holds
            it; empty where there are no scores that could be compared. A score is a probability,
            or the number itself.
    """

    rows: int
    disagreeing: int
    bins: Mapping[float, int] = field(default_factory=dict)


def compare(answer: Prediction, other: Prediction) -> Difference:
    """Compare two answers to the same rows; `answer` is the one that was given."""
    labels, other_labels = _labels(answer), _labels(other)
    rows = len(labels)
    if labels.shape != other_labels.shape:
        return Difference(rows, rows)
    disagreeing = int(_disagree(labels, other_labels, exact=answer.classes is not None).sum())
    apart = _apart(answer, other)
    return Difference(rows, disagreeing, _binned(apart) if apart is not None else {})


def aligned(batch: Batch, given: Contract, wanted: Contract) -> Batch:
    """A batch that keeps one contract in the order of another, which has no further features.

    Raises: ValueError, KeyError, where the other needs what the batch does not have.
    """
    if given.feature_names == wanted.feature_names and given.dense == wanted.dense:
        return batch
    if batch.columns is not None:
        columns = batch.columns
        if wanted.dense:
            raise ValueError("the other version takes numbers only")
        return Batch.of_columns({name: columns[name] for name in wanted.feature_names})
    if not wanted.dense:
        raise ValueError("the other version takes more than numbers")
    places = [given.feature_names.index(name) for name in wanted.feature_names]
    return Batch(np.ascontiguousarray(batch.values[:, places]))


def _labels(prediction: Prediction) -> Array:
    """The first output, which says what the model thinks."""
    return next(iter(prediction.outputs.values()))


def _disagree(labels: Array, others: Array, *, exact: bool) -> npt.NDArray[np.bool_]:
    """For each row whether anything in it disagrees."""
    if not exact and labels.dtype.kind == others.dtype.kind == "f":
        answered, other = labels.astype(np.float64), others.astype(np.float64)
        allowed = NUMBERS_AGREE_WITHIN * np.abs(answered) + BOUNDS[1]
        differs = np.asarray(np.abs(other - answered) > allowed)
    else:
        differs = np.asarray(labels.astype(object) != others.astype(object), dtype=np.bool_)
    return np.asarray(differs.reshape(len(labels), -1).any(axis=1))


def _apart(answer: Prediction, other: Prediction) -> npt.NDArray[np.float64] | None:
    """For each row the largest difference of its scores; None where they have none in common."""
    if answer.classes != other.classes:
        return None
    # The last of them are probabilities, where there are any; the first says the label.
    for name in reversed(list(answer.outputs)):
        scores, others = answer.outputs[name], other.outputs.get(name)
        if others is None or scores.dtype.kind != "f" or others.dtype.kind != "f":
            continue
        if scores.shape == others.shape and len(scores):
            differences = np.abs(scores.astype(np.float64) - others.astype(np.float64))
            largest: npt.NDArray[np.float64] = differences.reshape(len(scores), -1).max(axis=1)
            return largest
    return None


def _binned(apart: npt.NDArray[np.float64]) -> dict[float, int]:
    places = np.searchsorted(BOUNDS, apart, side="left")
    counts = np.bincount(places, minlength=len(BOUNDS)).tolist()
    return {bound: count for bound, count in zip(BOUNDS, counts, strict=True) if count}
