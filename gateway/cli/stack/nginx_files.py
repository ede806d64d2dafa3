"""nginx's configuration: the static files of `nginx/`, and what holds for this place only."""

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import gateway
from gateway.cli.stack.certificates import Certificates
from gateway.cli.stack.layout import Layout

STATIC_FILES = Path(gateway.__file__).parents[1] / "nginx"

# Beyond the deadline of a request: when nginx gives an application up, and ends with requests.
_GIVES_UP_S, _SHUTDOWN_S = 2, 5


@dataclass(frozen=True, slots=True)
class Edge:
    """What nginx does in this place.

    Attributes:
        addresses: what to listen on, as in `127.0.0.1` and `[::1]`.
        limits_loopback: whether the limits per address hold for this machine's own callers.
        worker_user: user of nginx's workers when it is started by root, else empty.
        exempt: networks that they do not hold for: health checks of a load balancer, say.
        host: the name that is served.
        log_level: the least that is logged. Below `alert` nginx quotes requests with their query,
            which the stack's supervisor takes out (child_output.py).
        in_flight: how many predictions may be with the workers or wait for one.
        max_body_bytes: the largest body; the applications have the same cap.
        deadline_s: the time in which the applications answer a request, or refuse it themselves.
        only: `predictions` or `tokens`, where one application alone is beside nginx: every path
            leads there, so that a stray one gets its answer, and not nginx's that nobody is there.
    """

    addresses: tuple[str, ...]
    port: int
    certificates: Certificates
    limits_loopback: bool
    worker_user: str = ""
    exempt: tuple[str, ...] = ()
    host: str = "localhost"
    log_level: str = "error"
    in_flight: int = 64
    max_body_bytes: int = 16 * 1024 * 1024
    deadline_s: float = 10.0
    only: str = ""


def write_nginx_files(layout: Layout, edge: Edge) -> None:
    """Put the whole configuration together in `layout.nginx_configuration`."""
    place = layout.nginx_configuration / "place"
    place.mkdir(exist_ok=True)
    for source in STATIC_FILES.glob("*.conf"):
        shutil.copyfile(source, layout.nginx_configuration / source.name)
    for name, content in _place(layout, edge).items():
        (place / name).write_text(content)


def nginx_arguments(layout: Layout) -> list[str]:
    """The command line behind the program's name."""
    configuration = layout.nginx_configuration / "nginx.conf"
    # `-e`: until its configuration is read, nginx logs to a file of Debian's.
    return [
        *("-e", "stderr"),
        *("-p", f"{layout.nginx_prefix}/"),
        *("-c", str(configuration)),
        *("-g", "daemon off;"),
    ]


def _place(layout: Layout, edge: Edge) -> dict[str, str]:
    return {
        "process.conf": _process(layout, edge),
        "listen.conf": _listen(edge, "ssl http2"),
        "listen_default.conf": _listen(edge, "ssl http2 default_server"),
        "server.conf": (
            f"server_name {edge.host};\n"
            f'ssl_certificate "{edge.certificates.certificate}";\n'
            f'ssl_certificate_key "{edge.certificates.key}";\n'
        ),
        "upstreams.conf": _upstreams(layout, edge),
        "addresses.conf": _addresses(edge),
        "caps.conf": _caps(edge),
    }


def _process(layout: Layout, edge: Edge) -> str:
    user = f"user {edge.worker_user};\n" if edge.worker_user else ""
    return (
        f'{user}pid "{layout.nginx_prefix}/nginx.pid";\nerror_log stderr {edge.log_level};\n'
        # Longer than any request may take, so that a stop drops none and still ends.
        f"worker_shutdown_timeout {_beyond_deadline(edge, _SHUTDOWN_S)}s;\n"
    )


def _caps(edge: Edge) -> str:
    # For an application that can no longer answer 504 itself.
    waits_s = _beyond_deadline(edge, _GIVES_UP_S)
    return (
        f"client_max_body_size {edge.max_body_bytes};\n"
        f"proxy_send_timeout {waits_s}s;\nproxy_read_timeout {waits_s}s;\n"
    )


def _beyond_deadline(edge: Edge, further_s: int) -> int:
    return math.ceil(edge.deadline_s) + further_s


def _listen(edge: Edge, options: str) -> str:
    return "".join(f"listen {address}:{edge.port} {options};\n" for address in edge.addresses)


def _upstreams(layout: Layout, edge: Edge) -> str:
    sockets = {"predictions": layout.predictions_socket, "tokens": layout.tokens_socket}
    predictions, tokens = (sockets[edge.only or name] for name in ("predictions", "tokens"))
    limit = f" max_conns={edge.in_flight}"
    return _upstream("predictions", predictions, limit) + _upstream("tokens", tokens)


def _upstream(name: str, socket: Path, options: str = "") -> str:
    # The zone is what nginx's workers share: without it each would count for itself.
    return f'upstream {name} {{\n    zone {name} 64k;\n    server "unix:{socket}"{options};\n}}\n'


def _addresses(edge: Edge) -> str:
    # Callers on this machine are its operator, tests and benchmarks.
    loopback = () if edge.limits_loopback else ("127.0.0.0/8", "::1/128")
    networks = "".join(f"    {network} 1;\n" for network in (*loopback, *edge.exempt))
    return f"geo $exempt {{\n    default 0;\n{networks}}}\n{_LIMITED}"


_LIMITED = """\
map $exempt $limited_address {
    default $binary_remote_addr;
    1 "";
}
"""
