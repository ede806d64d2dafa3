"""The only way to change the control store: in the name of one actor, one change at a time.

Every change bumps the revision and leaves an audit row, in one transaction with the change:
what was reported as done is there after a crash, and nothing is there that no row explains.
The rules stand in a file for each subject: `partners`, `signing_keys`, `revocations`, `versions`,
`deployments`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Row

from gateway.control import audit, deployments, partners, revocations, signing_keys, versions
from gateway.control.audit import AuditEntry
from gateway.control.change import Change
from gateway.control.partners import Partner, SecretFacts


class ControlStore:
    """Writes the control store in the name of one actor.

    Every method that changes something returns the revision that holds the change, and raises
    ControlError where it cannot be made.
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
        with self._change("partner_created", name) as change:
            partners.create(change, name, client_id, plan, scopes, secret_digest)
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
            partners.alter(change, name, plan, scopes, enabled)
        return change.revision

    def add_secret(self, name: str, secret_digest: str) -> int:
        """Give a partner a second secret, so that it can change over without a lost call."""
        with self._change("partner_secret_added", name) as change:
            partners.add_secret(change, name, secret_digest)
        return change.revision

    def retire_secret(self, name: str, secret_id: str) -> int:
        """Refuse a secret from now on."""
        with self._change("partner_secret_retired", name) as change:
            partners.retire_secret(change, name, secret_id)
        return change.revision

    def partner(self, name: str) -> Partner:
        """Raises: ControlError, where there is none."""
        with self._engine.connect() as connection:
            return partners.partner(connection, name)

    def partners(self) -> list[Partner]:
        """By their names."""
        with self._engine.connect() as connection:
            return partners.all_partners(connection)

    def secrets_of(self, name: str) -> list[SecretFacts]:
        """The oldest first."""
        with self._engine.connect() as connection:
            return partners.secrets_of(connection, name)

    def note_secret_used(self, secret_id: str) -> None:
        """Remember, to the minute, when a secret was last used. No change of revision."""
        with self._engine.begin() as connection:
            partners.note_secret_used(connection, secret_id, self._clock())

    # Signing keys

    def add_key(self, kid: str, algorithm: str, public_jwk: Mapping[str, str], state: str) -> int:
        """Publish a key."""
        with self._change("key_added", kid) as change:
            signing_keys.add(change, kid, algorithm, public_jwk, state)
        return change.revision

    def activate_key(self, kid: str) -> int:
        """Let this key sign; the one that did only verifies from now on."""
        with self._change("key_activated", kid) as change:
            signing_keys.activate(change, kid)
        return change.revision

    def retire_key(self, kid: str) -> int:
        """Forget a key: tokens it signed are refused from now on."""
        with self._change("key_retired", kid) as change:
            signing_keys.retire(change, kid)
        return change.revision

    def signing_keys(self) -> list[Row[Any]]:
        """All keys, the oldest first."""
        with self._engine.connect() as connection:
            return signing_keys.all_keys(connection)

    def ever_had_key(self, kid: str) -> bool:
        """Whether it has been published, though it may be retired since."""
        with self._engine.connect() as connection:
            return signing_keys.ever_added(connection, kid)

    def key_replaced_at(self, kid: str) -> float | None:
        """When another key took over from this one; None if none ever did."""
        with self._engine.connect() as connection:
            return signing_keys.replaced_at(connection, kid)

    # Tokens

    def note_token_issued(self, partner: str, jti: str, expires_at: float) -> int:
        """Leave an audit row for a token that an operator issued."""
        with self._change("token_issued", partner) as change:
            change.after = {"jti": jti, "expires_at": expires_at}
        return change.revision

    def revoke_token(self, jti: str, expires_at: float) -> int:
        """Refuse one token."""
        return self._revoke("jti", jti, None, expires_at)

    def revoke_client(self, client_id: str, issued_before: float, expires_at: float) -> int:
        """Refuse what was issued to a client until then."""
        return self._revoke("client", client_id, issued_before, expires_at)

    def revoke_all(self, issued_before: float, expires_at: float) -> int:
        """Refuse what was issued until then."""
        return self._revoke("all", "", issued_before, expires_at)

    def _revoke(
        self, kind: str, subject: str, issued_before: float | None, expires_at: float
    ) -> int:
        with self._change("tokens_revoked", f"{kind}:{subject}" if subject else kind) as change:
            revocations.revoke(change, kind, subject, issued_before, expires_at)
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
            versions.add(change, name, version, manifest_digest, self._actor)
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
        with self._engine.connect() as connection:
            return versions.last_promoted(connection, name)

    def model_versions(self) -> list[Row[Any]]:
        """As `versions.all_versions`."""
        with self._engine.connect() as connection:
            return versions.all_versions(connection, self._clock())

    # Audit

    def audit_entries(self, limit: int) -> list[AuditEntry]:
        """The newest entries, oldest of them first."""
        with self._engine.connect() as connection:
            return audit.newest(connection, limit)

    def claim_unlogged_audit(self) -> list[AuditEntry]:
        """Audit entries that no service has logged yet; each is handed out once."""
        return audit.claim_unlogged(self._engine)

    @contextmanager
    def _change(self, action: str, target: str) -> Iterator[Change]:
        with self._engine.begin() as connection:
            change = Change(connection, self._clock())
            yield change
            change.finish(self._actor, action, target)
