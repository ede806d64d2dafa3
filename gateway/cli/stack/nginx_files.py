"""nginx's configuration: the static files of `nginx/`, and what holds for this place only."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import gateway
from gateway.cli.stack.certificates import Certificates
from gateway.cli.stack.layout import Layout

STATIC_FILES = Path(gateway.__file__).parents[1] / "nginx"
# Below `-p`; nginx makes the folders in it and gives them to its workers.
_TEMPORARY = "temp"


@dataclass(frozen=True, slots=True)
class Edge:
    """What nginx does in this place.

    Attributes:
        addresses: what to listen on, as in `127.0.0.1` and `[::1]`.
        limits_loopback: whether the limits per address hold for this machine's own callers.
        worker_user: user of nginx's workers when it is started by root, else empty.
    """

    addresses: tuple[str, ...]
    port: int
    certificates: Certificates
    limits_loopback: bool
    worker_user: str = ""


def write_nginx_files(layout: Layout, edge: Edge) -> None:
    """Put the whole configuration together in `layout.nginx_configuration`."""
    place = layout.nginx_configuration / "place"
    place.mkdir(exist_ok=True)
    (layout.nginx_prefix / _TEMPORARY).mkdir(exist_ok=True)
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
            "server_name localhost;\n"
            f'ssl_certificate "{edge.certificates.certificate}";\n'
            f'ssl_certificate_key "{edge.certificates.key}";\n'
        ),
        "upstreams.conf": (
            _upstream("predictions", layout.predictions_socket)
            + _upstream("tokens", layout.tokens_socket)
        ),
        "addresses.conf": _LIMITED if edge.limits_loopback else _LOOPBACK_EXEMPT,
    }


def _process(layout: Layout, edge: Edge) -> str:
    user = f"user {edge.worker_user};\n" if edge.worker_user else ""
    # The supervisor takes the request out of these lines (child_output.py).
    return f'{user}pid "{layout.nginx_prefix}/nginx.pid";\nerror_log stderr error;\n'


def _listen(edge: Edge, options: str) -> str:
    return "".join(f"listen {address}:{edge.port} {options};\n" for address in edge.addresses)


def _upstream(name: str, socket: Path) -> str:
    return f'upstream {name} {{\n    server "unix:{socket}";\n    keepalive 16;\n}}\n'


_LIMITED = """\
map $remote_addr $limited_address {
    default $binary_remote_addr;
}
"""

# Callers on this machine are its operator, tests and benchmarks.
_LOOPBACK_EXEMPT = """\
geo $loopback {
    default 0;
    127.0.0.0/8 1;
    ::1/128 1;
}
map $loopback $limited_address {
    default $binary_remote_addr;
    1 "";
}
"""
