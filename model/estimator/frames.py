"""Data frames for estimators that were fitted on them. The only module that imports pandas."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from model.batch import Array, Batch
from model.errors import ArtifactRejected
from model.estimator.columns import Column
from model.signature import Feature


class Frames:
    """Makes the frame of a batch: the columns of the contract, by name and in its order."""

    def __init__(self, features: Sequence[Feature], columns: Mapping[str, Column]) -> None:
        """Raises ArtifactRejected where pandas is not installed."""
        self._pandas = _pandas()
        self._names = self._pandas.Index([feature.name for feature in features], dtype=object)
        # Text and truth values come with None; the estimator may have learnt NaN instead.
        self._with_nan = frozenset(
            feature.name
            for feature in features
            if feature.nullable
            and feature.datatype in {"BYTES", "BOOL"}
            and columns[feature.name].missing is not None
        )
        self._categorical = frozenset(name for name, c in columns.items() if c.categorical)

    def __call__(self, batch: Batch) -> Any:
        if batch.columns is None:
            return self._pandas.DataFrame(batch.values, columns=self._names, copy=False)
        # Columns that share their index need not be aligned: half the time for one row.
        index = self._pandas.RangeIndex(batch.row_count)
        columns = {
            name: self._column(name, column, index) for name, column in batch.columns.items()
        }
        return self._pandas.DataFrame(columns, index=index, copy=False)

    def _column(self, name: str, column: Array, index: Any) -> Any:
        if name in self._with_nan:
            column = with_nan(column)
        if name in self._categorical:
            return self._pandas.Categorical(column)
        # pandas would look through text for a type of its own; told the type, it does not.
        return self._pandas.Series(column, index=index, dtype=column.dtype, copy=False)


def with_nan(column: Array) -> Array:
    """The same column of objects with NaN for None."""
    missing = np.equal(column, None)  # type: ignore[call-overload]
    return np.where(missing, np.nan, column) if missing.any() else column


def _pandas() -> Any:
    try:
        return importlib.import_module("pandas")
    except ImportError as exc:
        raise ArtifactRejected(
            "The model takes data frames, which need pandas: install it with `make extras`."
        ) from exc
