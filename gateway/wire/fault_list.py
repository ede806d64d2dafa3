"""Collecting what is wrong with the rows of a body."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from model import MAX_FAULTS, Batch, Contract, Fault, InvalidInput

# Counting three million faults takes a worker longer than a request may.
_MAX_COUNTED = 10_000


class FaultList:
    """Faults up to the cap, and the number of all; gives up when there are very many."""

    def __init__(self) -> None:
        self.found: list[Fault] = []
        self.count = 0

    def add(
        self, row: int | None, feature: str | None, code: str, found: str, expected: str
    ) -> None:
        """Note a fault. Raises InvalidInput when it is one too many to go on."""
        self.count += 1
        if len(self.found) < MAX_FAULTS:
            self.found.append(Fault(row, feature, code, found, expected))
        elif self.count == _MAX_COUNTED:
            self.refuse()

    def merge(self, other: InvalidInput, rows: Sequence[int]) -> None:
        """Add the faults of a batch that was made of these rows."""
        moved = [
            replace(fault, row=None if fault.row is None else rows[fault.row])
            for fault in other.faults
        ]
        # In the order of the rows; those that concern no single row first.
        self.found.extend(moved)
        self.found.sort(key=lambda fault: -1 if fault.row is None else fault.row)
        del self.found[MAX_FAULTS:]
        self.count = min(self.count + other.fault_count, _MAX_COUNTED)

    def batch_of_rows(
        self, rows: Sequence[Sequence[Any]], numbers: Sequence[int], contract: Contract
    ) -> Batch:
        """The batch of these rows; `numbers` are their places in the body.

        Raises: InvalidInput, with what is wrong with them and what was noted before.
        """
        return self._batch(partial(contract.batch_from_rows, rows), numbers, contract)

    def batch_of_cells(
        self, cells: Sequence[Sequence[Any]], numbers: Sequence[int], contract: Contract
    ) -> Batch:
        """The same from the values of each feature in turn."""
        return self._batch(partial(contract.batch_from_cells, cells), numbers, contract)

    def _batch(
        self, make: Callable[[], Batch], numbers: Sequence[int], contract: Contract
    ) -> Batch:
        if not numbers:
            self.refuse()
        try:
            batch = make()
            if self.count:
                # Ranges are the contract's to check: what is wrong with them is said with the rest.
                contract.check(batch)
        except InvalidInput as exc:
            self.merge(exc, numbers)
        self.refuse()
        return batch

    def refuse(self) -> None:
        """Raise InvalidInput if there are any."""
        if self.count:
            raise InvalidInput(tuple(self.found), self.count)
