"""What a model takes and gives: the one source of validation, metadata and documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from model.batch import Array, Batch
from model.cell_faults import ragged_row
from model.cells import read_cells, read_numbers
from model.contract_json import contract_from_json, contract_to_json
from model.errors import InvalidInput
from model.faults import find_faults
from model.feature_check import FeatureCheck
from model.sifting import SiftedRows, sift_cells
from model.signature import CallLimits, Feature, Output


@dataclass(frozen=True)
class Contract:
    """The promise of one version of a model. Features are in the model's own order.

    `cost` weighs the rows of a call where they are charged: 2.0 is twice an ordinary row.
    `messages` are the kinds that a model of messages takes (see `model.message`); of tables, none.
    """

    model_name: str
    model_version: str
    description: str
    features: tuple[Feature, ...]
    outputs: tuple[Output, ...]
    example: tuple[tuple[Any, ...], ...]
    limits: CallLimits = field(default_factory=CallLimits)
    cost: float = 1.0
    messages: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, document: Any) -> Self:
        """The contract that `to_json` wrote down.

        Raises: ArtifactRejected, where anything was added, lost or changed in kind.
        """
        return cls(**contract_from_json(document))

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON, without NaN; `from_json` gives an equal contract."""
        return contract_to_json(vars(self))

    @cached_property
    def dense(self) -> bool:
        """Whether all features are numbers of type FP64: the fast path."""
        return all(feature.datatype == "FP64" for feature in self.features)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @cached_property
    def feature_name_set(self) -> frozenset[str]:
        return frozenset(self.feature_names)

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The labels a classifier chooses from, in the order of its probabilities' columns."""
        return self.outputs[0].classes if self.outputs else None

    @property
    def example_batch(self) -> Batch:
        """The rows of the example. Raises InvalidInput where a value has the wrong type."""
        return self.batch_from_rows(self.example)

    def batch_from_rows(self, rows: Sequence[Sequence[Any]]) -> Batch:
        """Plain Python rows in the order of the features; None is a missing value.

        Types are strict, ranges are left to `check`.

        Raises: InvalidInput, where a value has the wrong type or a row the wrong length.
        """
        width = len(self.features)
        for index, row in enumerate(rows):
            if len(row) != width:
                raise ragged_row(index, len(row), width)
        numbers = read_numbers(rows, self.nullable) if self.dense and rows else None
        if numbers is not None:
            return numbers
        return self.batch_from_cells(list(zip(*rows, strict=True)) if rows else [()] * width)

    def batch_from_cells(self, cells: Sequence[Sequence[Any]]) -> Batch:
        """The values of each feature in turn, all of the same length; else as `batch_from_rows`.

        An array of doubles is taken as it is.
        """
        return read_cells(self.features, cells)

    def sift_cells(self, cells: Sequence[Sequence[Any]], places: Sequence[int]) -> SiftedRows:
        """The same, but the rows that do not keep the contract are left out and told of.

        Args:
            places: what each row is called in faults, ascending.
        """
        return sift_cells(self.features, cells, places)

    def sift(self, batch: Batch) -> SiftedRows:
        """The rows of a batch that keep the contract.

        Raises: InvalidInput, where the batch has no rows, or other columns than the features.
        """
        try:
            self.check(batch)
        except InvalidInput as exc:
            if any(fault.row is None for fault in exc.faults):
                raise
            cells: Any = batch.feature_columns()
            return self.sift_cells(cells, range(batch.row_count))
        return SiftedRows(batch, np.arange(batch.row_count), {})

    def check(self, batch: Batch) -> None:
        """Raise InvalidInput with every fault of the batch, or return in a few microseconds.

        A missing value (NaN, or None in columns of objects) is accepted where the feature is
        nullable, else it is `missing_value`. The largest number of rows is not checked here.
        """
        if batch.columns is not None:
            good = self._accepts_columns(batch.columns)
        else:
            good = self.dense and self._accepts(batch.values)
        if not good:
            raise find_faults(self.features, batch)

    def _accepts(self, values: npt.NDArray[np.float64]) -> bool:
        if values.shape[1:] != self.lower.shape or not values.shape[0]:
            return False
        # NaN fails both comparisons and infinity one of them, so finiteness needs no pass of its
        # own. Where there are no bounds it is all there is to ask, and no feature is like another.
        if self._bounded:
            within = (values >= self.lower) & (values <= self.upper)
        else:
            within = np.isfinite(values)
        if self.has_nullable:
            within |= np.isnan(values) & self.nullable
        if self._listed:
            return bool(within.all()) and self._accepts_listed(values)
        return bool(within.all())

    def _accepts_listed(self, values: npt.NDArray[np.float64]) -> bool:
        return all(self._checks[at].accepts(values[:, at]) for at in self._listed)

    def _accepts_columns(self, columns: Mapping[str, Array]) -> bool:
        return tuple(columns) == self.feature_names and all(
            len(column) and check.accepts(column)
            for check, column in zip(self._checks, columns.values(), strict=True)
        )

    @cached_property
    def _checks(self) -> tuple[FeatureCheck, ...]:
        return tuple(map(FeatureCheck, self.features))

    @cached_property
    def _listed(self) -> tuple[int, ...]:
        """Where the features with categories are."""
        return tuple(at for at, f in enumerate(self.features) if f.categories is not None)

    @cached_property
    def _bounded(self) -> bool:
        return any(f.minimum is not None or f.maximum is not None for f in self.features)

    @cached_property
    def lower(self) -> npt.NDArray[np.float64]:
        """The least accepted value of each feature, shape (f,)."""
        least = np.finfo(np.float64).min
        return np.array([least if f.minimum is None else f.minimum for f in self.features])

    @cached_property
    def upper(self) -> npt.NDArray[np.float64]:
        """The greatest accepted value of each feature, shape (f,)."""
        most = np.finfo(np.float64).max
        return np.array([most if f.maximum is None else f.maximum for f in self.features])

    @cached_property
    def nullable(self) -> npt.NDArray[np.bool_]:
        """Which features may be missing, shape (f,)."""
        return np.array([f.nullable for f in self.features], dtype=np.bool_)

    @cached_property
    def has_nullable(self) -> bool:
        return bool(self.nullable.any())
