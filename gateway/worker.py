"""The Gunicorn worker: starts the app's background work, and answers Gunicorn's own errors.

Gunicorn's errors are HTML with the offending header in them; ours are problems that repeat
nothing of the request, in the answer or in the log.
"""

import secrets
import socket
from functools import cache
from http import HTTPStatus
from typing import Any, ClassVar

import gunicorn.http.wsgi
import orjson
import structlog
from gunicorn import util
from gunicorn.glogging import Logger
from gunicorn.http import errors
from gunicorn.workers.sync import SyncWorker

from gateway.errors import PROBLEM_JSON, problem_for_status
from gateway.security_headers import security_headers

log = structlog.get_logger()

_JOINED_BYTES = 64 * 1024

# The Server header names no product and no version.
gunicorn.http.wsgi.SERVER = "gateway"


class GatewayLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's logger without its access log: each request has one event, and it is ours."""

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Nothing: a logging dictionary would switch the access log on."""


class GatewayWorker(SyncWorker):  # type: ignore[misc]  # gunicorn has no types
    """One request at a time: measured, this has the best tail behind a buffering proxy."""

    _STATUS: ClassVar[dict[type[BaseException], int]] = {
        errors.LimitRequestLine: 414,
        errors.LimitRequestHeaders: 431,
        errors.UnsupportedTransferCoding: 501,
        errors.ExpectationFailed: 417,
        # Gunicorn ends a worker that outlasted every deadline: with this, where it still listens.
        SystemExit: 504,
        # What the app tried to send is not the caller's fault.
        errors.InvalidResponseHeader: 500,
        errors.InvalidResponseHeaderName: 500,
        errors.ConfigurationProblem: 500,
    }

    def run(self) -> None:
        """Serve until told to stop. `self.wsgi` is a `gateway.wsgi.service.Service`."""
        self.wsgi.start()
        try:
            super().run()
        finally:
            self.wsgi.stop()

    def handle_request(self, listener: Any, req: Any, client: Any, addr: Any) -> None:
        """Answer, and be free for the next call at once.

        Gunicorn closes gracefully: it waits until the other side has hung up, for which nginx takes
        its time. That was 40 % of a worker's time at full load.
        """
        whole = _HeadWithBody(client)
        super().handle_request(listener, req, whole, addr)
        whole.flush()
        if client.family == socket.AF_UNIX and _nothing_unread(client):
            client.close()

    def handle_error(self, _req: Any, client: Any, _addr: Any, exc: BaseException) -> None:
        """Answer what never became a request of the app's."""
        request_id = secrets.token_hex(16)
        status = self._status(exc)
        facts = {"request_id": request_id, "status": status, "error": type(exc).__name__}
        if status == 500:
            log.error("request_failed", **facts, exc_info=exc)
        else:
            log.warning("request_refused_by_server", **facts)
        try:
            util.write_nonblock(client, _answer(status, request_id))
        except OSError:
            log.debug("refusal_not_delivered", request_id=request_id)

    def _status(self, exc: BaseException) -> int:
        for kind, status in self._STATUS.items():
            if isinstance(exc, kind):
                return status
        return 400 if isinstance(exc, errors.ParseException) else 500


class _HeadWithBody:
    """A socket that sends the head of an answer together with the first part of its body.

    Gunicorn writes them one by one, and wakes nginx for each: 6 % of the time of a small call.
    """

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._head: bytes | None = None

    def sendall(self, data: bytes) -> None:
        if self._head is None:
            self._head = data
        elif self._head and len(data) < _JOINED_BYTES:
            data, self._head = self._head + data, b""
            self._client.sendall(data)
        else:
            # Joining copies: for a large part that costs more than a second write.
            self.flush()
            self._client.sendall(data)

    def flush(self) -> None:
        """Send a head that no body followed."""
        if self._head:
            self._client.sendall(self._head)
            self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def _nothing_unread(client: socket.socket) -> bool:
    """Whether closing loses nothing: with bytes unread, it would cost the peer the answer's end."""
    try:
        client.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@cache
def _security_headers() -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in security_headers())


def _answer(status: int, request_id: str) -> bytes:
    problem = problem_for_status(status)
    body = orjson.dumps(problem.body(request_id))
    head = (
        f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n"
        f"Content-Type: {PROBLEM_JSON}\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"X-Request-ID: {request_id}\r\n"
        f"{_security_headers()}"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
