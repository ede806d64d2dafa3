"""`gateway stack`, from the first check to the last child's end."""

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import click

from config.running import write_running_settings
from config.settings import Settings
from gateway.cli.administration import service_settings
from gateway.cli.journey import partner_commands
from gateway.cli.prepare import prepare
from gateway.cli.stack.certificates import ensure_certificates
from gateway.cli.stack.children import Stack
from gateway.cli.stack.layout import Layout, UnusableFolder, claim, close_layout, open_layout
from gateway.cli.stack.nginx_files import Edge, write_nginx_files
from gateway.cli.stack.ownership import control_store_held_open, hand_over
from gateway.cli.stack.processes import StackFailed, Supervisor
from gateway.cli.stack.readiness import can_listen
from gateway.cli.stack.redis_files import write_redis_files
from gateway.cli.stack.servers import ServersMissing, find_servers
from gateway.cli.stack.users import Users, choose_users, others_can_reach
from gateway.health import http_status


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8443,
    show_default=True,
    help="Of nginx, on this machine's loopback.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Processes for predictions; as many as there are cores are enough.",
)
@click.option(
    "--address-limits/--no-address-limits",
    default=False,
    show_default=True,
    help="Whether nginx's limits per address hold for this machine's own callers, too.",
)
@click.pass_obj
def stack(data_dir: Path | None, port: int, workers: int, address_limits: bool) -> None:
    """Serve in the production shape: nginx, TLS, Redis, separate processes.

    Runs in the foreground. Ctrl-C stops all it started.
    """
    try:
        servers = find_servers(_say, may_install=os.geteuid() == 0)
        addresses = _addresses(port)
        data_dir = (data_dir or service_settings().data_dir).absolute()
        data_dir.mkdir(parents=True, exist_ok=True)
        claimed = claim(data_dir)
        layout, users = _place(data_dir)
        os.environ.update(_environment(layout, port, workers))
        settings = service_settings()
        edge = _edge(settings, layout, users, addresses, limits_loopback=address_limits)
        _serve(Stack(layout, settings, servers, users, edge), claimed)
    except (ServersMissing, UnusableFolder, StackFailed) as exc:
        raise click.ClickException(str(exc)) from exc


def _addresses(port: int) -> tuple[str, ...]:
    """This machine's own addresses; not the second where there is no IPv6.

    Raises: StackFailed, when something listens there already.
    """
    if not can_listen("127.0.0.1", port):
        raise StackFailed(f"Port {port} of 127.0.0.1 is in use: stop what listens there, or --port")
    return ("127.0.0.1", "[::1]") if can_listen("::1", port) else ("127.0.0.1",)


def _place(data_dir: Path) -> tuple[Layout, Users]:
    if os.geteuid() == 0:
        # To pass through, not to look around: each folder in it says who may enter.
        data_dir.chmod(data_dir.stat().st_mode | 0o011)
    reachable = others_can_reach(data_dir)
    layout = open_layout(data_dir, reachable=reachable)
    return layout, choose_users(_say, data_dir=data_dir, reachable=reachable)


def _environment(layout: Layout, port: int, workers: int) -> Mapping[str, str]:
    """The settings of this place, for us and for the children."""
    return {
        "GATEWAY_DATA_DIR": str(layout.data_dir),
        "GATEWAY_SERVER__BASE_URL": f"https://localhost:{port}",
        "GATEWAY_SERVER__WORKERS": str(workers),
        "GATEWAY_LIMITS__STORAGE": f"redis+unix://{layout.redis_socket}",
    }


def _edge(
    settings: Settings,
    layout: Layout,
    users: Users,
    addresses: tuple[str, ...],
    *,
    limits_loopback: bool,
) -> Edge:
    return Edge(
        addresses=addresses,
        port=urlsplit(settings.server.base_url).port or 443,
        certificates=ensure_certificates(layout.tls_dir, datetime.now(UTC)),
        limits_loopback=limits_loopback,
        in_flight=settings.server.max_in_flight,
        max_body_bytes=settings.server.max_body_bytes,
        deadline_s=settings.server.request_deadline_s,
        worker_user=users.nginx[0] if users.nginx else "",
    )


def _serve(stack: Stack, claimed: int) -> None:
    write_redis_files(stack.layout)
    write_nginx_files(stack.layout, stack.edge)
    prepare(stack.settings, demo=True)
    write_running_settings(stack.settings)
    hand_over(stack.layout, stack.users)
    with ExitStack() as held:
        held.callback(close_layout, stack.layout)
        held.enter_context(control_store_held_open(stack.settings))
        supervisor = Supervisor(_say, sys.stdout.fileno(), inherited=[claimed])
        supervisor.run(stack.groups(), announce=lambda: _announce(stack))


def _announce(stack: Stack) -> None:
    settings, authority = stack.settings, stack.edge.certificates.ca
    if http_status(f"unix:{stack.layout.predictions_socket}", "/readyz") != 200:
        _say("WARNING: not ready: GET /readyz is not 200. `gateway status` says what is wrong.")
    _say(partner_commands(settings, ca_file=str(authority)))
    _say(f"{settings.server.workers} workers; certificate authority: {authority}; Ctrl-C stops.")


def _say(text: str) -> None:
    click.echo(text, err=True)
