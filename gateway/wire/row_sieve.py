"""Keeping the good rows of a body where the caller asked for that: `?on_error=row`."""

from collections.abc import Sequence
from typing import Any

from gateway.wire.fault_list import FaultList
from model import Batch, Contract, Fault, SiftedRows

_MOST_FAULTS_PER_ROW = 10
# In all; from then on one for each row, as the model's own sieve has it. Of a row of 50 wrong names
# the answer would be a thousand times what was sent.
MOST_FAULTS = 10_000


class RowSieve(FaultList):
    """What is wrong with a row is noted with it; what concerns no single row refuses the call."""

    def __init__(self) -> None:
        super().__init__()
        self.by_row: dict[int, list[Fault]] = {}
        self._left = MOST_FAULTS
        self._sifted: SiftedRows | None = None

    def add(
        self, row: int | None, feature: str | None, code: str, found: str, expected: str
    ) -> None:
        """Note a fault of a row, or of the call."""
        if row is None:
            super().add(row, feature, code, found, expected)
            return
        noted = self.by_row.setdefault(row, [])
        if noted and code == "not_a_row":
            # What stands in its place is not the caller's.
            return
        if not noted or (len(noted) < _MOST_FAULTS_PER_ROW and self._left > 0):
            self._left -= 1
            noted.append(Fault(row, feature, code, found, expected))

    def batch_of_rows(
        self, rows: Sequence[Sequence[Any]], numbers: Sequence[int], contract: Contract
    ) -> Batch:
        """The good ones of these rows."""
        cells = list(zip(*rows, strict=True)) if rows else [()] * len(contract.features)
        return self.batch_of_cells(cells, numbers, contract)

    def batch_of_cells(
        self, cells: Sequence[Sequence[Any]], numbers: Sequence[int], contract: Contract
    ) -> Batch:
        """The good ones of these rows."""
        self.refuse()
        good = [at for at, number in enumerate(numbers) if number not in self.by_row]
        if len(good) < len(numbers):
            cells = [[values[at] for at in good] for values in cells]
        self._sifted = contract.sift_cells(cells, [numbers[at] for at in good])
        return self._sifted.batch

    def sifted(self, batch: Batch, contract: Contract) -> SiftedRows:
        """The rows of the body, once it was read as this batch."""
        # Numbers alone reach the batch without a look at the cells.
        sifted = self._sifted or contract.sift(batch)
        if not self.by_row:
            return sifted
        faults = {**sifted.faults, **self.by_row}
        return SiftedRows(sifted.batch, sifted.kept, dict(sorted(faults.items())))
