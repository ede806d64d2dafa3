"""Public halves of signing keys, and which of them signs. Each change is a part of a `Change`.

staged: published, not yet signing; active: signs; retiring: verifies only.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from gateway.control.change import Change, ControlError
from gateway.control.tables import audit, signing_keys

_columns = signing_keys.c


def add(
    change: Change, kid: str, algorithm: str, public_jwk: Mapping[str, str], state: str
) -> None:
    """Publish a key."""
    if change.find(signing_keys, _columns.kid == kid):
        raise ControlError(f"key {kid} exists already")
    facts = {"algorithm": algorithm, "state": state}
    change.run(
        insert(signing_keys).values(
            kid=kid, public_jwk=dict(public_jwk), created_at=change.now, **facts
        )
    )
    change.after = facts


def activate(change: Change, kid: str) -> None:
    """Let this key sign; the one that did only verifies from now on."""
    if _require(change, kid).state == "active":
        raise ControlError(f"key {kid} signs already")
    active = _columns.state == "active"
    row = change.find(signing_keys, active)
    change.before = {"active": row.kid} if row else None
    change.run(update(signing_keys).where(active).values(state="retiring"))
    change.run(update(signing_keys).where(_columns.kid == kid).values(state="active"))


def retire(change: Change, kid: str) -> None:
    """Forget a key: tokens it signed are refused from now on."""
    row = _require(change, kid)
    if row.state == "active":
        raise ControlError(f"key {kid} signs: rotate first, then retire it")
    change.before = {"state": row.state}
    change.run(delete(signing_keys).where(_columns.kid == kid))


def all_keys(connection: Connection) -> list[Row[Any]]:
    """The oldest first."""
    return list(connection.execute(select(signing_keys).order_by(_columns.created_at)))


def ever_added(connection: Connection, kid: str) -> bool:
    """Whether it has been published, though it may be retired since."""
    added = (audit.c.action == "key_added") & (audit.c.target == kid)
    return connection.execute(select(audit.c.id).where(added)).first() is not None


def replaced_at(connection: Connection, kid: str) -> float | None:
    """When another key took over from this one; None if none ever did."""
    query = select(audit).where(audit.c.action == "key_activated").order_by(audit.c.id.desc())
    for row in connection.execute(query):
        if (row.before or {}).get("active") == kid:
            at: float = row.at
            return at
    return None


def _require(change: Change, kid: str) -> Row[Any]:
    row = change.find(signing_keys, _columns.kid == kid)
    if row is None:
        raise ControlError(f"there is no key {kid} (see: gateway key list)")
    return row
