"""What one request carries: its id, trace, deadline, clock, facts, and its closing log event."""

import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import structlog
from flask import Request, Response, request

from gateway.errors import Overloaded, Unauthenticated
from gateway.principal import Principal
from gateway.web import add_fields

log = structlog.get_logger()

_REQUEST_ID = re.compile(r"[0-9a-f]{32}")
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_QUEUED_AT = re.compile(r"t=([0-9]{1,12}\.[0-9]{3})")
# Any other is text of the caller's choice.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
# Probes, in any dialect, come every few seconds for ever: only their failures are worth a line.
_QUIET_ENDPOINTS = frozenset({"live", "ready", "ping", "health"})


class RequestContext:
    """One request. Times are of `time.perf_counter`, in seconds."""

    __slots__ = (
        "client_address",
        "deadline",
        "decision",
        "entered_at",
        "facts",
        "on_close",
        "phase",
        "phases",
        "principal",
        "request",
        "request_id",
        "started_at",
        "trace_id",
        "waited_s",
    )

    def __init__(self, asked: Request, deadline_s: float) -> None:
        environ = asked.environ
        self.request = asked
        self.started_at = self.entered_at = time.perf_counter()
        # Only the proxy's unix socket has an empty peer address, so nobody else is believed.
        proxied = not environ.get("REMOTE_ADDR")
        self.request_id = _request_id(environ) if proxied else secrets.token_hex(16)
        self.client_address: str = environ.get("HTTP_X_REAL_IP" if proxied else "REMOTE_ADDR", "")
        self.waited_s = _waited_s(environ) if proxied else 0.0
        self.trace_id = _trace_id(environ) or self.request_id
        self.deadline = self.started_at + deadline_s - self.waited_s
        self.principal: Principal | None = None
        # What the limits said of this call, once they were asked (a limits.Decision).
        self.decision: Any = None
        self.facts: dict[str, Any] = {}
        self.phase = ""
        self.phases: dict[str, float] = {}
        self.on_close: list[Callable[[int], None]] = []

    def enter(self, phase: str) -> None:
        """From now on time is spent in this phase; "" is none. A refusal ends in its phase."""
        now = time.perf_counter()
        if self.phase:
            self.phases[self.phase] = self.phases.get(self.phase, 0.0) + now - self.entered_at
        self.phase, self.entered_at = phase, now

    @property
    def caller(self) -> Principal:
        """The principal of a request that has passed authentication.

        Raises: Unauthenticated, where a route forgot it.
        """
        if self.principal is None:
            raise Unauthenticated(reason="no_principal", credentials_given=False)
        return self.principal

    def remaining_s(self) -> float:
        """How long this request may still take."""
        return self.deadline - time.perf_counter()


# Asked some fifty times a call: `flask.g` and `flask.request`, which stand for the object of the
# request in hand, take 1 µs each time, this and `context().request` 0.1: 9 % of a call.
_current: ContextVar[RequestContext] = ContextVar("gateway_request")


def context() -> RequestContext:
    """The context of the request in hand."""
    return _current.get()


def note(**facts: Any) -> None:
    """Add facts to the request's closing log event."""
    _current.get().facts.update(facts)


class RequestClock:
    """First and last of the pipeline: begins the context, refuses late requests, closes it."""

    def __init__(self, *, deadline_s: float, max_wait_s: float) -> None:
        self._deadline_s = deadline_s
        self._max_wait_s = max_wait_s

    def begin_request(self) -> None:
        """Raises: Overloaded, if the request waited too long before a worker took it."""
        current = RequestContext(request._get_current_object(), self._deadline_s)  # type: ignore[attr-defined]  # werkzeug's proxies have it
        _current.set(current)
        # Whatever is logged on the way carries the id that the caller is told.
        structlog.contextvars.bind_contextvars(request_id=current.request_id)
        if current.waited_s > self._max_wait_s:
            facts = {"waited_ms": round(current.waited_s * 1000)}
            raise Overloaded("The request waited too long for a worker.", facts=facts)

    def finish_request(self, response: Response) -> Response:
        """Name the request in the answer; say the rest once the answer is out."""
        current = context()
        current.enter("")
        add_fields(response, (("X-Request-ID", current.request_id),))
        event = _closing_event(current, response)
        probed = (current.request.endpoint or "").rpartition(".")[2]
        quiet = probed in _QUIET_ENDPOINTS and response.status_code < 400
        environ, status = current.request.environ, response.status_code
        if response.is_streamed:
            response.response = _counted(response.response, event)

        def close() -> None:
            for action in current.on_close:
                _run_safely(action, status)
            _drain(environ)
            if not quiet:
                _write(event, current)

        response.call_on_close(close)
        return response


def _counted(parts: Iterable[Any], event: dict[str, Any]) -> Iterator[Any]:
    for part in parts:
        event["bytes_out"] += len(part)
        yield part


def _closing_event(current: RequestContext, response: Response) -> dict[str, Any]:
    event: dict[str, Any] = {"request_id": current.request_id, "trace_id": current.trace_id}
    principal = current.principal
    if principal is not None:
        event["partner"] = principal.partner
        event["client_id"] = principal.client_id
        event["key_id"] = principal.key_id
        event["jti"] = principal.jti
    asked = current.request
    event["method"] = asked.method if asked.method in _METHODS else "other"
    event["route"] = asked.url_rule.rule if asked.url_rule else "unmatched"
    event["status"] = response.status_code
    event["bytes_in"] = _bytes_in(asked.environ)
    event["bytes_out"] = response.content_length or 0
    event["client_address"] = current.client_address
    return event


def _bytes_in(environ: Mapping[str, Any]) -> int:
    """What the caller declared; 0 where that is not known."""
    declared = environ.get("CONTENT_LENGTH", "")
    return int(declared) if declared.isascii() and declared.isdecimal() else 0


def _ms(seconds: float) -> float:
    """In milliseconds, to the microsecond; `round` takes five times as long."""
    return int(seconds * 1e6 + 0.5) / 1000


def _write(event: dict[str, Any], current: RequestContext) -> None:
    event.update(current.facts)
    event["duration_ms"] = _ms(time.perf_counter() - current.started_at)
    for phase, seconds in current.phases.items():
        event[f"{phase}_ms"] = _ms(seconds)
    write = log.error if event["status"] >= 500 else log.info
    _run_safely(lambda _: write("request_finished", **event), 0)


def _run_safely(action: Callable[[int], None], status: int) -> None:
    # The answer is out: whatever fails now (a full disk, a lost store) must not end the worker.
    try:
        action(status)
    except Exception:
        # If the log itself fails, there is nowhere left to say so.
        with suppress(Exception):
            log.exception("after_request_failed")


# Without a proxy that caps bodies, an endless one must not hold the worker.
_DRAINED_MIB = 32


def _drain(environ: Mapping[str, Any]) -> None:
    # A worker that closes its socket with an unread body makes nginx answer 502 in place of
    # the refusal. nginx holds the body already and caps its size, so this takes milliseconds.
    stream = environ["wsgi.input"]
    has_body = environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ
    if has_body and not environ.get("gateway.body_read"):
        # A caller that breaks off is no news, and servers repeat what it sent in their errors.
        with suppress(Exception):
            for _ in range(_DRAINED_MIB):
                if not stream.read(1 << 20):
                    break


def _request_id(environ: Mapping[str, Any]) -> str:
    given = environ.get("HTTP_X_REQUEST_ID", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


def _trace_id(environ: Mapping[str, Any]) -> str | None:
    """W3C Trace Context, section 3.2; anything else is ignored."""
    given = environ.get("HTTP_TRACEPARENT")
    match = _TRACEPARENT.fullmatch(given) if given else None
    return match[1] if match else None


def _waited_s(environ: Mapping[str, Any]) -> float:
    match = _QUEUED_AT.fullmatch(environ.get("HTTP_X_REQUEST_START", ""))
    return max(0.0, time.time() - float(match[1])) if match else 0.0
