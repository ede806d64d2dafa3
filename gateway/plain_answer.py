"""A plain answer, written in one step: its head together with the first part of its body.

Gunicorn writes them one by one, looks at each field by itself, and wakes the proxy twice. What is
not plain is left to it. Source: RFC 9112, PEP 3333.
"""

import re
import socket
import time
from functools import lru_cache
from typing import Any, NamedTuple

import gunicorn.http.wsgi
from gunicorn import util

_FIELDS = re.compile(r"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++: [\t -~\x80-\xff]*+\r\n)*+")
_WITHOUT_BODY = ("1", "204", "304")
_JOINED_BYTES = 64 * 1024

Headers = list[tuple[str, str]]


class PlainAnswer:
    """What a WSGI app answers one request with.

    Args:
        method: of the request.
        cfg: Gunicorn's configuration.
    """

    def __init__(self, client: socket.socket, method: str, cfg: Any) -> None:
        self._client = client
        self._method = method
        self._cfg = cfg
        self._head = b""
        self._by_gunicorn: Any = None
        self.begun = False

    def send(self, app: Any, environ: dict[str, Any]) -> None:
        """All that the app answers. Raises what it raises, and OSError where nobody listens."""
        parts = app(environ, self.start_response)
        try:
            for part in parts:
                self.write(part)
            self.end()
        finally:
            if hasattr(parts, "close"):
                parts.close()

    def start_response(self, status: str, headers: Headers, exc_info: Any = None) -> Any:
        """As PEP 3333 says."""
        head = plain_head(status, headers) if self._method != "HEAD" else None
        if head is None or exc_info is not None:
            asked = _Asked(self._method)
            self._by_gunicorn = gunicorn.http.wsgi.Response(asked, self._client, self._cfg)
            self._by_gunicorn.force_close()
            self._by_gunicorn.start_response(status, headers, exc_info)
        self._head = head or b""
        return self.write

    def write(self, part: bytes) -> None:
        """Send a part of the body."""
        head, self._head, self.begun = self._head, b"", True
        if self._by_gunicorn is not None:
            self._by_gunicorn.write(part)
        elif len(part) < _JOINED_BYTES:
            self._client.sendall(head + part)
        else:
            # Joining copies: for a large part that costs more than a second write.
            self._client.sendall(head)
            self._client.sendall(part)

    def end(self) -> None:
        """Send what no part has sent."""
        self.begun = True
        if self._by_gunicorn is not None:
            self._by_gunicorn.close()
        elif self._head:
            self._client.sendall(self._head)


class _Asked(NamedTuple):
    """What Gunicorn's writer wants to know of a request."""

    method: str
    version: tuple[int, int] = (1, 1)


def plain_head(status: str, headers: Headers) -> bytes | None:
    """The head of an answer of known length; None where there is more to think about.

    Gunicorn refuses what is no field, so that is left to it as well.
    """
    names = {name.lower() for name, _ in headers}
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if (
        "content-length" not in names
        or not names.isdisjoint(util.hop_headers)
        or status.startswith(_WITHOUT_BODY)
        or fields.count("\r\n") != len(headers)
        or not _FIELDS.fullmatch(fields)
    ):
        return None
    about = f"Server: {gunicorn.http.wsgi.SERVER}\r\nDate: {_date(int(time.time()))}\r\n"
    return f"HTTP/1.1 {status}\r\n{about}Connection: close\r\n{fields}\r\n".encode("latin-1")


@lru_cache(maxsize=1)
def _date(now_s: int) -> str:
    return str(util.http_date(now_s))
