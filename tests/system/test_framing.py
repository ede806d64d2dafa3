"""Where a request ends: nginx and the workers never see different ends (SEC-77)."""

import contextlib
import re
import secrets
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from request_corpus import corpus
from stack_process import PREDICT, Stack, bearer

# Longer than an answer takes; who waits for more of the request is silent for good.
_PATIENCE_S = 3.0
_AT_ONCE = 40
# How trace ids of the test's own calls begin.
_OWN = "5afe"
_INNER = b"GET /v1/models/smuggled HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n"
_BODY = b'{"data":[]}'


def _smuggled(token: bytes) -> list[bytes]:
    """A second request hidden in the first, for servers that count the first one's end wrongly."""
    inner = _INNER % token
    chunked = b"0\r\n\r\n" + inner
    head = (
        b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %s\r\n" % (PREDICT.encode(), token)
    )
    fields = [
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % len(chunked),
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Transfer-Encoding: xchunked\r\nContent-Length: %d\r\n" % len(chunked),
        b"Transfer-Encoding : chunked\r\nContent-Length: %d\r\n" % len(chunked),
        b"Transfer-Encoding:\x0bchunked\r\nContent-Length: %d\r\n" % len(chunked),
        b"Transfer_Encoding: chunked\r\nContent-Length: %d\r\n" % len(chunked),
        b"X: y\nTransfer-Encoding: chunked\r\nContent-Length: %d\r\n" % len(chunked),
        b"X: y\rTransfer-Encoding: chunked\r\nContent-Length: %d\r\n" % len(chunked),
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: identity, chunked\r\nContent-Length: %d\r\n" % len(chunked),
        b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(chunked),
        b"Content-Length: 0, %d\r\n" % len(chunked),
        b"Content-Length: +%d\r\n" % len(chunked),
        b"Content-Length: 0x%x\r\n" % len(chunked),
        b"Content-Length: %d_0\r\n" % len(chunked),
        b"Content_Length: 0\r\nContent-Length: %d\r\n" % len(chunked),
        b"Content-Length:\r\n Content-Length: %d\r\n" % len(chunked),
        b"Content-Length: %d\r\n Transfer-Encoding: chunked\r\n" % len(chunked),
        b"Connection: Content-Length\r\nContent-Length: %d\r\n" % len(chunked),
        b"Expect: 100-continue\r\nContent-Length: %d\r\n" % len(chunked),
    ]
    chunks = [
        b"5;x\r\n" + _BODY[:5] + b"\r\n" + chunked,
        b"5\n" + _BODY[:5] + b"\n" + chunked,
        b"05_\r\n" + chunked,
        b"-1\r\n" + chunked,
        b"fffffffffffffffff\r\n" + chunked,
        b"0\r\nContent-Length: 9\r\n\r\n" + inner,
        b"1\r\nZ\r\nQ\r\n" + chunked,
        b"0;\r\n" + inner + b"\r\n\r\n",
    ]
    coded = head + b"Transfer-Encoding: chunked\r\n\r\n"
    return [head + field + b"\r\n" + chunked for field in fields] + [coded + one for one in chunks]


def _send(stack: Stack, context: ssl.SSLContext, sent: bytes) -> None:
    """Send these bytes, and read what is answered."""
    with (
        socket.create_connection(("127.0.0.1", stack.port), timeout=_PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
        contextlib.suppress(OSError),
    ):
        connection.sendall(sent)
        while connection.recv(1 << 16):
            pass


def _ids_of_nginx(stack: Stack) -> set[str]:
    """Those it gave to what it took for requests: each has a line in its log."""
    return {event["request_id"] for event in stack.events("nginx_access")}


def _ids_in_the_app(stack: Stack, token: str) -> set[str]:
    """Ids of the requests that workers have answered until now."""
    own = _OWN + secrets.token_hex(14)
    headers = bearer(token) | {"traceparent": f"00-{own}-{own[:16]}-01"}
    with stack.client() as client:
        client.post(PREDICT, content=b"[]", headers=headers)

    def events() -> list[dict[str, Any]]:
        return stack.events("request_finished")

    stack.wait_until(lambda: any(e["trace_id"] == own for e in events()), 20, "in the log")
    others = (event for event in events() if not event["trace_id"].startswith(_OWN))
    return {event["request_id"] for event in others}


def _for_our_host(sent: bytes) -> bytes:
    if re.search(rb"(?im)^Host:", sent):
        return re.sub(rb"(?im)^Host:[^\r\n]*", b"Host: localhost", sent)
    return sent.replace(b"\r\n", b"\r\nHost: localhost\r\n", 1)


@pytest.mark.parametrize("kind", ["smuggled", "recorded"])
def test_what_nginx_takes_for_one_request_is_one_to_the_workers(
    stack: Stack, token: str, kind: str
) -> None:
    """Whatever its form: a worker answers nothing that nginx has not given an id."""
    recorded = [_for_our_host(sent) for sent in corpus().values()]
    requests = recorded if kind == "recorded" else _smuggled(token.encode())
    context = ssl.create_default_context(cafile=str(stack.data_dir / "tls" / "ca.pem"))
    before = _ids_in_the_app(stack, token)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda sent: _send(stack, context, sent), requests))
    reached = _ids_in_the_app(stack, token) - before

    # Some are good requests in odd clothes: so the way to the workers was open.
    assert reached
    # Whoever is slow writes its line late.
    stack.wait_until(lambda: reached <= _ids_of_nginx(stack), 20, "given an id by nginx")
