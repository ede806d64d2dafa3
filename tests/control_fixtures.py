"""A real control store in a folder, with a partner, a signing key and a pepper."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask

from config.plans import SHIPPED_PLANS
from config.settings import Settings
from gateway.auth.keys import (
    SigningKey,
    load_pepper,
    make_pepper,
    make_signing_key,
    new_client_id,
    new_client_secret,
    secret_digest,
    write_private_key,
)
from gateway.control import migrate
from gateway.control.database import reading_engine, writing_engine
from gateway.control.repository import Repository
from gateway.control.snapshot import SnapshotReader
from gateway.control.status_database import create_status_database
from gateway.control.store import ControlStore
from gateway.control.watcher import SnapshotWatcher
from gateway.token_app import create_token_app
from gateway.wsgi.parts import make_flask_limiter

SCOPES = ("model:*:predict", "model:breast-cancer:read")


@dataclass(frozen=True)
class KnownPartner:
    """A partner with the secret that only it knows."""

    name: str
    client_id: str
    secret: str


@dataclass(frozen=True)
class ControlFixture:
    """What `make_control_store` made. After each change `watcher.refresh()` is called here."""

    settings: Settings
    store: ControlStore
    watcher: SnapshotWatcher
    pepper: bytes
    partner: KnownPartner
    signing_key: SigningKey

    def add_partner(
        self, name: str, plan: str = "standard", scopes: tuple[str, ...] = SCOPES
    ) -> KnownPartner:
        partner = _create_partner(self.store, self.pepper, name, plan, scopes)
        self.watcher.refresh()
        return partner

    def add_secret(self, name: str) -> str:
        """A second live secret of a partner."""
        secret = new_client_secret()
        self.store.add_secret(name, secret_digest(self.pepper, secret))
        self.watcher.refresh()
        return secret

    def set_partner(self, name: str, **changes: Any) -> None:
        self.store.set_partner(name, **changes)
        self.watcher.refresh()

    def stage_key(self) -> SigningKey:
        """A new key that is published and does not sign yet."""
        key = _add_key(self.store, self.settings.keys_dir, "staged")
        self.watcher.refresh()
        return key

    def rotate_key(self) -> SigningKey:
        """A new key that signs; the one before only verifies from now on."""
        key = self.stage_key()
        self.store.activate_key(key.kid)
        self.watcher.refresh()
        return key


def make_repository(control: ControlFixture) -> Repository:
    """What loads and unloads models, with a status database in which no worker is."""
    url = control.settings.status_url
    create_status_database(url)
    return Repository(control.store.written_by, writing_engine(url, durable=False), keep_s=60.0)


def make_token_app(control: ControlFixture) -> Flask:
    """The token service on this store."""
    return create_token_app(
        control.settings,
        control.watcher,
        control.store,
        flask_limiter=make_flask_limiter(control.settings.limits),
        pepper=control.pepper,
        repository=make_repository(control),
    )


def make_control_store(
    folder: Path,
    *,
    plans: Path = SHIPPED_PLANS,
    scopes: tuple[str, ...] = SCOPES,
    **settings: Any,
) -> ControlFixture:
    """Make a control store below a folder, with a partner `acme` of plan `standard`.

    Args:
        settings: overrides of sections, for example `auth={"access_token_ttl_s": 60}`.
    """
    configured = Settings(data_dir=folder, **settings)
    migrate.upgrade(configured.database_url)
    store = ControlStore(writing_engine(configured.database_url), actor="test", clock=time.time)
    make_pepper(configured.keys_dir)
    pepper = load_pepper(configured.keys_dir)
    signing_key = _add_key(store, configured.keys_dir, "active")
    partner = _create_partner(store, pepper, "acme", "standard", scopes)
    reader = SnapshotReader(reading_engine(configured.database_url), plans)
    return ControlFixture(
        settings=configured,
        store=store,
        watcher=SnapshotWatcher(reader),
        pepper=pepper,
        partner=partner,
        signing_key=signing_key,
    )


def _add_key(store: ControlStore, keys_dir: Path, state: str) -> SigningKey:
    key = make_signing_key()
    write_private_key(keys_dir, key)
    store.add_key(key.kid, key.algorithm, dict(key.jwk), state)
    return key


def _create_partner(
    store: ControlStore, pepper: bytes, name: str, plan: str, scopes: tuple[str, ...]
) -> KnownPartner:
    partner = KnownPartner(name, new_client_id(name), new_client_secret())
    digest = secret_digest(pepper, partner.secret)
    store.create_partner(name, partner.client_id, plan, scopes, digest)
    return partner
