"""From the batch of a call to what an estimator takes."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from model.batch import Array, Batch
from model.contract import Contract
from model.estimator.columns import Column, learn_columns
from model.estimator.fitted import feature_count, feature_names, reads_names, reads_texts
from model.estimator.frames import Frames, with_nan

Intake = Callable[[Batch], Any]


def intake_of(estimator: Any, contract: Contract) -> Intake | None:
    """How to hand over a batch; None where its matrix of numbers is taken as it is.

    Raises:
        ArtifactRejected: it needs a data frame, and pandas is not installed.
    """
    if reads_texts(estimator):
        return _texts
    names = feature_names(estimator)
    if names is not None and (reads_names(estimator) or _holds_text(contract)):
        known = dict(zip(names, learn_columns(estimator, len(names)), strict=True))
        return Frames(contract.features, known)
    if contract.dense:
        return None
    columns = learn_columns(estimator, feature_count(estimator) or len(contract.features))
    return _table(columns)


def _holds_text(contract: Contract) -> bool:
    return any(feature.datatype == "BYTES" for feature in contract.features)


def _texts(batch: Batch) -> Array:
    """The only column of the batch, one text for each row."""
    return next(iter((batch.columns or {}).values()))


def _table(columns: Sequence[Column]) -> Intake:
    """A matrix of numbers where all columns are, else of objects."""
    missing_is_none = any(column.missing is None for column in columns)

    def table(batch: Batch) -> Array:
        arrays = list((batch.columns or {}).values())
        if not missing_is_none:
            arrays = [with_nan(array) if array.dtype.kind == "O" else array for array in arrays]
        return np.column_stack(arrays)

    return table
