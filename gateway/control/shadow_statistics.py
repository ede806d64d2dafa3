"""How the answers of shadow versions differ, added up over all workers and their successors."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from sqlalchemy import Engine, select

from gateway.control.status_database import shadow_statistics
from gateway.control.sums import add_sums

BIN = "difference_"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two versions of a model: the one that answered, and its shadow."""

    model: str
    version: str
    shadow: str


@dataclass(frozen=True, slots=True)
class ShadowStatistics:
    """What is known of one pair.

    Attributes:
        calls: calls that were compared; `rows` are theirs.
        disagreeing: rows of them with another answer.
        failed_calls: calls that the shadow could not answer; `failed_rows` are theirs.
        dropped_calls: calls that were not compared, because too many waited.
        answered_s: how long the version took for the calls compared, and `shadow_s` its shadow.
        bins: rows by how far their scores are apart at most, and further than the bin before.
    """

    pair: Pair
    calls: int
    rows: int
    disagreeing: int
    failed_calls: int
    failed_rows: int
    dropped_calls: int
    answered_s: float
    shadow_s: float
    bins: Mapping[float, int]

    @property
    def disagreement(self) -> float | None:
        """The share of rows that were answered otherwise, or not at all; None without rows."""
        rows = self.rows + self.failed_rows
        return (self.disagreeing + self.failed_rows) / rows if rows else None

    @property
    def latency_ratio(self) -> float | None:
        """How many times as long the shadow took."""
        return self.shadow_s / self.answered_s if self.answered_s else None


def add_shadow_statistics(engine: Engine, pair: Pair, measures: Mapping[str, float]) -> None:
    """Add to what is kept of a pair; all of it or, on an error, nothing."""
    with engine.begin() as connection:
        add_sums(connection, shadow_statistics, asdict(pair), measures)


def shadow_statistics_of(engine: Engine, model: str) -> list[ShadowStatistics]:
    """All pairs of a model that were ever compared."""
    table = shadow_statistics
    sums: dict[Pair, dict[str, float]] = {}
    with engine.connect() as connection:
        for row in connection.execute(select(table).where(table.c.model == model)):
            sums.setdefault(Pair(row.model, row.version, row.shadow), {})[row.measure] = row.value
    ordered = sorted(sums, key=lambda pair: (pair.version, pair.shadow))
    return [_statistics(pair, sums[pair]) for pair in ordered]


def _statistics(pair: Pair, sums: Mapping[str, float]) -> ShadowStatistics:
    bins = {
        float(measure.removeprefix(BIN)): int(rows)
        for measure, rows in sums.items()
        if measure.startswith(BIN)
    }
    return ShadowStatistics(
        pair=pair,
        calls=int(sums.get("calls", 0)),
        rows=int(sums.get("rows", 0)),
        disagreeing=int(sums.get("disagreeing", 0)),
        failed_calls=int(sums.get("failed_calls", 0)),
        failed_rows=int(sums.get("failed_rows", 0)),
        dropped_calls=int(sums.get("dropped_calls", 0)),
        answered_s=sums.get("answered_s", 0.0),
        shadow_s=sums.get("shadow_s", 0.0),
        bins=dict(sorted(bins.items())),
    )
