"""The rows of a batch that keep the contract, and what is wrong with each of the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model.batch import Batch
from model.cell_faults import cell_fault, wrong_cells
from model.cells import lenient_batch
from model.errors import Fault
from model.faults import value_fault, wrong_values
from model.signature import Feature

# A fault for each wrong cell, up to so many in all; from then on one for each refused row.
_MOST_FAULTS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class SiftedRows:
    """Rows, judged one by one.

    Attributes:
        batch: those that keep the contract, in their order; there may be none.
        kept: the places of these among all rows, ascending.
        faults: what is wrong with each of the others, by its place, ascending.
    """

    batch: Batch
    kept: npt.NDArray[np.intp]
    faults: Mapping[int, Sequence[Fault]]

    @property
    def row_count(self) -> int:
        """How many rows there were in all."""
        return len(self.kept) + len(self.faults)


def sift_cells(
    features: Sequence[Feature], cells: Sequence[Sequence[Any]], places: Sequence[int]
) -> SiftedRows:
    """The values of each feature in turn, as `Contract.batch_from_cells` takes them.

    Args:
        places: what each row is called in faults, ascending.
    """
    wrong_types = np.zeros((len(places), len(features)), np.bool_)
    wrong = [wrong_cells(feature, values) for feature, values in _lists(features, cells)]
    for at, rows in enumerate(wrong):
        wrong_types[rows, at] = True
    batch = lenient_batch(features, cells, wrong)
    wrong_anyhow = wrong_types | wrong_values(features, batch)
    refused = wrong_anyhow.any(axis=1)
    faults: dict[int, Sequence[Fault]] = {}
    left = _MOST_FAULTS
    columns = batch.feature_columns()
    for row in np.flatnonzero(refused).tolist():
        found = np.flatnonzero(wrong_anyhow[row]).tolist()
        named = found if left >= len(found) else found[:1]
        left -= len(named)
        faults[places[row]] = [
            cell_fault(places[row], features[at], cells[at][row])
            if wrong_types[row, at]
            else value_fault(places[row], features[at], columns[at].item(row))
            for at in named
        ]
    kept = np.array(places, np.intp)[~refused]
    return SiftedRows(batch.take(~refused) if refused.any() else batch, kept, faults)


def _lists(features: Sequence[Feature], cells: Sequence[Sequence[Any]]) -> Any:
    """Arrays hold no value of another type than their own."""
    for feature, values in zip(features, cells, strict=True):
        yield feature, [] if isinstance(values, np.ndarray) else values
