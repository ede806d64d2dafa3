"""Whether two engines answer the same."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.batch import Array, Batch
from model.engines.probe_rows import Probe
from model.engines.record import TOLERANCE
from model.protocol import Model

# An engine may compute one row otherwise than many.
_ALONE = 8

_KINDS = {
    "example": "the example",
    "sample": "the rows of --probe",
    "range": "rows across the ranges",
    "edge": "rows at the edges",
    "missing": "rows with missing values",
    "threshold": "rows on thresholds of its trees",
}


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """Rows of one kind that the model itself answers, and its answer."""

    kind: str
    batch: Batch
    outputs: Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Proof:
    """The comparison of two engines: `fault` is None where they agree on all rows.

    `largest_difference` is that of all numbers, each as `TOLERANCE` counts it.
    """

    rows: Mapping[str, int]
    largest_difference: float
    fault: str | None


def answers(native: Model, probes: Iterable[Probe]) -> list[Answered]:
    """What the model itself says; rows on which it fails are left out."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for probe in probes:
            found += _answered(native, probe.kind, probe.batch)
    return found


def _answered(native: Model, kind: str, batch: Batch) -> list[Answered]:
    if not batch.row_count:
        return []
    try:
        return [Answered(kind, batch, native.predict(batch))]
    except Exception:  # Whatever a model raises; the caller would get a 500.
        if batch.row_count == 1:
            return []
    half = batch.row_count // 2
    parts = (batch.take(slice(0, half)), batch.take(slice(half, None)))
    return [answered for part in parts for answered in _answered(native, kind, part)]


def prove(compiled: Model, answered: Sequence[Answered]) -> Proof:
    """Compare with what the model itself said, in batches and some rows alone."""
    rows: dict[str, int] = {}
    largest = 0.0
    for one in answered:
        rows[one.kind] = rows.get(one.kind, 0) + one.batch.row_count
        for batch, expected in _portions(one):
            try:
                found = compiled.predict(batch)
            except Exception as exc:  # Of any library's own class.
                fault = f"It fails ({type(exc).__name__}) on {_KINDS[one.kind]}."
                return Proof(rows, largest, fault)
            difference, fault = _compare(found, expected)
            largest = max(largest, difference)
            if fault:
                return Proof(rows, largest, f"{fault} on {_KINDS[one.kind]}.")
    return Proof(rows, largest, None)


def _portions(one: Answered) -> Iterable[tuple[Batch, Mapping[str, Array]]]:
    yield one.batch, one.outputs
    count = one.batch.row_count
    if count > 1:
        for row in np.unique(np.linspace(0, count - 1, _ALONE).astype(int)).tolist():
            alone = slice(row, row + 1)
            yield one.batch.take(alone), {n: array[alone] for n, array in one.outputs.items()}


def _compare(found: Mapping[str, Array], expected: Mapping[str, Array]) -> tuple[float, str]:
    """The largest difference, and what is wrong with it: "" for nothing."""
    largest = 0.0
    if found.keys() != expected.keys():
        return largest, "It gives other outputs"
    for name, array in expected.items():
        if found[name].shape != array.shape:
            return largest, f"Its {name} have another shape"
        if array.dtype.kind != "f":
            wrong = int((found[name] != array).reshape(len(array), -1).any(axis=1).sum())
            if wrong:
                return largest, f"Its {name} differ on {wrong} of {len(array)} rows,"
            continue
        difference = _difference(found[name], array)
        largest = max(largest, difference)
        if not difference <= TOLERANCE:
            return largest, f"Its {name} differ by {difference:.2g}, where {TOLERANCE:g} may be,"
    return largest, ""


def _difference(found: Any, expected: Any) -> float:
    finite = np.isfinite(expected)
    if (np.isfinite(found) != finite).any():
        return float("inf")
    distance = np.abs(found[finite].astype(np.float64) - expected[finite])
    scale = np.maximum(1.0, np.abs(expected[finite]))
    return float((distance / scale).max(initial=0.0))
