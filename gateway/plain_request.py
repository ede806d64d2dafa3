"""A plain request, read in one step. Source: RFC 9112.

Gunicorn's own reader and writer were two thirds of a worker's time for an empty call. This reads
only what leaves nothing to interpret; whatever else comes is given to Gunicorn, as it came.
"""

import io
import re
import socket
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

import gunicorn.http.wsgi
from gunicorn import util

FIRST_BYTES = 65_536
# As `config.gunicorn` has it; a longer head is Gunicorn's to measure.
_MAX_HEAD_BYTES = 8190
# A target in origin form without a fragment; each line with a token for its name, without
# underscores, and printable text. Possessive: what does not fit is refused at once.
_HEAD = re.compile(
    rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (/(?!/)[!\"$-~]*+) HTTP/1\.1\r\n"
    rb"((?:[0-9A-Za-z-]++:[\t -~\x80-\xff]*+\r\n)++)\r\n"
)
_NOT_PLAIN = frozenset(
    {
        "HTTP_TRANSFER_ENCODING",
        "HTTP_EXPECT",
        "HTTP_UPGRADE",
        "HTTP_X_FORWARDED_PROTOCOL",
        "HTTP_X_FORWARDED_SSL",
    }
)
_LENGTH = re.compile(r"[0-9]{1,18}")


class PlainRequest(NamedTuple):
    """A request; `coming` is its body where that has not all come yet."""

    environ: dict[str, Any]
    coming: "ComingBody | None"

    @property
    def all_read(self) -> bool:
        """Whether the socket has nothing more of it."""
        return self.coming is None or not self.coming.unread


class ComingBody(io.RawIOBase):
    """The bytes that came with the head, then what the socket brings, so many in all."""

    def __init__(self, client: socket.socket, first: bytes, length: int) -> None:
        super().__init__()
        self._client = client
        self._first = first
        self.unread = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        wanted = memoryview(buffer)[: self.unread]
        if self._first:
            count = min(len(self._first), len(wanted))
            wanted[:count] = self._first[:count]
            self._first = self._first[count:]
        else:
            count = self._client.recv_into(wanted) if wanted else 0
        self.unread -= count
        return count


class PlainReader:
    """Reads the plain requests of one listening socket.

    Args:
        cfg: Gunicorn's configuration.
        server: the socket's own address: a path, or host and port.
    """

    def __init__(self, cfg: Any, server: Any) -> None:
        self._cfg = cfg
        self._server = server
        self._base = gunicorn.http.wsgi.base_environ(cfg) | {"SCRIPT_NAME": ""}

    def read(self, client: socket.socket, came: bytes, peer: Any) -> PlainRequest | None:
        """The request that begins with these bytes; None where they are not a plain one.

        Args:
            came: what was received first.
            peer: the other side's address, host and port; of a unix socket any text.
        """
        head = _HEAD.match(came, 0, _MAX_HEAD_BYTES)
        # The name that the other side of a unix socket gave itself is Gunicorn's to read.
        named = isinstance(peer, bytes)
        environ = self._environ(head, peer) if head is not None and not named else None
        if head is None or environ is None:
            return None
        declared, first = environ.get("CONTENT_LENGTH", "0"), came[head.end() :]
        # More than the body is a second request, or something that pretends to be one.
        if not _LENGTH.fullmatch(declared) or len(first) > int(declared):
            return None
        if len(first) == int(declared):
            environ["wsgi.input"] = io.BytesIO(first)
            return PlainRequest(environ, None)
        coming = ComingBody(client, first, int(declared))
        # Reads what is asked for straight into the bytes that it returns.
        environ["wsgi.input"] = io.BufferedReader(coming, FIRST_BYTES)
        return PlainRequest(environ, coming)

    def _environ(self, head: "re.Match[bytes]", peer: Any) -> dict[str, Any] | None:
        environ: dict[str, Any] = self._base.copy()
        method, target, fields = head[1].decode(), head[2].decode(), head[3].decode("latin-1")
        for line in fields[:-2].split("\r\n"):
            name, _, value = line.partition(":")
            key = _variable(name)
            if key in environ:
                return None
            environ[key] = value.strip(" \t")
        if not _NOT_PLAIN.isdisjoint(environ) or "HTTP_HOST" not in environ:
            return None
        path, _, query = target.partition("?")
        environ["REQUEST_METHOD"] = method
        environ["RAW_URI"] = target
        environ["PATH_INFO"] = util.unquote_to_wsgi_str(path) if "%" in path else path
        environ["QUERY_STRING"] = query
        environ["SERVER_PROTOCOL"] = "HTTP/1.1"
        self._add_addresses(environ, peer)
        return environ

    def _add_addresses(self, environ: dict[str, Any], peer: Any) -> None:
        proxied = True
        if isinstance(peer, tuple):
            environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = peer[0], str(peer[1])
            proxied = _is_proxy(peer[0], tuple(self._cfg.forwarded_allow_ips))
        else:
            environ["REMOTE_ADDR"] = peer
        https = proxied and environ.get("HTTP_X_FORWARDED_PROTO") == "https"
        environ["wsgi.url_scheme"] = "https" if https else "http"
        if isinstance(self._server, tuple):
            environ["SERVER_NAME"], environ["SERVER_PORT"] = self._server[0], str(self._server[1])
        else:
            name, *port = environ["HTTP_HOST"].split(":")
            environ["SERVER_NAME"] = name
            environ["SERVER_PORT"] = port[0] if port else ("443" if https else "80")


# Names are of the callers' choice: those in use stay, invented ones drop out.
@lru_cache(maxsize=256)
def _variable(name: str) -> str:
    """How WSGI calls a field. Source: RFC 3875 section 4.1."""
    variable = name.upper().replace("-", "_")
    return variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{variable}"


@lru_cache(maxsize=256)
def _is_proxy(address: str, allowed: tuple[str, ...]) -> bool:
    """Whether Gunicorn believes this peer what the caller's scheme was."""
    peer = ip_address(address)
    return "*" in allowed or any(peer in ip_network(one) for one in allowed)
