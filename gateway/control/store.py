"""The only code that writes the control store.

Every change bumps the revision and leaves an audit row, in one transaction with the change:
what was reported as done is there after a crash, and nothing is there that no row explains.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, false, func, insert, select, update

from gateway.control import deployments
from gateway.control.change import Change, ControlError
from gateway.control.tables import (
    audit,
    client_secrets,
    model_deployments,
    model_promotions,
    model_versions,
    partners,
    revocations,
    signing_keys,
)

MAX_LIVE_SECRETS = 2
LAST_USED_RESOLUTION_S = 60.0


@dataclass(frozen=True, slots=True)
class Partner:
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


@dataclass(frozen=True, slots=True)
class AuditEntry:
    id: int
    at: float
    actor: str
    action: str
    target: str
    before: Any
    after: Any
    revision: int


class ControlStore:
    """Writes the control store in the name of one actor.

    Every method that changes something returns the revision that holds the change.
    """

    def __init__(self, engine: Engine, *, actor: str, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._actor = actor
        self._clock = clock
        self._held: Connection | None = None

    def written_by(self, actor: str) -> "ControlStore":
        """The same store, written in the name of another actor."""
        return ControlStore(self._engine, actor=actor, clock=self._clock)

    def hold_open(self) -> None:
        """Keep one connection open, from now on or to the file that has taken its place."""
        earlier, self._held = self._held, self._engine.connect()
        if earlier is not None:
            earlier.close()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    # Partners and their secrets

    def create_partner(
        self, name: str, client_id: str, plan: str, scopes: Sequence[str], secret_digest: str | None
    ) -> int:
        """A partner without a secret cannot ask for a token."""
        now = self._clock()
        with self._change("partner_created", name) as change:
            if change.find(partners, partners.c.name == name):
                raise ControlError(f"partner {name} exists already")
            change.run(
                insert(partners).values(
                    name=name,
                    client_id=client_id,
                    plan=plan,
                    scopes=sorted(scopes),
                    enabled=True,
                    created_at=now,
                )
            )
            if secret_digest is not None:
                change.run(_new_secret(name, secret_digest, now))
            change.after = {"client_id": client_id, "plan": plan, "scopes": sorted(scopes)}
        return change.revision

    def set_partner(
        self,
        name: str,
        *,
        plan: str | None = None,
        scopes: Sequence[str] | None = None,
        enabled: bool | None = None,
    ) -> int:
        """Change what is given, keep the rest."""
        with self._change("partner_changed", name) as change:
            row = _partner_row(change.connection, name)
            wanted = {"plan": plan, "scopes": scopes and sorted(scopes), "enabled": enabled}
            values = {key: value for key, value in wanted.items() if value is not None}
            if not values:
                raise ControlError(f"nothing of partner {name} was to be changed")
            change.before = {key: getattr(row, key) for key in values}
            change.after = values
            change.run(update(partners).where(partners.c.name == name).values(**values))
        return change.revision

    def add_secret(self, name: str, secret_digest: str) -> int:
        """Give a partner a second secret, so that it can change over without a lost call."""
        with self._change("partner_secret_added", name) as change:
            _partner_row(change.connection, name)
            if len(_secret_rows(change.connection, name)) >= MAX_LIVE_SECRETS:
                raise ControlError(
                    f"partner {name} has {MAX_LIVE_SECRETS} secrets already: retire one first"
                )
            statement = _new_secret(name, secret_digest, self._clock())
            change.run(statement)
            change.after = {"secret": statement.compile().params["id"]}
        return change.revision

    def retire_secret(self, name: str, secret_id: str) -> int:
        with self._change("partner_secret_retired", name) as change:
            _partner_row(change.connection, name)
            rows = _secret_rows(change.connection, name)
            if secret_id not in {row.id for row in rows}:
                known = ", ".join(row.id for row in rows) or "none"
                raise ControlError(f"partner {name} has no secret {secret_id} (it has: {known})")
            change.run(delete(client_secrets).where(client_secrets.c.id == secret_id))
            change.before = {"secret": secret_id}
        return change.revision

    def partner(self, name: str) -> Partner:
        with self._engine.connect() as connection:
            return _partner(_partner_row(connection, name))

    def partners(self) -> list[Partner]:
        with self._engine.connect() as connection:
            rows = connection.execute(select(partners).order_by(partners.c.name)).all()
        return [_partner(row) for row in rows]

    def secrets_of(self, name: str) -> list[SecretFacts]:
        with self._engine.connect() as connection:
            rows = _secret_rows(connection, name)
        return [SecretFacts(row.id, row.created_at, row.last_used_at) for row in rows]

    def note_secret_used(self, secret_id: str) -> None:
        """Remember, to the minute, when a secret was last used. No change of revision."""
        now = self._clock()
        recently = now - LAST_USED_RESOLUTION_S
        last_used_at = client_secrets.c.last_used_at
        with self._engine.begin() as connection:
            connection.execute(
                update(client_secrets)
                .where(client_secrets.c.id == secret_id)
                .where(last_used_at.is_(None) | (last_used_at < recently))
                .values(last_used_at=now)
            )

    # Signing keys

    def add_key(self, kid: str, algorithm: str, public_jwk: dict[str, str], state: str) -> int:
        with self._change("key_added", kid) as change:
            if change.find(signing_keys, signing_keys.c.kid == kid):
                raise ControlError(f"key {kid} exists already")
            change.run(
                insert(signing_keys).values(
                    kid=kid,
                    algorithm=algorithm,
                    public_jwk=public_jwk,
                    state=state,
                    created_at=self._clock(),
                )
            )
            change.after = {"algorithm": algorithm, "state": state}
        return change.revision

    def activate_key(self, kid: str) -> int:
        """Let this key sign; the one that did only verifies from now on."""
        with self._change("key_activated", kid) as change:
            if self._require_key(change, kid).state == "active":
                raise ControlError(f"key {kid} signs already")
            active = signing_keys.c.state == "active"
            row = change.find(signing_keys, active)
            change.before = {"active": row.kid} if row else None
            change.run(update(signing_keys).where(active).values(state="retiring"))
            change.run(update(signing_keys).where(signing_keys.c.kid == kid).values(state="active"))
        return change.revision

    def retire_key(self, kid: str) -> int:
        """Forget a key: tokens it signed are refused from now on."""
        with self._change("key_retired", kid) as change:
            row = self._require_key(change, kid)
            if row.state == "active":
                raise ControlError(f"key {kid} signs: rotate first, then retire it")
            change.before = {"state": row.state}
            change.run(delete(signing_keys).where(signing_keys.c.kid == kid))
        return change.revision

    def signing_keys(self) -> list[Row[Any]]:
        """All keys, oldest first."""
        with self._engine.connect() as connection:
            query = select(signing_keys).order_by(signing_keys.c.created_at)
            return list(connection.execute(query))

    def ever_had_key(self, kid: str) -> bool:
        """Whether it has been published, though it may be retired since."""
        added = (audit.c.action == "key_added") & (audit.c.target == kid)
        with self._engine.connect() as connection:
            return connection.execute(select(audit.c.id).where(added)).first() is not None

    def key_replaced_at(self, kid: str) -> float | None:
        """When another key took over from this one; None if none ever did."""
        query = select(audit).where(audit.c.action == "key_activated").order_by(audit.c.id.desc())
        with self._engine.connect() as connection:
            for row in connection.execute(query):
                if (row.before or {}).get("active") == kid:
                    at: float = row.at
                    return at
        return None

    @staticmethod
    def _require_key(change: Change, kid: str) -> Row[Any]:
        row = change.find(signing_keys, signing_keys.c.kid == kid)
        if row is None:
            raise ControlError(f"there is no key {kid} (see: gateway key list)")
        return row

    # Revocations

    def revoke_token(self, jti: str, expires_at: float) -> int:
        return self._revoke("jti", jti, None, expires_at)

    def note_token_issued(self, partner: str, jti: str, expires_at: float) -> int:
        """Leave an audit row for a token that an operator issued."""
        with self._change("token_issued", partner) as change:
            change.after = {"jti": jti, "expires_at": expires_at}
        return change.revision

    def revoke_client(self, client_id: str, issued_before: float, expires_at: float) -> int:
        return self._revoke("client", client_id, issued_before, expires_at)

    def revoke_all(self, issued_before: float, expires_at: float) -> int:
        return self._revoke("all", "", issued_before, expires_at)

    def _revoke(
        self, kind: str, subject: str, issued_before: float | None, expires_at: float
    ) -> int:
        now = self._clock()
        with self._change("tokens_revoked", f"{kind}:{subject}" if subject else kind) as change:
            # Rows that no living token can match only make every snapshot larger.
            change.run(delete(revocations).where(revocations.c.expires_at < now))
            change.run(
                insert(revocations).values(
                    kind=kind,
                    subject=subject,
                    issued_before=issued_before,
                    expires_at=expires_at,
                    created_at=now,
                )
            )
            change.after = {"issued_before": issued_before, "expires_at": expires_at}
        return change.revision

    # Models

    def add_model_version(
        self,
        name: str,
        version: str,
        manifest_digest: str,
        *,
        notes: Mapping[str, Any] | None = None,
    ) -> int:
        """Make a version known. `notes` go to the audit: what was trusted to add it, say."""
        with self._change("model_version_added", f"{name}/{version}") as change:
            if change.find(model_versions, _is_version(name, version)):
                raise ControlError(f"version {version} of model {name} exists already")
            change.run(
                insert(model_versions).values(
                    name=name,
                    version=version,
                    manifest_digest=manifest_digest,
                    added_by=self._actor,
                    added_at=self._clock(),
                )
            )
            change.after = {"manifest_digest": manifest_digest, **(notes or {})}
        return change.revision

    def promote_model(self, name: str, version: str, keep_s: float) -> int:
        """Make a version current; the one before stays reachable by its version for `keep_s`."""
        with self._change("model_promoted", name) as change:
            deployments.promote(change, name, version, keep_s)
        return change.revision

    def rollback_model(self, name: str) -> int:
        """Go back to the version promoted before; the current one leaves service."""
        with self._change("model_rolled_back", name) as change:
            deployments.roll_back(change, name)
        return change.revision

    def set_canary(self, name: str, version: str, percent: float) -> int:
        """Let a version answer this share of the partners, always the same ones."""
        with self._change("canary_set", name) as change:
            deployments.set_canary(change, name, version, percent)
        return change.revision

    def end_canary(self, name: str) -> int:
        with self._change("canary_ended", name) as change:
            deployments.end_role(change, name, deployments.CANARY)
        return change.revision

    def set_shadow(self, name: str, version: str) -> int:
        """Let a version answer copies of the requests, to be compared."""
        with self._change("shadow_set", name) as change:
            deployments.set_shadow(change, name, version)
        return change.revision

    def end_shadow(self, name: str) -> int:
        with self._change("shadow_ended", name) as change:
            deployments.end_role(change, name, deployments.SHADOW)
        return change.revision

    def retire_model(self, name: str, version: str, sunset_at: float) -> int:
        """Let a version answer only those who name it, until its sunset."""
        with self._change("model_retired", f"{name}/{version}") as change:
            deployments.retire(change, name, version, sunset_at)
        return change.revision

    def withdraw_model(self, name: str, sunset_at: float) -> int:
        """Take a model out of service at its sunset, with all its versions."""
        with self._change("model_withdrawn", name) as change:
            deployments.withdraw(change, name, sunset_at)
        return change.revision

    def unload_model(self, name: str) -> int:
        """Take a model out of service at once; `last_promoted` is where it returns to."""
        with self._change("model_unloaded", name) as change:
            deployments.unload(change, name)
        return change.revision

    def last_promoted(self, name: str) -> str | None:
        """The version that was made current last."""
        promoted = model_promotions.c
        query = select(promoted.version).where(promoted.name == name)
        with self._engine.connect() as connection:
            version: str | None = connection.scalar(query.order_by(promoted.id.desc()).limit(1))
        return version

    def model_versions(self) -> list[Row[Any]]:
        """All versions known, each with `role`, `percent`, `deprecated_at` and `sunset_at`.

        These are None for a version that is not in service, or no longer; `active` is the role
        current.
        """
        deployed = model_deployments.c
        now = self._clock()
        lasting = (deployed.sunset_at.is_(None)) | (deployed.sunset_at > now)
        in_service = lasting | deployed.role.in_((deployments.CANARY, deployments.SHADOW))
        joined = model_versions.outerjoin(
            model_deployments,
            (deployed.name == model_versions.c.name)
            & (deployed.version == model_versions.c.version)
            & in_service,
        )
        facts = (
            deployed.role,
            deployed.percent,
            deployed.deprecated_at,
            deployed.sunset_at,
            func.coalesce(deployed.role == deployments.CURRENT, false()).label("active"),
        )
        order = (model_versions.c.name, model_versions.c.added_at)
        query = select(model_versions, *facts).select_from(joined).order_by(*order)
        with self._engine.connect() as connection:
            return list(connection.execute(query))

    # Audit

    def audit_entries(self, limit: int) -> list[AuditEntry]:
        """The newest entries, oldest of them first."""
        query = select(audit).order_by(audit.c.id.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [_audit_entry(row) for row in reversed(connection.execute(query).all())]

    def claim_unlogged_audit(self) -> list[AuditEntry]:
        """Audit entries that no service has logged yet; each is handed out once."""
        with self._engine.connect() as connection:
            if not connection.execute(select(audit.c.id).where(~audit.c.logged).limit(1)).first():
                return []
        claim = update(audit).where(~audit.c.logged).values(logged=True).returning(audit)
        with self._engine.begin() as connection:
            return sorted(map(_audit_entry, connection.execute(claim)), key=lambda entry: entry.id)

    @contextmanager
    def _change(self, action: str, target: str) -> Iterator[Change]:
        with self._engine.begin() as connection:
            change = Change(connection, self._clock())
            yield change
            change.finish(self._actor, action, target)


def _new_secret(partner: str, digest: str, now: float) -> Any:
    secret_id = secrets.token_hex(4)
    return insert(client_secrets).values(
        id=secret_id, partner=partner, digest=digest, created_at=now
    )


def _is_version(name: str, version: str) -> Any:
    return (model_versions.c.name == name) & (model_versions.c.version == version)


def _partner_row(connection: Connection, name: str) -> Row[Any]:
    row = connection.execute(select(partners).where(partners.c.name == name)).first()
    if row is None:
        raise ControlError(f"there is no partner {name} (see: gateway partner list)")
    return row


def _secret_rows(connection: Connection, partner: str) -> Sequence[Row[Any]]:
    query = select(client_secrets).where(client_secrets.c.partner == partner)
    return connection.execute(query.order_by(client_secrets.c.created_at)).all()


def _partner(row: Row[Any]) -> Partner:
    return Partner(
        row.name, row.client_id, row.plan, tuple(row.scopes), row.enabled, row.created_at
    )


def _audit_entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        row.id, row.at, row.actor, row.action, row.target, row.before, row.after, row.revision
    )
