"""What happened between two revisions, as the audit tells it."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from gateway.control.tables import audit

# These touch revocations and nothing else that a snapshot holds.
_REVOKING = frozenset({"tokens_revoked", "token_issued"})
# After so many changes it is no more work to read everything.
_MOST_CHANGES = 1000


@dataclass(frozen=True, slots=True)
class Mark:
    """One audit row: the last one of a history, and by its time that of no other history."""

    id: int
    at: float
    revision: int


def last_mark(connection: Connection) -> Mark | None:
    """None where nothing has been changed yet."""
    query = select(audit.c.id, audit.c.at, audit.c.revision).order_by(audit.c.id.desc()).limit(1)
    row = connection.execute(query).first()
    return Mark(*row) if row is not None else None


def only_revoked_since(connection: Connection, mark: Mark | None, revision: int) -> bool:
    """Whether from this mark to this revision tokens were revoked, and nothing else was done.

    Every change has its audit row, in its own transaction. A store that was restored from a backup
    does not have the mark, or not all revisions after it.
    """
    if mark is None:
        return False
    columns = (audit.c.id, audit.c.at, audit.c.revision, audit.c.action)
    query = select(*columns).where(audit.c.id >= mark.id).order_by(audit.c.id)
    rows = connection.execute(query.limit(_MOST_CHANGES)).all()
    if not rows or Mark(*rows[0][:3]) != mark:
        return False
    found = [row.revision for row in rows[1:]]
    whole = found == list(range(mark.revision + 1, revision + 1))
    return whole and all(row.action in _REVOKING for row in rows[1:])
