"""Collecting what is wrong with the rows of a body."""

from collections.abc import Sequence
from dataclasses import replace

from model import MAX_FAULTS, Fault, InvalidInput

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

    def refuse(self) -> None:
        """Raise InvalidInput if there are any."""
        if self.count:
            raise InvalidInput(tuple(self.found), self.count)
