"""Errors that nginx makes itself: each is a problem, whatever was sent, however large."""

import json
import socket
import ssl
from contextlib import ExitStack

import h2.connection
import h2.events
import httpx
import pytest
from edge_requests import CLOSE, HOST, assert_problem, get, logged, post
from edge_server import Answer, EdgeServer, read_answer, running_edge
from flask import Flask

from gateway.security_headers import add_security_headers

pytest_plugins = ["edge_fixtures"]

MIB = 1024 * 1024


REFUSED = [
    ("no HTTP", b"\x16\x03 garbage\r\n\r\n", 400, "bad_request"),
    ("lower-case method", b"get / HTTP/1.1\r\n" + HOST + CLOSE, 400, "bad_request"),
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
    ("two Hosts", get(b"/", b"Host: other"), 400, "bad_request"),
    ("length no number", post(b"/", b"Content-Length: ten"), 400, "bad_request"),
    ("two lengths", post(b"/", b"Content-Length: 1", b"Content-Length: 2"), 400, "bad_request"),
    (
        "length and chunks",
        post(b"/", b"Content-Length: 3", b"Transfer-Encoding: chunked"),
        400,
        "bad_request",
    ),
    ("unknown coding", post(b"/", b"Transfer-Encoding: gzip"), 501, "not_implemented"),
    ("broken escape", get(b"/%zz"), 400, "bad_request"),
    ("NUL in path", get(b"/%00"), 400, "bad_request"),
    ("above the root", get(b"/../../etc/passwd"), 400, "bad_request"),
    ("CONNECT", b"CONNECT a:80 HTTP/1.1\r\n" + HOST + CLOSE, 400, "bad_request"),
    ("internal path", get(b"/_problem/details/bad_request"), 404, "not_found"),
    ("TRACE", b"TRACE / HTTP/1.1\r\n" + HOST + CLOSE, 405, "method_not_allowed"),
    ("body too large", post(b"/predict", b"Content-Length: 16777217"), 413, "body_too_large"),
    ("URI too long", get(b"/" + b"a" * 11_000), 414, "uri_too_long"),
    ("unknown host", b"GET / HTTP/1.1\r\nHost: other\r\n" + CLOSE, 421, "misdirected_request"),
    ("one header too large", get(b"/", b"X: " + b"a" * 11_000), 431, "header_too_large"),
    ("headers too large", get(b"/", *[b"X: " + b"a" * 9000] * 6), 431, "header_too_large"),
    ("HTTP/3.0", b"GET / HTTP/3.0\r\n" + HOST + CLOSE, 505, "http_version_not_supported"),
]


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [case[1:] for case in REFUSED],
    ids=[case[0] for case in REFUSED],
)
def test_refusal_is_a_problem(
    edge: EdgeServer, request_bytes: bytes, status: int, code: str
) -> None:
    """Every error nginx makes itself is problem+json with the id under which it is logged."""
    answer = edge.send(request_bytes)

    assert_problem(answer, status, code)
    assert logged(edge, answer.headers["x-request-id"])["status"] == status


@pytest.mark.parametrize(
    "request_bytes", [case[1] for case in REFUSED], ids=[c[0] for c in REFUSED]
)
def test_refusal_has_the_security_headers_of_the_applications(
    edge: EdgeServer, request_bytes: bytes
) -> None:
    """nginx's own answers carry what Talisman puts on the applications' (SEC-72)."""
    app = Flask("expected")
    add_security_headers(app)
    expected = dict(app.test_client().get("/").headers)
    for name in ("Content-Type", "Content-Length", "Vary"):
        expected.pop(name)

    headers = edge.send(request_bytes).headers

    assert {name: headers.get(name.lower()) for name in expected} == expected


def test_plain_http_is_refused(edge: EdgeServer) -> None:
    """Without TLS there is no answer but a problem, and no redirect (SEC-70)."""
    answer = edge.send_plain(post(b"/oauth/token", b"Content-Length: 0"))

    assert_problem(answer, 400, "https_required")
    assert "location" not in answer.headers


def test_silent_application_is_a_problem(forsaken: EdgeServer) -> None:
    """An application that does not answer in time is a 504."""
    answer = forsaken.send(get(b"/livez"))

    assert_problem(answer, 504, "deadline_exceeded")


def test_absent_application_is_a_problem(forsaken: EdgeServer) -> None:
    """An application that is away is a 502."""
    answer = forsaken.send(get(b"/.well-known/jwks.json"))

    assert_problem(answer, 502, "bad_gateway")


def test_error_of_oauth_paths_has_the_shape_of_oauth(forsaken: EdgeServer) -> None:
    """Clients of /oauth/ get `error` and `error_description` (RFC 6749 section 5.2)."""
    away = forsaken.send(post(b"/oauth/token", b"Content-Length: 0"))
    large = forsaken.send(post(b"/oauth/token", b"Content-Length: 65537"))

    assert (away.status, large.status) == (502, 413)
    assert json.loads(away.body)["error"] == "temporarily_unavailable"
    assert json.loads(large.body)["error"] == "invalid_request"
    for answer in (away, large):
        assert answer.headers["content-type"] == "application/json"
        assert json.loads(answer.body)["error_description"]
        assert json.loads(answer.body)["request_id"] == answer.headers["x-request-id"]
        assert answer.headers["cache-control"] == "no-store"


_SHAPES = {
    "error": ("application/json", "error"),
    "both": ("application/problem+json", "error"),
    "mlflow": ("application/json", "error_code"),
    "details": ("application/problem+json", None),
}


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/v2/models/wine/infer", "error"),
        ("/v1/models/wine:predict", "error"),
        ("/v1/models/wine%3Apredict?x", "error"),
        ("/v1/models/wine/versions/1:predict", "error"),
        ("/v1/models/wine/labels/stable:predict", "error"),
        ("/v1/models/wine/versions/1/metadata", "error"),
        ("/v1/models/wine/metadata?x", "error"),
        ("/v1/models", "both"),
        ("/v1/models/wine", "both"),
        ("/v1/models/wine/versions/1?x", "both"),
        ("/v1/models/wine/predict", "details"),
        ("/v1/models/wine/versions/1/predict", "details"),
        ("/v1/limits", "details"),
        ("/invocations", "mlflow"),
        ("/invocations?x", "mlflow"),
        ("/ping", "mlflow"),
        ("/health", "mlflow"),
        ("/version", "mlflow"),
        ("/pinger", "details"),
    ],
)
def test_error_on_the_path_of_a_protocol_has_its_shape(
    edge: EdgeServer, path: str, shape: str
) -> None:
    """Clients of published protocols look for a member of their own; the code is where it was."""
    content_type, member = _SHAPES[shape]
    answer = edge.send(post(path.encode(), b"Content-Length: 16777217"))
    body = json.loads(answer.body)

    assert answer.status == 413
    assert answer.headers["content-type"] == content_type
    assert answer.headers["gateway-error-code"] == body["code"] == "body_too_large"
    assert body["request_id"] == answer.headers["x-request-id"]
    assert member is None or body[member]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1.0/predictions",
        "/api/v0.1/predictions?json=x",
        "/api/v1.0/nothing",
        "/seldon/models/wine/api/v1.0/predictions",
        "/seldon/wine/api/v1.0/feedback",
        "/metadata",
        "/ready?x",
        "/live",
        "/health/ping",
        "/health/status",
    ],
)
def test_error_on_the_paths_of_seldon_is_a_message(edge: EdgeServer, path: str) -> None:
    """The status of a SeldonMessage, and nothing beside its fields."""
    answer = edge.send(post(path.encode(), b"Content-Length: 16777217"))
    body = json.loads(answer.body)

    assert answer.status == 413
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["gateway-error-code"] == body["meta"]["tags"]["code"] == "body_too_large"
    assert body["meta"]["tags"]["request_id"] == answer.headers["x-request-id"]
    assert body.keys() == {"status", "meta"}
    assert body["status"] | {"info": ""} == {
        "status": 1,
        "info": "",
        "code": -1,
        "reason": "MICROSERVICE_BAD_DATA",
    }


def test_absent_application_is_seldons_internal_error(forsaken: EdgeServer) -> None:
    """The reason says whose fault it was."""
    answer = forsaken.send(post(b"/api/v1.0/predictions", b"Content-Length: 0"))

    assert answer.status == 504
    assert json.loads(answer.body)["status"]["reason"] == "MICROSERVICE_INTERNAL_ERROR"


def test_post_is_not_sent_twice() -> None:
    """A connection that dies under a prediction is a 502 for the caller, not a second try."""
    with running_edge(upstreams=False) as server, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(server.layout.predictions_socket))
        listener.listen()
        listener.settimeout(30)
        with server.connect() as connection:
            connection.sendall(post(b"/predict", b"Content-Length: 0"))
            listener.accept()[0].close()
            answer = read_answer(connection)
        listener.setblocking(False)

        assert_problem(answer, 502, "bad_gateway")
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_more_than_the_workers_can_take_is_refused_at_once() -> None:
    """Beyond max_in_flight nginx answers 503 itself, while those before it are still waited for."""
    with (
        running_edge(upstreams=False, in_flight=2) as server,
        socket.socket(socket.AF_UNIX) as listener,
        ExitStack() as held,
    ):
        listener.bind(str(server.layout.predictions_socket))
        listener.listen()
        with server.connect() as first, server.connect() as second:
            for waiting in (first, second):
                waiting.sendall(post(b"/predict", b"Content-Length: 0"))
                held.enter_context(listener.accept()[0])
            refused = server.send(post(b"/predict", b"Content-Length: 0"))
            of_protocol = server.send(post(b"/v2/models/a/infer", b"Content-Length: 0"))
            elsewhere = server.send(get(b"/.well-known/jwks.json"))

    assert_problem(refused, 503, "overloaded")
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["gateway-error-code"] == "overloaded"
    assert of_protocol.status == 503
    assert json.loads(of_protocol.body)["error"]
    assert_problem(elsewhere, 502, "bad_gateway")


def test_method_not_allowed_names_the_methods(edge: EdgeServer) -> None:
    """TRACE is refused by nginx itself, so nginx says what the path takes (SEC-34)."""
    predict = edge.send(b"TRACE /v1/models/a/predict HTTP/1.1\r\n" + HOST + CLOSE)
    served = edge.send(b"TRACE /v1/models/a:predict HTTP/1.1\r\n" + HOST + CLOSE)
    live = edge.send(b"TRACE /livez HTTP/1.1\r\n" + HOST + CLOSE)

    assert predict.headers["allow"] == "OPTIONS, POST"
    assert served.headers["allow"] == "OPTIONS, POST"
    assert live.headers["allow"] == "GET, HEAD, OPTIONS"


def test_errors_of_the_applications_are_left_alone(client: httpx.Client) -> None:
    """What an application says of its errors is what the caller reads."""
    for path, status in (("/teapot", 418), ("/broken", 500)):
        response = client.get(path)

        assert response.status_code == status
        assert response.json()["role"] == "predictions"


# How large a request may be: SEC-36.


def test_largest_body_arrives(client: httpx.Client) -> None:
    """16 MiB are accepted on the way to predictions, 64 KiB on the way to tokens."""
    predict = client.post("/predict", content=bytes(16 * MIB))
    token = client.post("/oauth/token", content=bytes(64 * 1024))

    assert predict.json()["body_bytes"] == 16 * MIB
    assert token.json()["body_bytes"] == 64 * 1024


def test_body_is_refused_before_it_is_sent(edge: EdgeServer) -> None:
    """A caller that waits for 100 Continue is refused without having sent a byte."""
    headers = [b"Content-Length: 16777217", b"Expect: 100-continue"]
    answer = edge.send(post(b"/predict", *headers))

    assert_problem(answer, 413, "body_too_large")


def test_chunked_body_over_the_cap_is_refused(edge: EdgeServer) -> None:
    """The cap holds for bodies that do not say how long they are."""
    head = post(b"/predict", b"Transfer-Encoding: chunked")
    answer = edge.send(head + b"%x\r\n" % (16 * MIB + 1) + b"x" * 1000)

    assert_problem(answer, 413, "body_too_large")


def test_token_of_the_largest_size_arrives(client: httpx.Client) -> None:
    """A header line holds a token of 8 KiB: it is the verifier that judges its length."""
    authorization = "Bearer " + "a" * 8192
    response = client.get("/v1/models", headers={"Authorization": authorization})

    assert response.json()["environ"]["HTTP_AUTHORIZATION"] == authorization


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        (
            [(":method", "POST"), (":path", "/predict"), ("content-length", "16777217")],
            413,
            "body_too_large",
        ),
        ([(":method", "TRACE"), (":path", "/")], 405, "method_not_allowed"),
        ([(":method", "GET"), (":path", "/_problem/error/x")], 404, "not_found"),
    ],
)
def test_refusal_over_http2_is_a_problem(
    edge: EdgeServer, headers: list[tuple[str, str]], status: int, code: str
) -> None:
    """HTTP/2 gets the same answers; a 413 before the body, too."""
    context = edge.trust()
    context.set_alpn_protocols(["h2"])
    with edge.connect(context) as connection:
        answer = exchange_h2(connection, headers)

    assert_problem(answer, status, code)


def exchange_h2(connection: ssl.SSLSocket, headers: list[tuple[str, str]]) -> Answer:
    """Send headers and no more, as a caller that waits before it sends a body."""
    protocol = h2.connection.H2Connection()
    protocol.initiate_connection()
    always = [(":scheme", "https"), (":authority", "localhost")]
    protocol.send_headers(1, [*headers[:2], *always, *headers[2:]])
    connection.sendall(protocol.data_to_send())
    got: dict[str, str] = {}
    body = b""
    while received := connection.recv(65536):
        for event in protocol.receive_data(received):
            if isinstance(event, h2.events.ResponseReceived):
                got = {name.decode(): value.decode() for name, value in event.headers or []}
            if isinstance(event, h2.events.DataReceived):
                body += event.data or b""
            if isinstance(event, h2.events.StreamEnded):
                return Answer(int(got[":status"]), got, body)
    raise AssertionError("the connection ended without an answer")
