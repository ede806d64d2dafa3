"""Rows on which two engines are compared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model.batch import Array, Batch
from model.contract import Contract
from model.estimator.columns import Column
from model.signature import Feature

_RANDOM_ROWS = 400
_MOST_EDGES = 300
_MISSING_ROWS = 100
_UNKNOWN_TEXT = "no such text"


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A batch to compare on; `kind` tells where its rows come from."""

    kind: str
    batch: Batch


class ProbeRows:
    """Rows over the ranges of a model's features, always the same ones.

    A range is that of the contract, else that of the sample rows, else what the estimator knows.
    """

    def __init__(
        self, contract: Contract, columns: Sequence[Column], samples: Batch | None = None
    ) -> None:
        self._contract = contract
        self._samples = samples
        self._random = np.random.default_rng(0)
        self._ranges = [
            _Range(feature, column, _sampled(samples, at))
            for at, (feature, column) in enumerate(zip(contract.features, columns, strict=True))
        ]

    def all(self) -> Iterator[Probe]:
        """The example, the samples, rows across the ranges, their edges, missing values."""
        yield Probe("example", self._contract.example_batch)
        if self._samples is not None:
            yield Probe("sample", self._samples)
        yield Probe("range", self.across(_RANDOM_ROWS))
        yield Probe("edge", self.batch(self._edges()))
        if any(feature.nullable for feature in self._contract.features):
            yield Probe("missing", self.batch(self._missing()))

    def across(self, count: int) -> Batch:
        """Rows across the ranges."""
        return self.batch([one.draw(self._random, count) for one in self._ranges])

    def batch(self, cells: Sequence[Array]) -> Batch:
        """A batch of one array for each feature; those of objects may hold None."""
        features = self._contract.features
        if self._contract.dense:
            table = np.column_stack([cell.astype(np.float64) for cell in cells])
            return Batch(np.ascontiguousarray(table))
        return Batch.of_columns(
            {f.name: _as_column(f, cell) for f, cell in zip(features, cells, strict=True)}
        )

    def _edges(self) -> list[Array]:
        """All at their least, all at their greatest, and each alone at each of its edges."""
        edges = [(at, edge) for at, one in enumerate(self._ranges) for edge in one.edges]
        if len(edges) > _MOST_EDGES:
            chosen = self._random.choice(len(edges), _MOST_EDGES, replace=False)
            edges = [edges[at] for at in chosen]
        cells = [one.draw(self._random, len(edges) + 2) for one in self._ranges]
        for at, one in enumerate(self._ranges):
            cells[at][-2], cells[at][-1] = one.edges[0], one.edges[-1]
        for row, (at, edge) in enumerate(edges):
            cells[at][row] = edge
        return cells

    def _missing(self) -> list[Array]:
        """All that may be missing, each alone, and at random."""
        nullable = [at for at, feature in enumerate(self._contract.features) if feature.nullable]
        alone = nullable[:_MOST_EDGES]
        count = len(alone) + _MISSING_ROWS + 1
        cells = [one.draw(self._random, count).astype(object) for one in self._ranges]
        for row, at in enumerate(alone):
            cells[at][row] = None
        for at in nullable:
            cells[at][len(alone) :][self._random.random(_MISSING_ROWS + 1) < 0.3] = None
            cells[at][-1] = None
        return cells


class _Range:
    """What one feature may be."""

    def __init__(self, feature: Feature, column: Column, sampled: Array | None) -> None:
        self._feature = feature
        self._values = _listed(feature, column, sampled)
        low, high = _spread(column, sampled)
        width = high - low
        self._low, self._high = self._within(low), self._within(high)
        # A little and a lot beyond the training data, where the contract lets callers go.
        beyond = (low - width, high + width, low - 100 * width, high + 100 * width)
        bounds = (feature.minimum, feature.maximum)
        numbers = [self._low, *map(self._within, beyond), *bounds, self._high]
        self.edges: list[Any] = list(self._values)
        if not self._values:
            self.edges = list(dict.fromkeys(self._typed(n) for n in numbers if n is not None))

    def draw(self, random: np.random.Generator, count: int) -> Array:
        """Values of this feature."""
        if self._values:
            drawn = np.empty(count, dtype=object)
            drawn[:] = [self._values[at] for at in random.integers(0, len(self._values), count)]
            return drawn
        numbers = self._low + random.random(count) * (self._high - self._low)
        # Data is often round, and so are the thresholds of trees.
        rounded = random.random(count) < 0.25
        return np.array([self._typed(n) for n in np.where(rounded, numbers.round(1), numbers)])

    def _typed(self, number: float) -> Any:
        within = self._within(number)
        return round(within) if self._feature.datatype == "INT64" else float(within)

    def _within(self, number: float) -> float:
        least, most = self._feature.minimum, self._feature.maximum
        low = number if least is None else max(number, least)
        return low if most is None else min(low, most)


def _listed(feature: Feature, column: Column, sampled: Array | None) -> list[Any]:
    """The values to choose from, where they are not drawn from a range."""
    if feature.categories is not None:
        return list(feature.categories)
    if feature.datatype == "BOOL":
        return [False, True]
    if feature.datatype == "BYTES":
        seen = [] if sampled is None else [one for one in sampled.tolist() if one is not None]
        return list(dict.fromkeys([*column.known, *seen, column.typical or "text", _UNKNOWN_TEXT]))
    return list(column.known) if column.datatype == feature.datatype else []


def _spread(column: Column, sampled: Array | None) -> tuple[float, float]:
    if sampled is not None and sampled.dtype.kind in "fi" and np.isfinite(sampled).any():
        return float(np.nanmin(sampled)), float(np.nanmax(sampled))
    if column.spread is not None:
        return column.spread
    middle = column.typical if isinstance(column.typical, (int, float)) else 0.0
    return middle - 3 * max(1.0, abs(middle)), middle + 3 * max(1.0, abs(middle))


def _sampled(samples: Batch | None, at: int) -> Array | None:
    if samples is None:
        return None
    if samples.columns is not None:
        return list(samples.columns.values())[at]
    column: npt.NDArray[np.float64] = samples.values[:, at]
    return column


def _as_column(feature: Feature, cell: Array) -> Array:
    """As `Batch` has the column of this feature."""
    kinds: Mapping[str, Any] = {"FP64": np.float64, "BYTES": np.object_}
    nullable = {"INT64": np.float64, "BOOL": np.object_}
    plain = {"INT64": np.int64, "BOOL": np.bool_}
    kind = (
        kinds.get(feature.datatype) or (nullable if feature.nullable else plain)[feature.datatype]
    )
    return cell.astype(kind)
