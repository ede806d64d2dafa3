"""`python -m gateway.health [ADDRESS [PATH]]`: is a service of this machine up? For health checks.

Without arguments it asks where the image listens by itself: `run` on 8000, `serve` on 8080.
Only the standard library, and little of it: containers ask this every few seconds.
"""

import socket
import sys
from pathlib import Path

_TIMEOUT_S = 1.0
_UNIX = "unix:"
_OF_THE_IMAGE = (("127.0.0.1:8000", "/livez"), ("127.0.0.1:8080", "/ping"))


def http_status(address: str, target: str) -> int | None:
    """Status of a GET; None where nobody answers.

    Args:
        address: `host:port`, or `unix:/path`.
    """
    request = f"GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode("ascii")
    try:
        with _connect(address) as connection:
            connection.sendall(request)
            return _status(connection.recv(64))
    except OSError:
        return None


def _connect(address: str) -> socket.socket:
    if not address.startswith(_UNIX):
        host, _, port = address.rpartition(":")
        return socket.create_connection((host, int(port)), timeout=_TIMEOUT_S)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_TIMEOUT_S)
    try:
        connection.connect(str(Path(address.removeprefix(_UNIX))))
    except OSError:
        connection.close()
        raise
    return connection


def _status(head: bytes) -> int | None:
    words = head.split(b" ", 2)
    if not head.startswith(b"HTTP/") or len(words) < 2 or not words[1].isdigit():
        return None
    return int(words[1])


def main(address: str | None = None, target: str = "/livez") -> int:
    """Exit code: 0 where the answer is 200, of one of them."""
    asked = _OF_THE_IMAGE if address is None else ((address, target),)
    said = []
    for where, path in asked:
        status = http_status(where, path)
        if status == 200:
            return 0
        said.append(f"{path} at {where}: {status or 'no answer'}\n")
    sys.stderr.write("".join(said))
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
