"""The project's own bars, each judged on the rows and facts of one run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.cells import EMPTY, FLOORS, OURS, READ, SAME_DOOR
from bench.rounds import Row

Table = Mapping[str, Sequence[Row]]
Facts = Mapping[str, float]
Judge = Callable[[Table], float | None]


@dataclass(frozen=True)
class Verdict:
    """One bar: what was wanted, what was found (None where the run did not measure it)."""

    what: str
    wanted: float
    found: float | None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        if self.found is None:
            return None
        return self.found <= self.wanted if self.at_most else self.found >= self.wanted


def _peers(rows: Sequence[Row], *, same_door: bool) -> list[Row]:
    return [
        row
        for row in rows
        if not row.entrant.startswith((OURS, *FLOORS))
        and row.entrant.endswith(SAME_DOOR) == same_door
    ]


def _named(rows: Sequence[Row], name: str) -> Row | None:
    return next((row for row in rows if row.entrant == name), None)


def _ratio(ours: Row | None, other: Row | None) -> float | None:
    return None if ours is None or other is None else ours.ratios(other)[0]


def _best(rows: Sequence[Row]) -> Row | None:
    return max(rows, key=lambda row: row.requests_per_s, default=None)


def _over_best(cell: str, *, same_door: bool, ours: str = OURS) -> Judge:
    def found(table: Table) -> float | None:
        rows = table.get(cell, ())
        return _ratio(_named(rows, ours), _best(_peers(rows, same_door=same_door)))

    return found


def _over(cell: str, other: str, ours: str = OURS) -> Judge:
    def found(table: Table) -> float | None:
        rows = table.get(cell, ())
        return _ratio(_named(rows, ours), _named(rows, other))

    return found


def _p99(table: Table) -> float | None:
    rows = table.get("logistic, 1 row", ())
    ours, bare = _named(rows, OURS), _named(rows, "bare" + SAME_DOOR)
    return None if ours is None or bare is None else bare.p99_ms / ours.p99_ms


_EMPTY = EMPTY + SAME_DOOR
_READ = READ + SAME_DOOR
_COMPRESSED = "logistic, 10,000 rows compressed"
_BINARY = "logistic, 10,000 rows binary"

_BARS: tuple[tuple[str, float, Judge], ...] = (
    ("1 row, logistic: best peer", 1.0, _over_best("logistic, 1 row", same_door=False)),
    ("… best peer, same door", 1.3, _over_best("logistic, 1 row", same_door=True)),
    ("… empty Flask view, same door", 0.75, _over("logistic, 1 row", _EMPTY)),
    ("… p99: bare app's over ours, same door", 1.0, _p99),
    ("1 row, forest: best peer", 6.0, _over_best("forest, 1 row", same_door=False)),
    ("1 row, boosting: best peer", 2.0, _over_best("boosting, 1 row", same_door=False)),
    ("100 rows, logistic: best peer", 1.0, _over_best("logistic, 100 rows", same_door=False)),
    ("… best peer, same door", 1.3, _over_best("logistic, 100 rows", same_door=True)),
    ("10,000 rows JSON: best peer", 2.5, _over_best("logistic, 10,000 rows", same_door=False)),
    ("… best peer, same door", 4.0, _over_best("logistic, 10,000 rows", same_door=True)),
    ("… view that reads, same door", 0.6, _over("logistic, 10,000 rows", _READ)),
    (
        "10,000 rows gzip: MLServer's gzip",
        4.0,
        _over(_COMPRESSED, "mlserver, gzip", f"{OURS}, gzip"),
    ),
    ("… zstd: our plain JSON", 1.0, _over(_COMPRESSED, f"{OURS}, plain", f"{OURS}, zstd")),
    ("10,000 rows binary: KServe's JSON", 6.0, _over(_BINARY, "kserve, JSON", f"{OURS}, tensor")),
    ("… view that reads, same door", 0.65, _over(_BINARY, _READ, f"{OURS}, tensor")),
)


# What it is, the name of the fact, the bar, and whether it is the most or the least.
_OF_OUR_STACK = (
    ("forest of 10 ms: over in-process predict", "slow-forest_ratio", 1.10, True),
    ("neighbours of 10 ms: over in-process predict", "neighbours_ratio", 1.10, True),
    ("idle, MB: nginx, 2 workers, tokens, Redis", "idle_mb", 300.0, True),
    ("… one more worker, MB", "one_more_worker_mb", 60.0, True),
    ("… copies of a 500 MB forest in 2 workers", "forest_copies", 1.2, True),
    ("start to ready, s", "ready_s", 2.0, True),
    ("3x capacity offered: goodput over its peak", "goodput_share", 0.9, False),
    ("… refusals, p99 ms", "refused_p99_ms", 50.0, True),
    ("… answers other than 200, 429, 503", "other_statuses", 0.0, True),
)


def judge(table: Table, facts: Facts) -> list[Verdict]:
    """Every bar, in the order of the table."""
    of_cells = [Verdict(what, wanted, found(table)) for what, wanted, found in _BARS]
    of_stack = [
        Verdict(what, wanted, facts.get(fact), at_most)
        for what, fact, wanted, at_most in _OF_OUR_STACK
    ]
    return of_cells + of_stack
