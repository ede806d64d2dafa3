"""`gateway serve`: what a SageMaker container runs.

Source: Amazon SageMaker Developer Guide, "Use your own inference code with hosting services": the
container is started with the argument `serve`, listens on 8080, and is killed 30 s after SIGTERM.
"""

import os
from pathlib import Path

import click

from config.plans import Plan
from config.running import write_running_settings
from config.settings import Settings
from gateway.auth.keys import new_client_id
from gateway.cli.administration import (
    AdminCommand,
    Administration,
    refusable,
    service_settings,
)
from gateway.cli.prepare import prepare_stores
from gateway.cli.run import set_variable, start_server
from gateway.cli.served_paths import bring_into_service

FACTORY = "gateway.wsgi.sagemaker:sagemaker_app()"
MODEL_PATH = "/opt/ml/model"
_SCOPES = ("model:*:predict",)
# The platform kills what has not ended 30 s after SIGTERM.
_FINISHED_WITHIN_S = 25


@click.command(cls=AdminCommand)
@click.argument("paths", nargs=-1, metavar="[[NAME=]PATH]...")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8080,
    show_default=True,
    envvar="SAGEMAKER_BIND_TO_PORT",
    show_envvar=True,
    help="On every address of the container.",
)
@click.option("--bind", help="host:port, or unix:/path, in place of --port.")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    envvar="SAGEMAKER_MODEL_SERVER_WORKERS",
    show_envvar=True,
    help="Default: one for each processor, at least 2; 1 where the plan has rates.",
)
@click.option("--trust", is_flag=True, help="You answer for what the PATHs name beyond the list.")
@click.pass_obj
def serve(
    data_dir: Path | None,
    *,
    paths: tuple[str, ...],
    port: int,
    bind: str | None,
    workers: int | None,
    trust: bool,
) -> None:
    """Serve /invocations and /ping without tokens, as the partner `sagemaker.partner`.

    Only for a container whose door is the cloud's own: whoever reaches the port is that partner.
    PATH is a model's file or folder; default: /opt/ml/model.
    """
    _require_partner(service_settings())
    set_variable("GATEWAY_DATA_DIR", data_dir)
    set_variable("GATEWAY_SERVER__BIND", bind or f"0.0.0.0:{port}")
    settings = service_settings()
    prepare_stores(settings)
    plan = partners_plan(settings)
    count = worker_count(settings, plan, workers)
    write_running_settings(settings)
    bring_into_service(settings, paths or (MODEL_PATH,), trust=trust)
    grace_s = min(settings.server.graceful_timeout_s, _FINISHED_WITHIN_S)
    start_server(FACTORY, "--workers", str(count), "--graceful-timeout", str(grace_s))


def _require_partner(settings: Settings) -> None:
    if not settings.sagemaker.partner:
        raise click.ClickException(
            "This serves without tokens, so say as whom: set GATEWAY_SAGEMAKER__PARTNER to the"
            " name of a partner; it is made where there is none. Partners with tokens are served"
            " by gateway run and gateway stack."
        )


def partners_plan(settings: Settings) -> Plan:
    """The partner's plan; the partner is made where there is none, without any credentials."""
    name = settings.sagemaker.partner
    admin = Administration(settings)
    try:
        known = next((one for one in admin.store.partners() if one.name == name), None)
        plan = admin.plan_named(known.plan if known else settings.sagemaker.plan)
        if known is None:
            client_id = new_client_id(name)
            refusable(admin.store.create_partner, name, client_id, plan.name, _SCOPES, None)
        return plan
    finally:
        # What serves is forked from this process, and no connection of SQLite's may cross a fork.
        admin.close()


def worker_count(settings: Settings, plan: Plan, asked: int | None) -> int:
    """How many workers there may be: each counts for itself while limits are kept in memory."""
    rates = (plan.requests_per_second, plan.requests_per_minute, plan.rows_per_hour)
    if not settings.limits.in_memory or rates == (None, None, None):
        # Health must be answered while a worker predicts.
        return asked or max(2, len(os.sched_getaffinity(0)))
    if asked is not None and asked > 1:
        raise click.ClickException(
            f"The plan {plan.name} has rates, and {asked} workers would each count for themselves:"
            " name a Redis in limits.storage, or run one worker."
        )
    return 1
