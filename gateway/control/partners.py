"""Partners and their client secrets: what is kept of them, and the rules of changing it.

Each function that takes a `Change` is a part of one.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from gateway.control.change import Change, ControlError
from gateway.control.tables import client_secrets, partners

MAX_LIVE_SECRETS = 2
LAST_USED_RESOLUTION_S = 60.0


@dataclass(frozen=True, slots=True)
class Partner:
    """Who may call. `created_at` is in seconds since 1970, as all times here."""

    name: str
    client_id: str
    plan: str
    scopes: tuple[str, ...]
    enabled: bool
    created_at: float


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """What may be shown of a client secret: never the secret, nor its digest."""

    id: str
    created_at: float
    last_used_at: float | None


def create(  # noqa: PLR0913, PLR0917  # What a partner is made of.
    change: Change,
    name: str,
    client_id: str,
    plan: str,
    scopes: Sequence[str],
    secret_digest: str | None,
) -> None:
    """A partner without a secret cannot ask for a token."""
    if change.find(partners, partners.c.name == name):
        raise ControlError(f"partner {name} exists already")
    facts = {"client_id": client_id, "plan": plan, "scopes": sorted(scopes)}
    change.run(insert(partners).values(name=name, enabled=True, created_at=change.now, **facts))
    if secret_digest is not None:
        _insert_secret(change, name, secret_digest)
    change.after = facts


def alter(
    change: Change,
    name: str,
    plan: str | None,
    scopes: Sequence[str] | None,
    enabled: bool | None,
) -> None:
    """Change what is given, keep the rest."""
    row = _row(change.connection, name)
    wanted = {"plan": plan, "scopes": scopes and sorted(scopes), "enabled": enabled}
    values = {key: value for key, value in wanted.items() if value is not None}
    if not values:
        raise ControlError(f"nothing of partner {name} was to be changed")
    change.before = {key: getattr(row, key) for key in values}
    change.after = values
    change.run(update(partners).where(partners.c.name == name).values(**values))


def add_secret(change: Change, name: str, secret_digest: str) -> None:
    """Give a partner a second secret, so that it can change over without a lost call."""
    _row(change.connection, name)
    if len(_secrets(change.connection, name)) >= MAX_LIVE_SECRETS:
        raise ControlError(
            f"partner {name} has {MAX_LIVE_SECRETS} secrets already: retire one first"
        )
    change.after = {"secret": _insert_secret(change, name, secret_digest)}


def retire_secret(change: Change, name: str, secret_id: str) -> None:
    """Refuse a secret from now on."""
    _row(change.connection, name)
    known = [row.id for row in _secrets(change.connection, name)]
    if secret_id not in known:
        has = ", ".join(known) or "none"
        raise ControlError(f"partner {name} has no secret {secret_id} (it has: {has})")
    change.run(delete(client_secrets).where(client_secrets.c.id == secret_id))
    change.before = {"secret": secret_id}


def note_secret_used(connection: Connection, secret_id: str, now: float) -> None:
    """Remember, to the minute, when a secret was last used."""
    last_used_at = client_secrets.c.last_used_at
    connection.execute(
        update(client_secrets)
        .where(client_secrets.c.id == secret_id)
        .where(last_used_at.is_(None) | (last_used_at < now - LAST_USED_RESOLUTION_S))
        .values(last_used_at=now)
    )


def partner(connection: Connection, name: str) -> Partner:
    """Raises: ControlError, where there is none."""
    return _partner(_row(connection, name))


def all_partners(connection: Connection) -> list[Partner]:
    """By their names."""
    return [_partner(row) for row in connection.execute(select(partners).order_by(partners.c.name))]


def secrets_of(connection: Connection, name: str) -> list[SecretFacts]:
    """The oldest first."""
    rows = _secrets(connection, name)
    return [SecretFacts(row.id, row.created_at, row.last_used_at) for row in rows]


def _row(connection: Connection, name: str) -> Row[Any]:
    row = connection.execute(select(partners).where(partners.c.name == name)).first()
    if row is None:
        raise ControlError(f"there is no partner {name} (see: gateway partner list)")
    return row


def _partner(row: Row[Any]) -> Partner:
    return Partner(
        row.name, row.client_id, row.plan, tuple(row.scopes), row.enabled, row.created_at
    )


def _secrets(connection: Connection, name: str) -> Sequence[Row[Any]]:
    query = select(client_secrets).where(client_secrets.c.partner == name)
    return connection.execute(query.order_by(client_secrets.c.created_at)).all()


def _insert_secret(change: Change, name: str, digest: str) -> str:
    """Keep the digest of a secret; gives the name it can be retired by."""
    secret_id = secrets.token_hex(4)
    change.run(
        insert(client_secrets).values(
            id=secret_id, partner=name, digest=digest, created_at=change.now
        )
    )
    return secret_id
