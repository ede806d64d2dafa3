"""`gateway status`: how the service is, now."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import redis
from sqlalchemy.exc import SQLAlchemyError

from config.secret_files import UnusableSecret, read_secret
from gateway.cli.administration import AdminCommand, Administration, administration
from gateway.cli.output import json_option, moment, show_json, show_table
from gateway.control.worker_status import Worker, live_workers


@click.command(cls=AdminCommand)
@json_option
@click.pass_obj
def status(data_dir: Path | None, as_json: bool) -> None:
    """Workers and the revision each serves, models and what failed, stores.

    Exits 1 when no worker runs, a model failed or limits are in fallback.
    """
    facts = _facts(administration(data_dir))
    if as_json:
        show_json(facts)
    else:
        _show(facts)
    click.get_current_context().exit(0 if facts["healthy"] else 1)


def _facts(admin: Administration) -> dict[str, Any]:
    workers = _workers(admin)
    failed = [failure for worker in workers for failure in _failures(worker)]
    fallback = [worker.worker for worker in workers if worker.limits_fallback]
    stores = {"control": _control_state(admin), "limits": _limits_state(admin)}
    return {
        "healthy": bool(workers) and not failed and not fallback and stores["control"] == "up",
        "workers": [_worker_facts(worker) for worker in workers],
        "failed_models": failed,
        "limits_in_fallback": fallback,
        "stores": stores,
    }


def _failures(worker: Worker) -> list[dict[str, Any]]:
    """Versions that should be in service and are not; also where an older one serves."""
    return [
        {
            "worker": worker.worker,
            "model": name,
            "version": version,
            "reason": state["reason"],
            "serving": model["version"],
        }
        for name, model in worker.models.items()
        for version, state in model["versions"].items()
        if state["state"] == "failed"
    ]


def _workers(admin: Administration) -> list[Worker]:
    try:
        return live_workers(admin.status_engine, time.time())
    except SQLAlchemyError:
        return []


def _worker_facts(worker: Worker) -> dict[str, Any]:
    facts = asdict(worker)
    return facts | {"started_at": moment(worker.started_at), "seen_at": moment(worker.seen_at)}


def _control_state(admin: Administration) -> str:
    try:
        admin.store.partners()
    except (SQLAlchemyError, click.ClickException):
        return "away"
    return "up"


def _limits_state(admin: Administration) -> str:
    limits = admin.settings.limits
    if limits.in_memory:
        return "in memory of each worker"
    url = limits.storage.replace("redis+unix://", "unix://")
    options: dict[str, Any] = {"socket_timeout": 1, "socket_connect_timeout": 1}
    try:
        if limits.password_file:
            options["password"] = read_secret(Path(limits.password_file)).decode()
        redis.Redis.from_url(url, **options, driver_info=None).ping()
    except (redis.RedisError, UnusableSecret):
        return "away"
    return "up"


def _show(facts: dict[str, Any]) -> None:
    click.echo("healthy" if facts["healthy"] else "NOT healthy")
    rows = [
        (
            worker["worker"],
            worker["role"],
            worker["revision"],
            _models(worker["models"]),
            "yes" if worker["limits_fallback"] else "no",
            worker["started_at"],
        )
        for worker in facts["workers"]
    ]
    columns = ("worker", "role", "revision", "models", "limits in fallback", "since")
    show_table(columns, rows)
    for failure in facts["failed_models"]:
        which = f"{failure['model']} version {failure['version']}"
        instead = f" (version {failure['serving']} serves)" if failure["serving"] else ""
        click.echo(f"{which} failed in {failure['worker']}: {failure['reason']}{instead}")
    show_table(("store", "state"), facts["stores"].items())


def _models(models: dict[str, Any]) -> str:
    return ", ".join(f"{name} {state['state']}" for name, state in models.items()) or "-"
