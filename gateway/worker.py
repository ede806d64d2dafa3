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
from gateway.observability.library_warnings import log_each_warning_once
from gateway.plain_answer import PlainAnswer
from gateway.plain_request import FIRST_BYTES, PlainReader, PlainRequest
from gateway.security_headers import security_headers
from model.memory import keep_freed_memory

log = structlog.get_logger()

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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._readers: dict[Any, PlainReader] = {}

    def run(self) -> None:
        """Serve until told to stop. `self.wsgi` is a `gateway.wsgi.service.Service`."""
        keep_freed_memory()
        self.wsgi.start()
        log_each_warning_once()
        try:
            super().run()
        finally:
            self.wsgi.stop()

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        """Answer one request, by the short way if it is a plain one."""
        try:
            self._handle(listener, client, addr)
        finally:
            # What the server itself logs between two requests belongs to neither.
            structlog.contextvars.clear_contextvars()

    def _handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        try:
            came = client.recv(FIRST_BYTES)
        except OSError:
            came = b""
        if not came:
            client.close()
            return
        request = self._reader(listener).read(client, came, addr)
        if request is None:
            super().handle(listener, _Replayed(client, came), addr)
            return
        self._answer(request, client, addr)

    def _reader(self, listener: Any) -> PlainReader:
        reader = self._readers.get(listener)
        if reader is None:
            self._readers[listener] = reader = PlainReader(self.cfg, listener.getsockname())
        return reader

    def _answer(self, request: PlainRequest, client: socket.socket, addr: Any) -> None:
        answer = PlainAnswer(client, request.environ["REQUEST_METHOD"], self.cfg)
        try:
            answer.send(self.wsgi, request.environ)
        except OSError as exc:
            log.debug("answer_not_delivered", error=type(exc).__name__)
        except BaseException as exc:  # SystemExit too, by which Gunicorn ends a late worker.
            if answer.begun:
                log.exception("answer_broken_off")
            else:
                self.handle_error(None, client, addr, exc)
        finally:
            _close(client, all_read=request.all_read)

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


class _Replayed:
    """A socket from which the first bytes can be received once more."""

    def __init__(self, client: socket.socket, came: bytes) -> None:
        self._client = client
        self._came = came

    def recv(self, size: int, *flags: int) -> bytes:
        if not self._came:
            return self._client.recv(size, *flags)
        came, self._came = self._came[:size], self._came[size:]
        return came

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def _close(client: socket.socket, *, all_read: bool) -> None:
    """Hang up, and lose nothing of the answer.

    Gunicorn waits until the other side has hung up, for which nginx takes its time: 40 % of a
    worker's time at full load. Where nothing is left to read, nothing is lost without waiting; over
    a network it may still be on its way.
    """
    if all_read and client.family == socket.AF_UNIX:
        client.close()
    else:
        util.close_graceful(client)


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
