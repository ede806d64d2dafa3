"""Interleaved rounds: machines drift, so every entrant has its turn in every round."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.cells import AnyEntrant, Cell
from bench.load import Measured
from bench.processes import await_quiet


@dataclass(frozen=True)
class Row:
    """An entrant's rounds of one cell."""

    entrant: str
    rounds: tuple[Measured, ...]
    body_bytes: int

    @property
    def requests_per_s(self) -> float:
        return statistics.median(one.requests_per_s for one in self.rounds)

    @property
    def spread(self) -> tuple[float, float]:
        rates = [one.requests_per_s for one in self.rounds]
        return min(rates), max(rates)

    @property
    def p50_ms(self) -> float:
        return statistics.median(one.p50_ms for one in self.rounds)

    @property
    def p99_ms(self) -> float:
        return statistics.median(one.p99_ms for one in self.rounds)

    @property
    def failed(self) -> int:
        return sum(one.refused + one.broken for one in self.rounds)

    def ratios(self, to: "Row") -> tuple[float, float, float]:
        """This one's rate over the other's, round by round: median, least, most."""
        found = [
            mine.requests_per_s / theirs.requests_per_s if theirs.requests_per_s else float("inf")
            for mine, theirs in zip(self.rounds, to.rounds, strict=True)
        ]
        return statistics.median(found), min(found), max(found)


@dataclass(frozen=True)
class Pace:
    """How long a run measures.

    Args:
        seconds: of each turn.
        large_seconds: of each turn in a cell of large requests.
        warm_up_s: how long each entrant is asked before, which is not counted.
    """

    rounds: int
    seconds: float
    large_seconds: float
    warm_up_s: float

    def __str__(self) -> str:
        return (
            f"{self.rounds} rounds of {self.seconds:g} s, with 10,000 rows {self.large_seconds:g} s"
        )

    def of(self, cell: Cell) -> float:
        return self.large_seconds if cell.large else self.seconds


def run(
    cell: Cell, entrants: Sequence[AnyEntrant], pace: Pace, say: Callable[[str], None]
) -> list[Row]:
    """Warm everybody up, then measure everybody in every round."""
    say(f"{cell.name}: warming up {len(entrants)}")
    for one in entrants:
        one.measure(cell.connections, pace.warm_up_s)
    found: dict[str, list[Measured]] = {one.name: [] for one in entrants}
    for number in range(pace.rounds):
        say(f"{cell.name}: round {number + 1} of {pace.rounds}")
        for one in entrants:
            # Nobody's turn begins while a server still works on what was asked of it before.
            await_quiet()
            found[one.name].append(one.measure(cell.connections, pace.of(cell)))
    return [Row(one.name, tuple(found[one.name]), one.body_bytes) for one in entrants]
