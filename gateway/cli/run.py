"""`gateway run`: serve."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click
from gunicorn.app.wsgiapp import WSGIApplication

from config.running import write_running_settings
from config.sections import ServerSettings
from config.settings import Settings
from gateway.arbiter import GatewayArbiter
from gateway.auth.keys import key_problems
from gateway.cli.administration import AdminCommand, service_settings
from gateway.cli.journey import EXAMPLE_CALL, FirstCall, partner_commands
from gateway.cli.prepare import first_caller, prepare

FACTORIES = {
    "joined": "gateway.wsgi.joined:joined_app()",
    "predictions": "gateway.wsgi.predictions:app()",
    "tokens": "gateway.wsgi.tokens:token_app()",
}


class _Server(WSGIApplication):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn with our own master."""

    def run(self) -> None:
        GatewayArbiter(self).run()


@click.command(cls=AdminCommand)
@click.argument("paths", nargs=-1, metavar="[[NAME=]PATH]...")
@click.option(
    "--role",
    type=click.Choice(list(FACTORIES)),
    default="joined",
    show_default=True,
    help="Predictions and tokens in one process, or one of them alone.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="On 127.0.0.1, in place of --bind.")
@click.option("--bind", help="host:port, or unix:/path. Default: server.bind.")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    help="Processes; more than one need Redis. Default: server.workers.",
)
@click.option("--demo", is_flag=True, help="With the example model and a partner to try it.")
@click.option("--trust", is_flag=True, help="You answer for what the PATHs name beyond the list.")
@click.pass_obj
def run(
    data_dir: Path | None,
    *,
    paths: tuple[str, ...],
    role: str,
    port: int | None,
    bind: str | None,
    workers: int | None,
    demo: bool,
    trust: bool,
) -> None:
    """Serve predictions and tokens; the first start makes keys and the control store.

    Each PATH, a model's file or folder (see: gateway model add --help), is served at once: as the
    next version, unless the version in service is the very same.
    """
    if paths and role != "joined":
        raise click.UsageError("A PATH is served by the role joined only: gateway model add PATH.")
    if port is not None:
        bind = bind or f"127.0.0.1:{port}"
    set_variable("GATEWAY_SERVER__BIND", bind)
    set_variable("GATEWAY_SERVER__WORKERS", workers)
    set_variable("GATEWAY_DATA_DIR", data_dir)
    settings = _with_own_base_url(service_settings())
    calls = _prepared(settings, paths, demo=demo, trust=trust) if role == "joined" else []
    if role != "predictions":
        _refuse_unusable_keys(settings)
    if role == "joined":
        write_running_settings(settings)
    if calls:
        click.echo(partner_commands(settings, calls, partner=first_caller(settings)), err=True)
    start_server(FACTORIES[role])


def _prepared(
    settings: Settings, paths: Sequence[str], *, demo: bool, trust: bool
) -> list[FirstCall]:
    """What can be called, once the folder is ready.

    The stack and the composition prepare theirs once, before their parts start.
    """
    prepare(settings, demo=demo)
    calls: list[FirstCall] = []
    if paths:
        # Imported for those who serve a path: the token service must hold no model's code.
        served_paths = import_module("gateway.cli.served_paths")
        calls += served_paths.bring_into_service(settings, paths, trust=trust)
    return [*calls, EXAMPLE_CALL] if demo else calls


def _with_own_base_url(settings: Settings) -> Settings:
    """Settings whose base URL, where none was configured, has the port that is listened on."""
    host, _, port = settings.server.bind.rpartition(":")
    configured = settings.server.base_url != ServerSettings().base_url
    if configured or host not in ("127.0.0.1", "localhost"):
        return settings
    set_variable("GATEWAY_SERVER__BASE_URL", f"http://localhost:{port}")
    return service_settings()


def _refuse_unusable_keys(settings: Settings) -> None:
    problems = key_problems(settings.keys_dir)
    if problems:
        raise click.ClickException("\n".join(problems))


def set_variable(name: str, value: object) -> None:
    """Let what the command line says win over the configuration, in what is started as well."""
    if value is not None:
        os.environ[name] = str(value)


def start_server(factory: str, *arguments: str) -> None:
    """Become Gunicorn with this app."""
    # In this very process: a second interpreter would take half a second more to start.
    sys.argv = ["gunicorn", "-c", "python:config.gunicorn", *arguments, factory]
    _Server("%(prog)s [OPTIONS] APP").run()
