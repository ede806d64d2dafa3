"""Interleaved rounds: machines drift, so every entrant has its turn in every round."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.cells import Cell, Entrant
from bench.load import Measured, measure


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
        warm_up: whether each entrant is asked for a second first, which is not counted.
    """

    rounds: int
    seconds: float
    warm_up: bool


def run(
    cell: Cell, entrants: Sequence[Entrant], pace: Pace, say: Callable[[str], None]
) -> list[Row]:
    """Measure every entrant in every round."""
    found: dict[str, list[Measured]] = {one.name: [] for one in entrants}
    for number in range(pace.rounds):
        say(f"{cell.name}: round {number + 1} of {pace.rounds}")
        for one in entrants:
            url = one.url + one.payload.path
            call = (url, one.payload.body, one.payload.headers)
            if pace.warm_up and not number:
                measure(*call, connections=cell.connections, seconds=1)
            found[one.name].append(
                measure(*call, connections=cell.connections, seconds=pace.seconds)
            )
    return [Row(one.name, tuple(found[one.name]), len(one.payload.body)) for one in entrants]
