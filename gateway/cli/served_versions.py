"""Waiting until the workers serve the versions of a model that they should, or say why not."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from gateway.cli.administration import EXIT_NOT_SERVED_YET, Administration
from gateway.control.database import sqlite_path
from gateway.control.worker_status import Worker, live_workers

# Loading takes as long as it takes; silence longer than this is told.
LOADED_WITHIN_S = 60.0
_SAY_AFTER_S = 2.0


def finish_change(admin: Administration, name: str, version: str | None = None) -> None:
    """End a command that changed the versions of a model, and brought this one into service.

    0 when every live worker has applied it, 1 when one of them could not load the version, 3 when
    one is still loading after a minute.
    """
    workers = _await_versions(admin, name)
    late = [worker.worker for worker in workers if not _settled(worker, name, _wanted(admin, name))]
    failed = [worker for worker in workers if _state(worker, name, version) == "failed"]
    if version is not None and failed:
        raise click.ClickException(_failure(failed, len(workers), name, version))
    if late:
        click.echo(
            f"Warning: done and kept, but after {LOADED_WITHIN_S:g} s not yet served by"
            f" {', '.join(late)} (see: gateway model show {name}).",
            err=True,
        )
        click.get_current_context().exit(EXIT_NOT_SERVED_YET)


def _await_versions(admin: Administration, name: str) -> list[Worker]:
    """The workers that serve models, once each of them has loaded or failed to."""
    status_file = sqlite_path(admin.settings.status_url)
    if status_file is not None and not status_file.exists():
        return []
    started, said = time.monotonic(), False
    while True:
        try:
            workers = _serving_models(live_workers(admin.status_engine, time.time()))
        except SQLAlchemyError:
            click.echo("Warning: done and kept; who serves it cannot be told.", err=True)
            return []
        waited_s = time.monotonic() - started
        wanted = _wanted(admin, name)
        if all(_settled(worker, name, wanted) for worker in workers) or waited_s > LOADED_WITHIN_S:
            return workers
        if waited_s > _SAY_AFTER_S and not said:
            click.echo("Waiting for the workers to load it …", err=True)
            said = True
        _pause(0.05)


_pause: Callable[[float], None] = time.sleep


def _serving_models(workers: list[Worker]) -> list[Worker]:
    return [worker for worker in workers if worker.role != "tokens"]


def _wanted(admin: Administration, name: str) -> Mapping[str, tuple[Any, ...]]:
    rows = admin.store.model_versions()
    return {
        row.version: (row.role, row.percent or 0.0, row.sunset_at)
        for row in rows
        if row.name == name and row.role is not None
    }


def _versions(worker: Worker, name: str) -> Mapping[str, Mapping[str, Any]]:
    versions: Mapping[str, Mapping[str, Any]] = worker.models.get(name, {}).get("versions", {})
    return versions


def _settled(worker: Worker, name: str, wanted: Mapping[str, tuple[Any, ...]]) -> bool:
    """Whether the worker has applied what is wanted, for better or worse."""
    versions = _versions(worker, name)
    applied = {
        version: (state["role"], state["percent"], state["sunset_at"])
        for version, state in versions.items()
    }
    return applied == wanted and all(state["state"] != "loading" for state in versions.values())


def _state(worker: Worker, name: str, version: str | None) -> str | None:
    return _versions(worker, name).get(version or "", {}).get("state")


def _failure(failed: list[Worker], workers: int, name: str, version: str) -> str:
    reason = _versions(failed[0], name)[version]["reason"]
    serving = sorted({worker.models[name]["version"] for worker in failed} - {None})
    instead = f"Version {', '.join(serving)} goes on serving." if serving else "Nothing serves."
    return (
        f"Version {version} of model {name} could not be loaded by {len(failed)} of {workers}"
        f" workers: {reason} {instead} Put it right (workers try again every 30 s), or take it"
        " back (gateway model rollback, canary --percent 0, shadow --end)."
    )
