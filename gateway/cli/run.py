"""`gateway run`: serve."""

import os
import sys
from pathlib import Path

import click
from gunicorn.app.wsgiapp import WSGIApplication

from config.settings import ServerSettings, Settings, write_running_settings
from gateway.arbiter import GatewayArbiter
from gateway.auth.keys import key_problems
from gateway.cli.administration import AdminCommand, service_settings
from gateway.cli.journey import partner_commands
from gateway.cli.prepare import prepare

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
@click.option("--role", type=click.Choice(list(FACTORIES)), default="joined", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), help="On 127.0.0.1, in place of --bind.")
@click.option("--bind", help="host:port, or unix:/path.")
@click.option("--workers", type=click.IntRange(1, 256))
@click.option("--demo", is_flag=True, help="With the example model and a partner to try it.")
@click.pass_obj
def run(
    data_dir: Path | None,
    *,
    role: str,
    port: int | None,
    bind: str | None,
    workers: int | None,
    demo: bool,
) -> None:
    """Serve predictions and tokens; the first start makes keys and the control store."""
    if port is not None:
        bind = bind or f"127.0.0.1:{port}"
    _set("GATEWAY_SERVER__BIND", bind)
    _set("GATEWAY_SERVER__WORKERS", workers)
    _set("GATEWAY_DATA_DIR", data_dir)
    settings = _with_own_base_url(service_settings())
    if role == "joined":
        # The stack and the composition prepare their folder once, before their parts start.
        prepare(settings, demo=demo)
    if role != "predictions":
        _refuse_unusable_keys(settings)
    if role == "joined":
        write_running_settings(settings)
    if demo:
        click.echo(partner_commands(settings), err=True)
    _serve(role)


def _with_own_base_url(settings: Settings) -> Settings:
    """Settings whose base URL, where none was configured, has the port that is listened on."""
    host, _, port = settings.server.bind.rpartition(":")
    configured = settings.server.base_url != ServerSettings().base_url
    if configured or host not in ("127.0.0.1", "localhost"):
        return settings
    _set("GATEWAY_SERVER__BASE_URL", f"http://localhost:{port}")
    return service_settings()


def _refuse_unusable_keys(settings: Settings) -> None:
    problems = key_problems(settings.keys_dir)
    if problems:
        raise click.ClickException("\n".join(problems))


def _set(name: str, value: object) -> None:
    if value is not None:
        os.environ[name] = str(value)


def _serve(role: str) -> None:
    # In this very process: a second interpreter would take half a second more to start.
    sys.argv = ["gunicorn", "-c", "python:config.gunicorn", FACTORIES[role]]
    _Server("%(prog)s [OPTIONS] APP").run()
