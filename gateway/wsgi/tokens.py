"""The token service alone. Its process holds the private keys, and imports no model."""

import time
from dataclasses import dataclass

from flask import Flask
from flask_limiter import Limiter

from config.settings import Settings, load_settings
from gateway.auth.keys import load_pepper
from gateway.control.database import writing_engine
from gateway.control.repository import Repository
from gateway.control.store import ControlStore
from gateway.control.watcher import SnapshotWatcher, Ticker
from gateway.observability.audit import AuditLog
from gateway.token_app import create_token_app
from gateway.wsgi.parts import make_flask_limiter, make_watcher
from gateway.wsgi.service import Reporter, Service


@dataclass(frozen=True)
class Tokens:
    """The app, the store it writes, and the log of its changes."""

    app: Flask
    store: ControlStore
    audit_log: AuditLog


def token_app() -> Service:
    """What `gateway run --role tokens` serves."""
    settings = load_settings()
    watcher = make_watcher(settings)
    tokens = make_tokens(settings, watcher, make_flask_limiter(settings.limits))
    report = Reporter(writing_engine(settings.status_url, durable=False), "tokens", watcher)
    # SQLite removes its shared files with the last connection, and prediction workers, which may
    # only read, cannot make them again: one stays open as long as tokens are issued.
    tasks = [tokens.store.hold_open, watcher.refresh, tokens.audit_log.write, report.write]
    return Service(tokens.app, Ticker(tasks, settings.control.poll_s), report)


def make_tokens(settings: Settings, watcher: SnapshotWatcher, flask_limiter: Limiter) -> Tokens:
    """The token service's app."""
    engine = writing_engine(settings.database_url)
    store = ControlStore(engine, actor="token service", clock=time.time)
    pepper = load_pepper(settings.keys_dir)
    status = writing_engine(settings.status_url, durable=False)
    flask_app = create_token_app(
        settings,
        watcher,
        store,
        flask_limiter=flask_limiter,
        pepper=pepper,
        repository=Repository(store.written_by, status, settings.models.retired_for_s),
    )
    return Tokens(flask_app, store, AuditLog(store))
