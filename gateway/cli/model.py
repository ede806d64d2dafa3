"""`gateway model …`: models and their versions."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from gateway.cli.administration import Administration, administration
from gateway.cli.elsewhere import GroupElsewhere
from gateway.cli.engine_words import engine_columns, engine_lines
from gateway.cli.output import json_option, moment, show_json, show_table
from gateway.control.worker_status import live_workers
from model import ArtifactRejected, Manifest, ModelStore

_ADD = "gateway.cli.model_add"
_SIGNING = "gateway.cli.model_signing"
_VERSIONS = "gateway.cli.model_versions"
_ENGINE_COLUMNS = ("engine", "1 row", "10,000 rows")
_ELSEWHERE = {
    "add": _ADD,
    "contract": _ADD,
    "diff": _ADD,
    "promote": _VERSIONS,
    "rollback": _VERSIONS,
    "canary": _VERSIONS,
    "shadow": _VERSIONS,
    "retire": _VERSIONS,
    "compare": _VERSIONS,
    "sign": _SIGNING,
    "verify": _SIGNING,
}


@click.group(cls=GroupElsewhere, elsewhere=_ELSEWHERE)
def model() -> None:
    """Models and their versions."""


@model.command("list")
@json_option
@click.pass_obj
def list_models(data_dir: Path | None, as_json: bool) -> None:
    """All versions, which one is active, and how the workers serve it.

    Also which engine answers, and how fast it was when it was added; in brackets, the other one.
    """
    admin = administration(data_dir)
    versions = _versions(admin)
    if as_json:
        show_json(versions)
        return
    columns = ("model", "version", "active", "workers", *_ENGINE_COLUMNS, "added", "by")
    rows = [
        (
            version["model"],
            version["version"],
            "yes" if version["active"] else "no",
            _summary(version["workers"]) if version["active"] else None,
            *engine_columns(_manifest(admin, version)),
            version["added_at"],
            version["added_by"],
        )
        for version in versions
    ]
    show_table(columns, rows)


@model.command()
@click.argument("name")
@json_option
@click.pass_obj
def show(data_dir: Path | None, name: str, as_json: bool) -> None:
    """One model: its versions, their digests, and its state in each worker."""
    admin = administration(data_dir)
    versions = [row for row in _versions(admin) if row["model"] == name]
    if not versions:
        raise click.ClickException(f"There is no model {name} (see: gateway model list)")
    if as_json:
        show_json(versions)
        return
    for version in versions:
        plain = [(k, v) for k, v in version.items() if k not in {"workers", "engine"}]
        show_table(("", ""), plain)
        manifest = _manifest(admin, version)
        for line in engine_lines(manifest) if manifest is not None else ():
            click.echo(line)
        if version["active"]:
            columns = ("state", "version", "reason")
            rows = [
                (worker, *[state.get(column) for column in columns])
                for worker, state in version["workers"].items()
            ]
            show_table(("worker", *columns), rows)


def _versions(admin: Administration) -> list[dict[str, Any]]:
    states = _states_by_model(admin)
    return [
        {
            "model": row.name,
            "version": row.version,
            "active": row.active,
            "added_at": moment(row.added_at),
            "added_by": row.added_by,
            "manifest_digest": row.manifest_digest,
            "engine": _engine(admin, row.name, row.version),
            "workers": states.get(row.name, {}) if row.active else {},
        }
        for row in admin.store.model_versions()
    ]


def _engine(admin: Administration, name: str, version: str) -> Any:
    manifest = _manifest(admin, {"model": name, "version": version})
    return manifest.engine if manifest is not None else None


def _manifest(admin: Administration, version: Mapping[str, Any]) -> Manifest | None:
    """What was recorded of a version; None where that cannot be read."""
    try:
        return ModelStore(admin.settings.models_dir).manifest(version["model"], version["version"])
    except ArtifactRejected:
        return None


def _states_by_model(admin: Administration) -> dict[str, dict[str, Any]]:
    try:
        workers = live_workers(admin.status_engine, time.time())
    except SQLAlchemyError:
        return {}
    states: dict[str, dict[str, Any]] = {}
    for worker in workers:
        for name, state in worker.models.items():
            states.setdefault(name, {})[worker.worker] = state
    return states


def _summary(states: dict[str, Any]) -> str:
    ready = sum(1 for state in states.values() if state["state"] == "ready")
    return f"{ready} of {len(states)} ready" if states else "none running"
