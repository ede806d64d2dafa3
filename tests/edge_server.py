"""A real nginx with the configuration of the stack, on a free port, for tests."""

import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPResponse
from pathlib import Path

import pytest
from free_ports import free_port

from gateway.cli.stack.certificates import ensure_certificates
from gateway.cli.stack.layout import Layout, open_layout
from gateway.cli.stack.nginx_files import Edge, nginx_arguments, write_nginx_files
from gateway.cli.stack.readiness import Ready, answers_http, shakes_hands

START_WITHIN_S = STOP_WITHIN_S = 60.0
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Answer:
    """A response read from a raw socket. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class EdgeServer:
    """A running nginx."""

    layout: Layout
    edge: Edge
    log: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.edge.port}"

    def trust(self) -> ssl.SSLContext:
        """A context that trusts the authority of this place."""
        return ssl.create_default_context(cafile=str(self.edge.certificates.ca))

    def connect(
        self, context: ssl.SSLContext | None = None, name: str = "localhost"
    ) -> ssl.SSLSocket:
        """Shake hands, asking for a server of this name."""
        plain = socket.create_connection(("127.0.0.1", self.edge.port), timeout=TIMEOUT_S)
        try:
            return (context or self.trust()).wrap_socket(plain, server_hostname=name)
        except BaseException:
            plain.close()
            raise

    def send(self, request: bytes) -> Answer:
        """Send bytes as they are over TLS, and read one answer."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_answer(connection)

    def send_plain(self, request: bytes) -> Answer:
        """The same without TLS."""
        address = ("127.0.0.1", self.edge.port)
        with socket.create_connection(address, timeout=TIMEOUT_S) as connection:
            connection.sendall(request)
            return read_answer(connection)


def read_answer(connection: socket.socket) -> Answer:
    """Read one HTTP/1.1 response."""
    with HTTPResponse(connection) as response:
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())


@contextmanager
def running_edge(
    *,
    upstreams: bool,
    limits_loopback: bool = False,
    in_flight: int = 64,
    changes: Sequence[tuple[str, str, str]] = (),
) -> Iterator[EdgeServer]:
    """An nginx that lives as long as the block.

    Args:
        in_flight: how many predictions may be under way.
        upstreams: whether `edge_upstream` answers on both sockets; else nobody does.
        changes: file, text and replacement, to make time-outs short enough for a test.
    """
    program = installed("nginx")
    with ExitStack() as stack:
        # Not pytest's folder: the path of a socket is at most 107 bytes long.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-")))
        server = _write(folder, limits_loopback=limits_loopback, in_flight=in_flight)
        for name, text, replacement in changes:
            _change(server.layout.nginx_configuration / name, text, replacement)
        if upstreams:
            _start_upstreams(stack, server.layout)
        log = stack.enter_context(server.log.open("wb"))
        arguments = [program, *nginx_arguments(server.layout)]
        process = subprocess.Popen(arguments, stdout=log, stderr=log, env={"TZ": "UTC"})
        stack.callback(_stop, process)
        _await(shakes_hands(server.edge.port, server.edge.certificates.ca), process, server.log)
        yield server


def installed(name: str) -> str:
    """A server's program, or a loud skip; a failure where CI=true."""
    program = shutil.which(name, path=f"{os.defpath}:/usr/sbin:/sbin")
    if program is not None:
        return program
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed: apt-get install {name}")
    pytest.skip(f"NOT TESTED: {name} is not installed (apt-get install {name})")


def _write(folder: Path, *, limits_loopback: bool, in_flight: int) -> EdgeServer:
    layout = open_layout(folder, reachable=True)
    edge = Edge(
        addresses=("127.0.0.1",),
        port=free_port(),
        certificates=ensure_certificates(layout.tls_dir, datetime.now(UTC)),
        limits_loopback=limits_loopback,
        # The folder is for this user only; nginx started by root would change its user.
        worker_user="root" if os.geteuid() == 0 else "",
        in_flight=in_flight,
    )
    write_nginx_files(layout, edge)
    return EdgeServer(layout, edge, folder / "nginx.log")


def _change(path: Path, text: str, replacement: str) -> None:
    before = path.read_text()
    assert text in before, f"{path.name} has no {text}"
    path.write_text(before.replace(text, replacement))


def _start_upstreams(stack: ExitStack, layout: Layout) -> None:
    started = [
        (_start_upstream(stack, role, path), path, layout.data_dir / f"{role}.log")
        for role, path in (
            ("predictions", layout.predictions_socket),
            ("tokens", layout.tokens_socket),
        )
    ]
    for process, path, log in started:
        _await(answers_http(path, "/"), process, log)


def _start_upstream(stack: ExitStack, role: str, path: Path) -> subprocess.Popen[bytes]:
    options = ["--no-control-socket", "--chdir", str(Path(__file__).parent)]
    limits = ["--limit-request-line", "8190", "--limit-request-field_size", "16380"]
    bind = ["--bind", f"unix:{path}", "--env", f"ROLE={role}"]
    command = [sys.executable, "-m", "gunicorn", *options, *limits, *bind, "edge_upstream:app"]
    log = stack.enter_context((path.parents[2] / f"{role}.log").open("wb"))
    process = subprocess.Popen(command, stdout=log, stderr=log)
    stack.callback(_stop, process)
    return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(timeout=STOP_WITHIN_S)


def _await(ready: Ready, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"a server of the test did not start:\n{log.read_text()}")
        time.sleep(0.01)
