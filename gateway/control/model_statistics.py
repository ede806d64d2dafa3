"""How often each partner asked a version of a model, and how long that took, over all workers."""

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Engine, select

from gateway.control.status_database import model_statistics
from gateway.control.sums import add_sums

LAST_INFERENCE_MS = "last_inference_ms"


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked what."""

    partner: str
    model: str
    version: str


def add_measure(sums: MutableMapping[str, float], measure: str, value: float) -> None:
    """Into sums by measure; of the last time, the later one."""
    before = sums.get(measure, 0.0)
    sums[measure] = max(before, value) if measure == LAST_INFERENCE_MS else before + value


def add_model_statistics(engine: Engine, sums: Mapping[Asked, Mapping[str, float]]) -> None:
    """Add to what is kept; all of it or, on an error, nothing. The last time is not added."""
    with engine.begin() as connection:
        for asked, measures in sums.items():
            add_sums(
                connection, model_statistics, asdict(asked), measures, latest=[LAST_INFERENCE_MS]
            )


def model_statistics_of(
    engine: Engine, model: str, partner: str | None
) -> dict[str, dict[str, float]]:
    """Sums by version and measure, of one partner or of all."""
    table = model_statistics
    query = select(table).where(table.c.model == model)
    if partner is not None:
        query = query.where(table.c.partner == partner)
    with engine.connect() as connection:
        return _summed(connection.execute(query))


def _summed(rows: Iterable[Any]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        add_measure(found.setdefault(row.version, {}), row.measure, row.value)
    return found
