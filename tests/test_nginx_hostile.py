"""Callers that are slow on purpose, and HTTP/2 as a weapon: nobody else notices.

SEC-78 and SEC-79.
"""

import contextlib
import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack

import h2.config
import h2.connection
import h2.errors
import h2.exceptions
import httpx
import pytest
from edge_requests import HOST
from edge_server import EdgeServer, running_edge

# As the shipped ones, but short enough to wait for, and long enough for a busy machine to tell
# that nobody waited for them.
_SHORTER = [
    ("limits.conf", "client_header_timeout 5s", "client_header_timeout 4s"),
    ("limits.conf", "client_body_timeout 10s", "client_body_timeout 4s"),
    ("limits.conf", "send_timeout 10s", "send_timeout 1s"),
]
_OF_EACH_KIND = 8
_RESETS = 2000
_POST = b"POST /v1/models/a/predict HTTP/1.1\r\n" + HOST


@pytest.fixture(scope="module")
def patient() -> Iterator[EdgeServer]:
    """An nginx that waits less long, before applications with one worker each."""
    with running_edge(upstreams=True, changes=_SHORTER) as server:
        yield server


def _require_answers(edge: EdgeServer) -> None:
    """Somebody else calls, and is answered."""
    with httpx.Client(base_url=edge.url, verify=edge.trust(), timeout=20) as client:
        assert [client.post("/predict", content=b"{}").status_code for _ in range(5)] == [200] * 5


def _is_closed(connection: ssl.SSLSocket) -> bool:
    """Whether the other side ends this, once what it still had to say was read."""
    connection.settimeout(20)
    try:
        while connection.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True  # Reset: an unread rest was waiting.
    return True


_BEGUN = (
    b"",
    b"POST /predict HT",
    _POST + b"X-Slow: ",
    _POST + b"Content-Length: 100\r\n\r\n{",
    _POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
)


def test_who_sends_slowly_is_disconnected_and_holds_nobody_up(patient: EdgeServer) -> None:
    """No worker knows of a request before it is there as a whole: one is enough for the others."""
    context = patient.trust()
    with ExitStack() as stack:
        slow = []
        for begun in _BEGUN * _OF_EACH_KIND:
            connection = stack.enter_context(patient.connect(context))
            connection.sendall(begun)
            slow.append(connection)

        _require_answers(patient)
        # The others were not answered because these had been disconnected.
        assert not any(_is_reset(connection, within_s=0) for connection in slow[-len(_BEGUN) :])
        assert all(_is_closed(connection) for connection in slow)


def _is_reset(connection: ssl.SSLSocket, within_s: float) -> bool:
    """Whether it is gone, without reading what came."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(within_s * 1000))


def _small_window(edge: EdgeServer, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A connection that takes a few kilobytes before it has to be read."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.settimeout(20)
    plain.connect(("127.0.0.1", edge.edge.port))
    return context.wrap_socket(plain, server_hostname="localhost")


def test_who_reads_slowly_is_disconnected_and_holds_nobody_up(patient: EdgeServer) -> None:
    """nginx takes an answer from its worker at once, and gives up who does not fetch it."""
    context = patient.trust()
    # Many answers, asked for at once and never read, are more than sockets hold.
    request = b"GET /predict HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 8000 + b"\r\n\r\n"
    with ExitStack() as stack:
        slow = [stack.enter_context(_small_window(patient, context)) for _ in range(5)]
        for connection in slow:
            connection.settimeout(0.5)
            with contextlib.suppress(TimeoutError, OSError):
                for _ in range(1000):
                    connection.sendall(request)

        _require_answers(patient)
        assert all(_is_reset(connection, within_s=20) for connection in slow)


@contextlib.contextmanager
def _h2(edge: EdgeServer) -> Iterator[tuple[ssl.SSLSocket, h2.connection.H2Connection]]:
    context = edge.trust()
    context.set_alpn_protocols(["h2"])
    lax = h2.config.H2Configuration(
        validate_outbound_headers=False, normalize_outbound_headers=False
    )
    protocol = h2.connection.H2Connection(lax)
    with edge.connect(context) as connection:
        protocol.initiate_connection()
        connection.sendall(protocol.data_to_send())
        yield connection, protocol


_HEADERS = [
    (":method", "GET"),
    (":path", "/predict"),
    (":scheme", "https"),
    (":authority", "localhost"),
]


def test_streams_that_are_reset_at_once_hold_nobody_up(patient: EdgeServer) -> None:
    """CVE-2023-44487: requests that are begun and taken back as fast as the caller can."""
    with _h2(patient) as (connection, protocol), contextlib.suppress(OSError):
        for stream in range(1, 2 * _RESETS, 2):
            protocol.send_headers(stream, _HEADERS, end_stream=True)
            protocol.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
            connection.sendall(protocol.data_to_send())
        _require_answers(patient)
    _require_answers(patient)


def test_headers_without_end_are_not_collected(patient: EdgeServer) -> None:
    """CONTINUATION frames that never end, and one small field that unpacks to megabytes."""
    # A frame's head (RFC 9113 section 4.1): length, type, flags, stream. HEADERS is 1 and
    # CONTINUATION 9; no flag says that it is the last. The field is literal, never indexed.
    literal = b"\x10\x03x-a\x7f\xe1\x00" + b"a" * 223
    with _h2(patient) as (connection, _), contextlib.suppress(OSError):
        for kind in [1] + [9] * 5000:
            head = len(literal).to_bytes(3, "big") + bytes([kind, 0]) + (1).to_bytes(4, "big")
            connection.sendall(head + literal)
    with _h2(patient) as (connection, protocol), contextlib.suppress(OSError):
        bomb = [(f"x-{name}", "a" * 3000) for name in range(20)]
        for stream in (1, 3):
            protocol.send_headers(stream, [*_HEADERS, *bomb], end_stream=True)
        connection.sendall(protocol.data_to_send())

        assert _is_closed(connection)
    _require_answers(patient)


def test_plain_http_is_not_upgraded_to_http2(patient: EdgeServer) -> None:
    """`Upgrade: h2c` is the way around a proxy's rules: it is not taken."""
    request = b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade, HTTP2-Settings, close\r\n"
    request += b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"

    answer = patient.send(request)

    assert answer.status == 200
    assert b"UPGRADE" not in answer.body
