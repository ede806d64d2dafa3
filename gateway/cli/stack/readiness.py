"""Is it up? Asked over the wire, never guessed from time."""

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from gateway.health import http_status

_TIMEOUT_S = 1.0

Ready = Callable[[], bool]


def answers_http(path: Path, target: str) -> Ready:
    """A worker behind this socket has answered. Any status: what is wrong is in its log."""
    return lambda: http_status(f"unix:{path}", target) is not None


def answers_ping(path: Path) -> Ready:
    """Redis has answered."""

    def ready() -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_TIMEOUT_S)
                connection.connect(str(path))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    return ready


def shakes_hands(port: int, authority: Path) -> Ready:
    """Our nginx, and not another server on that port, has shown a certificate of ours."""

    def ready() -> bool:
        context = ssl.create_default_context(cafile=str(authority))
        try:
            with (
                socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S) as plain,
                context.wrap_socket(plain, server_hostname="localhost"),
            ):
                return True
        except OSError:
            return False

    return ready


def can_listen(address: str, port: int) -> bool:
    """Whether a port of this machine's is free. `address` as in `127.0.0.1` or `::1`."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family) as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            candidate.bind((address, port))
            return True
    except OSError:
        return False
