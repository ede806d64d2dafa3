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


def run(
    cell: Cell,
    entrants: Sequence[Entrant],
    *,
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> list[Row]:
    """Measure every entrant in every round; the first moments of each are not counted."""
    found: dict[str, list[Measured]] = {one.name: [] for one in entrants}
    for number in range(rounds):
        say(f"{cell.name}: round {number + 1} of {rounds}")
        for one in entrants:
            url = one.url + one.payload.path
            call = (url, one.payload.body, one.payload.headers)
            if not number:
                measure(*call, connections=cell.connections, seconds=1)
            found[one.name].append(measure(*call, connections=cell.connections, seconds=seconds))
    return [Row(one.name, tuple(found[one.name]), len(one.payload.body)) for one in entrants]
