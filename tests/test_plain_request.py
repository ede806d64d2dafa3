"""The short way for plain requests says what Gunicorn's parser says, or nothing at all."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import get_parser
from gunicorn.http.wsgi import create
from hypothesis import given
from hypothesis import strategies as st
from request_corpus import corpus

from gateway.plain_request import PlainReader, PlainRequest

CORPUS = corpus()
SERVER = "/run/app.sock"
BODY = b'{"data":[[1.5]]}'
HEAD = (
    b"POST /v1/models/a%20b/predict?on_error=row HTTP/1.1\r\nHost: localhost:8443\r\n"
    b"X-Forwarded-Proto: https\r\nContent-Type: application/json\r\nX-Real-IP: \t10.0.0.7 \r\n"
)
PLAIN = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
# What only Gunicorn needs, or is an object of each request.
_OWN = {"wsgi.input", "wsgi.errors", "wsgi.early_hints", "gunicorn.socket"}


@contextmanager
def _pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def _read(came: bytes, client: Any = None, peer: Any = "", server: Any = SERVER) -> Any:
    return PlainReader(Config(), server).read(client, came, peer)


def _by_gunicorn(sent: bytes, peer: Any = "", server: Any = SERVER) -> tuple[dict[str, Any], bytes]:
    """Raises what Gunicorn's parser raises."""
    cfg = Config()
    with _pair() as (ours, theirs):
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        request = next(get_parser(cfg, ours, peer))
        _, environ = create(request, ours, peer, server, cfg)
        return environ, environ["wsgi.input"].read()


def _without_own(environ: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in environ.items() if name not in _OWN}


def _assert_same(sent: bytes, found: PlainRequest, peer: Any = "", server: Any = SERVER) -> None:
    environ, body = _by_gunicorn(sent, peer, server)

    assert _without_own(found.environ) == _without_own(environ)
    assert found.environ["wsgi.input"].read() == body


@pytest.mark.parametrize(
    "peer", ["", ("127.0.0.1", 5000), ("10.0.0.7", 5000), ("::1", 5000, 0, 0)], ids=str
)
@pytest.mark.parametrize("server", [SERVER, ("10.0.0.1", 8000)], ids=str)
def test_a_plain_request_is_what_gunicorn_makes_of_it(peer: Any, server: Any) -> None:
    """The same environment and body; who may say that the caller used TLS is the same as well."""
    found = _read(PLAIN, peer=peer, server=server)

    _assert_same(PLAIN, found, peer, server)
    assert found.all_read


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /? HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /a/%C3%A4?b=%20%zz HTTP/1.1\r\nHost: x:1:2\r\n\r\n",
        b"HEAD /a;b=c/..%2f HTTP/1.1\r\nHost: [::1]:8443\r\nAccept:\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Text: \xe4\x80\xff\r\n\r\n",
        b"DELETE /a HTTP/1.1\r\nHOST: a\r\nhTTp-x: 1\r\nScript-Name: /x\r\n\r\n",
    ],
)
def test_odd_ones_are_the_same_too(sent: bytes) -> None:
    """What looks strange but leaves nothing open is read as Gunicorn reads it."""
    _assert_same(sent, _read(sent))


NOT_PLAIN = {
    "a fragment": b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    "two slashes": b"GET //a HTTP/1.1\r\nHost: a\r\n\r\n",
    "another form of target": b"GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "an octet that is no text": b"GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n",
    "an older version": b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    "a method of its own": b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\nAccept: a\r\n\r\n",
    "no field": b"GET / HTTP/1.1\r\n\r\n",
    "a field twice": b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
    "the same name in two cases": b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\n\r\n",
    "an underscore": b"GET / HTTP/1.1\r\nHost: a\r\nX_Real_IP: b\r\n\r\n",
    "a folded field": b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "a bare line feed": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "a bare line feed in a field": b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    "a control character": b"GET / HTTP/1.1\r\nHost: a\x00\r\n\r\n",
    "an empty line first": b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "an unfinished head": b"GET / HTTP/1.1\r\nHost: a\r\n",
    "chunks": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an expectation": b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
    "an upgrade": b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n",
    "other words of a proxy": b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Ssl: on\r\n\r\n",
    "a length that is no number": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
    "a length of other digits": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \xb2\r\n\r\nx",
    "an empty length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
    "two lengths": PLAIN.replace(b"Content-Length", b"Content-Length: 1\r\nContent-Length"),
    "more than its body": PLAIN + b"x",
    "a second request": PLAIN + PLAIN,
    "a body without a length": HEAD + b"\r\n" + BODY,
    "a long head": b"GET / HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n" % (b"x" * 8190),
}  # fmt: skip


@pytest.mark.parametrize("sent", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_whatever_else_is_left_to_gunicorn(sent: bytes) -> None:
    """Nothing is interpreted, repaired or refused here."""
    assert _read(sent) is None


def test_a_peer_with_a_name_of_its_own_is_left_to_gunicorn() -> None:
    """Abstract names of unix sockets are bytes, and no text of a log."""
    assert _read(PLAIN, peer=b"\0peer") is None


def test_the_longest_plain_head_is_read_and_one_octet_more_is_not() -> None:
    """Both sides of the limit."""
    start, end = b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"\r\n\r\n"
    longest = start + b"x" * (8190 - len(start) - len(end)) + end

    assert _read(longest) is not None
    assert _read(longest.replace(b"X: x", b"X: xx")) is None


_PIECES = [
    *(b"\r\n", b"\n", b"\r", b": ", b":", b" ", b"\t", b"\0", b"\xff"),
    *(b"_", b"#", b"//", b"%", b"?"),
    *(b"Content-Length: 3", b"Content-Length: 0", b"Transfer-Encoding: chunked", b"Host: b"),
    *(b"GET / HTTP/1.1", b"POST", b" HTTP/1.0", b"X-Forwarded-Proto: http", b"Expect: x", b"abc"),
]  # fmt: skip


@given(st.data())
def test_no_damage_makes_it_say_something_else(data: st.DataObject) -> None:
    """A request damaged in any place is read as Gunicorn reads it, or not at all."""
    sent = data.draw(st.sampled_from([PLAIN, PLAIN.replace(BODY, b"abc"), *NOT_PLAIN.values()]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(sent)))
        dropped = data.draw(st.integers(0, 4))
        piece = data.draw(st.sampled_from(_PIECES) | st.binary(max_size=3))
        sent = sent[:at] + piece + sent[at + dropped :]
    with _pair() as (ours, theirs):
        theirs.shutdown(socket.SHUT_WR)
        found = _read(sent, ours)

        if found is not None:
            _assert_same(sent, found)


@pytest.mark.parametrize("sent", CORPUS.values(), ids=CORPUS)
def test_requests_that_servers_have_read_wrongly(sent: bytes) -> None:
    """As Gunicorn reads them, or not at all, also with the fields that a proxy adds (SEC-77)."""
    for one in (sent, sent.replace(b"\r\n", b"\r\nHost: a\r\nX-Forwarded-Proto: https\r\n", 1)):
        with _pair() as (ours, theirs):
            theirs.shutdown(socket.SHUT_WR)
            found = _read(one, ours)

            if found is not None:
                _assert_same(one, found)


def test_a_large_body_is_read_as_it_comes() -> None:
    """All of it, in order; the socket is empty only then."""
    body = b"".join(b"%d," % number for number in range(400_000))
    sent = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with _pair() as (ours, theirs):
        found = _read(sent[:70_000], ours)
        half = sent[70_000:200_000]
        theirs.sendall(half)

        assert not found.all_read
        assert found.environ["wsgi.input"].read(10) == body[:10]

        theirs.setblocking(False)
        read = bytearray(body[:10])
        rest = memoryview(sent)[200_000:]
        while len(read) < len(body):
            read += found.environ["wsgi.input"].read(65_536)
            if rest:
                rest = rest[theirs.send(rest[:65_536]) :]

        assert read == body
        assert found.all_read
        assert found.environ["wsgi.input"].read() == b""


def test_a_body_that_breaks_off_ends_there() -> None:
    """Reading gives what came; that it was too little is told by its length."""
    with _pair() as (ours, theirs):
        found = _read(HEAD + b"Content-Length: 100\r\n\r\nabc", ours)
        theirs.sendall(b"def")
        theirs.shutdown(socket.SHUT_WR)

        assert found.environ["wsgi.input"].read(100) == b"abcdef"
        assert not found.all_read
