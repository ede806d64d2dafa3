"""Who changed what, and when: the rows that each change leaves."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, select, update

from gateway.control.tables import audit


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change: `revision` is the one that holds it, `at` in seconds since 1970."""

    id: int
    at: float
    actor: str
    action: str
    target: str
    before: Any
    after: Any
    revision: int


def newest(connection: Connection, limit: int) -> list[AuditEntry]:
    """So many of the newest entries, the oldest of them first."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    return [_entry(row) for row in reversed(connection.execute(query).all())]


def claim_unlogged(engine: Engine) -> list[AuditEntry]:
    """Entries that no service has logged yet; each is handed out once."""
    with engine.connect() as connection:
        if not connection.execute(select(audit.c.id).where(~audit.c.logged).limit(1)).first():
            return []
    claim = update(audit).where(~audit.c.logged).values(logged=True).returning(audit)
    with engine.begin() as connection:
        return sorted(map(_entry, connection.execute(claim)), key=lambda entry: entry.id)


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        row.id, row.at, row.actor, row.action, row.target, row.before, row.after, row.revision
    )
