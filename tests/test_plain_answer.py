"""The short way for plain answers writes what Gunicorn writes."""

import re
import socket
from collections.abc import Callable
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import InvalidResponseHeader, InvalidResponseHeaderName
from gunicorn.http.wsgi import Response

from gateway.plain_answer import PlainAnswer, plain_head

App = Callable[[dict[str, Any], Any], Any]
JSON = ("Content-Type", "application/json")


class _Asked:
    def __init__(self, method: str) -> None:
        self.method, self.version = method, (1, 1)


def _app(status: str, headers: list[tuple[str, str]], *parts: bytes) -> App:
    def app(_environ: dict[str, Any], start_response: Any) -> tuple[bytes, ...]:
        start_response(status, headers)
        return parts

    return app


def _received(send: Callable[[socket.socket], None]) -> bytes:
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            send(ours)
        sent = b"".join(iter(lambda: theirs.recv(65_536), b""))
    return re.sub(rb"Date: [^\r]+", b"Date:", sent)


def _ours(app: App, method: str = "POST") -> bytes:
    return _received(lambda client: PlainAnswer(client, method, Config()).send(app, {}))


def _gunicorns(app: App, method: str = "POST") -> bytes:
    def send(client: socket.socket) -> None:
        response = Response(_Asked(method), client, Config())
        response.force_close()
        for part in app({}, response.start_response):
            response.write(part)
        response.close()

    return _received(send)


ANSWERS = {
    "plain": _app("200 OK", [JSON, ("Content-Length", "2")], b"{}"),
    "empty": _app("200 OK", [JSON, ("Content-Length", "0")]),
    "an empty part": _app("200 OK", [JSON, ("Content-Length", "2")], b"", b"{}"),
    "several parts": _app("400 Bad Request", [("content-length", "4")], b"{", b" ", b" }"),
    "large": _app("200 OK", [("Content-Length", "100000")], b"x" * 100_000),
    "a field twice": _app("200 OK", [("Link", "a"), ("Link", "b"), ("Content-Length", "0")]),
    "text beyond ASCII": _app("200 OK", [("X-A", "\xe4\t\xff"), ("Content-Length", "0")]),
    "without a length": _app("200 OK", [JSON], b"{", b"}"),
    "no content": _app("204 No Content", [("Content-Length", "0")]),
    "not modified": _app("304 Not Modified", [("ETag", '"a"'), ("Content-Length", "9")]),
    "hop by hop": _app("200 OK", [("Connection", "x"), ("Server", "y"), ("Content-Length", "0")]),
}


@pytest.mark.parametrize("method", ["POST", "HEAD"])
@pytest.mark.parametrize("app", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_what_gunicorn_makes_of_it(app: App, method: str) -> None:
    """The same bytes, whichever of the two wrote them."""
    assert _ours(app, method) == _gunicorns(app, method)


@pytest.mark.parametrize(
    ("header", "refusal"),
    [
        (("X-A", "a\r\nSet-Cookie: b"), InvalidResponseHeader),
        (("X-A", "a\nb"), InvalidResponseHeader),
        (("X-A", "a\0"), InvalidResponseHeader),
        (("X-A\r\nX-B", "a"), InvalidResponseHeaderName),
        (("X A", "a"), InvalidResponseHeaderName),
        (("X-A", "€"), InvalidResponseHeader),
    ],
)
def test_what_would_split_an_answer_is_refused(
    header: tuple[str, str], refusal: type[Exception]
) -> None:
    """Nothing is sent; the worker answers 500 and says why in the log."""
    headers = [header, ("Content-Length", "0")]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        answer = PlainAnswer(ours, "POST", Config())
        with pytest.raises(refusal):
            answer.send(_app("200 OK", headers), {})
        ours.shutdown(socket.SHUT_WR)

        assert plain_head("200 OK", headers) is None
        assert not answer.begun
        assert theirs.recv(100) == b""


class _Closing:
    """Parts that fail at the second, and know whether they were closed."""

    closed = False

    def __iter__(self) -> Any:
        yield b"{"
        raise RuntimeError("broken")

    def close(self) -> None:
        self.closed = True


def test_parts_are_closed_when_they_fail() -> None:
    """The closing event of a request is written by `close`; it must never be left out."""
    parts = _Closing()

    def app(_environ: dict[str, Any], start_response: Any) -> _Closing:
        start_response("200 OK", [("Content-Length", "2")])
        return parts

    ours, theirs = socket.socketpair()
    with ours, theirs:
        answer = PlainAnswer(ours, "POST", Config())
        with pytest.raises(RuntimeError):
            answer.send(app, {})

    assert parts.closed
    assert answer.begun


def test_an_error_before_the_answer_replaces_it() -> None:
    """PEP 3333: headers given with exc_info take the place of those before, if none were sent."""

    def app(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "2")])
        late = RuntimeError("late")
        start_response("500 Oops", [("Content-Length", "3")], (RuntimeError, late, None))
        return [b"bad"]

    assert _ours(app).startswith(b"HTTP/1.1 500 Oops")
    assert _ours(app).endswith(b"\r\n\r\nbad")
