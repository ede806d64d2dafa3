"""How often each partner asked a version of a model, and how long that took: sums over all workers.

They outlive workers, as the sums of shadow versions do, and may be lost with the status database.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, case, insert, select, update

from gateway.control.status_database import model_statistics

LAST_INFERENCE_MS = "last_inference_ms"


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked what."""

    partner: str
    model: str
    version: str


def add_model_statistics(engine: Engine, sums: Mapping[Asked, Mapping[str, float]]) -> None:
    """Add to what is kept; all of it or, on an error, nothing. The last time is not added."""
    with engine.begin() as connection:
        for asked, measures in sums.items():
            for measure, value in measures.items():
                _add(connection, asked, measure, value)


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


def _summed(rows: Iterable[object]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        measures = found.setdefault(row.version, {})  # type: ignore[attr-defined]  # A row's column.
        measure, value = row.measure, row.value  # type: ignore[attr-defined]
        before = measures.get(measure, 0.0)
        measures[measure] = max(before, value) if measure == LAST_INFERENCE_MS else before + value
    return found


def _add(connection: Connection, asked: Asked, measure: str, value: float) -> None:
    columns = model_statistics.c
    key = {
        "partner": asked.partner,
        "model": asked.model,
        "version": asked.version,
        "measure": measure,
    }
    own = update(model_statistics).where(*[columns[name] == key[name] for name in key])
    # In the statement: other workers add to the same row.
    later = case((columns.value > value, columns.value), else_=value)
    changed = later if measure == LAST_INFERENCE_MS else columns.value + value
    if connection.execute(own.values(value=changed)).rowcount == 0:
        connection.execute(insert(model_statistics).values(**key, value=value))
