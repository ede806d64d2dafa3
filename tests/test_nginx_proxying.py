"""What nginx tells the applications, which of them it asks, and what it logs."""

import json
import re
import time

import httpx
import pytest
from edge_requests import CLOSE, HOST, assert_problem, get, log_lines, log_of, logged, post
from edge_server import EdgeServer

pytest_plugins = ["edge_fixtures"]


# What the applications are told: SEC-54, SEC-75, SEC-76.

SPOOFED = {
    "X-Request-ID": "0" * 32,
    "X-Request-Start": "t=1",
    "X-Real-IP": "6.6.6.6",
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "1",
}
DROPPED = [
    "Forwarded",
    "Proxy",
    "Upgrade",
    "X-Forwarded-By",
    "X-Forwarded-Client-Cert",
    "X-Forwarded-Path",
    "X-Forwarded-Prefix",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
    "X-Forwarded-Ssl",
    "X-Forwarded-User",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Originating-IP",
    "X-Remote-IP",
    "X-Remote-Addr",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Remote-User",
    "Remote-User",
    "X-User",
    "X-Client-Cert",
    "X-SSL-Client-Cert",
    "X-SSL-Client-Verify",
    "X-SSL-Client-S-DN",
    "X-Original-URL",
    "X-Original-Host",
    "X-Rewrite-URL",
    "X-HTTP-Method",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "X_Real_IP",
    "X_Forwarded_For",
]


def test_forwarded_headers_are_made_anew(client: httpx.Client) -> None:
    """Whatever a caller says of its address, its id or its scheme, nginx says what is so."""
    before = time.time()
    told = client.get("/", headers=SPOOFED).json()["environ"]

    assert re.fullmatch("[0-9a-f]{32}", told["HTTP_X_REQUEST_ID"])
    assert told["HTTP_X_REQUEST_ID"] != "0" * 32
    assert before - 1 <= float(told["HTTP_X_REQUEST_START"].removeprefix("t=")) <= time.time() + 1
    assert told["HTTP_X_REAL_IP"] == told["HTTP_X_FORWARDED_FOR"] == "127.0.0.1"
    assert told["HTTP_X_FORWARDED_PROTO"] == "https"
    assert told["HTTP_X_FORWARDED_HOST"] == told["HTTP_HOST"] == "localhost"
    assert told["REMOTE_ADDR"] == ""


def test_identity_headers_are_dropped(client: httpx.Client) -> None:
    """Headers that software behind a proxy believes never come from a caller."""
    told = client.get("/", headers=dict.fromkeys(DROPPED, "spoofed")).json()["environ"]

    assert [name for name, value in told.items() if value == "spoofed"] == []


def test_headers_named_in_connection_are_still_made(edge: EdgeServer) -> None:
    """A caller cannot have nginx's headers taken out by calling them hop-by-hop."""
    headers = b"Connection: close, X-Real-IP, X-Request-ID"
    answer = edge.send(b"GET / HTTP/1.1\r\n" + HOST + headers + b"\r\n\r\n")
    told = json.loads(answer.body)["environ"]

    assert told["HTTP_X_REAL_IP"] == "127.0.0.1"
    assert told["HTTP_X_REQUEST_ID"]


def test_absolute_target_decides_the_host(edge: EdgeServer) -> None:
    """The target's host wins over the header (RFC 9112 section 3.2.2), and ours is told."""
    own = edge.send(b"GET https://localhost/ HTTP/1.1\r\nHost: other\r\n" + CLOSE)
    other = edge.send(b"GET https://other/ HTTP/1.1\r\n" + HOST + CLOSE)

    assert json.loads(own.body)["environ"]["HTTP_HOST"] == "localhost"
    assert_problem(other, 421, "misdirected_request")


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/oauth/token", "tokens"),
        ("/oauth/revoke", "tokens"),
        ("/.well-known/jwks.json", "tokens"),
        ("/.well-known/oauth-authorization-server", "tokens"),
        ("/v2/repository/models/wine/load", "tokens"),
        ("/v2/repository/models/wine/unload?version=1", "tokens"),
        ("/", "predictions"),
        ("/predict", "predictions"),
        ("/v1/models/breast-cancer/predict", "predictions"),
        ("/livez", "predictions"),
        ("/oauth", "predictions"),
        ("/v2/repository/index", "predictions"),
        ("/v2/repository/models/wine/loaded", "predictions"),
        ("/v2/repository/models/wine/x/load", "predictions"),
        ("/oauthx/token", "predictions"),
        ("//oauth/token", "predictions"),
        ("/OAuth/token", "predictions"),
        ("/v1/../oauth/token", "tokens"),
    ],
)
def test_path_reaches_its_application(edge: EdgeServer, path: str, role: str) -> None:
    """Only the token service, which holds the keys, gets its paths, as they were sent."""
    answer = edge.send(get(path.encode()))

    assert json.loads(answer.body)["role"] == role
    assert json.loads(answer.body)["environ"]["RAW_URI"] == path


def test_answers_tell_nothing_of_the_software(client: httpx.Client) -> None:
    """No version, no name of the application server (SEC-73), no CORS (SEC-74)."""
    headers = client.get("/", headers={"Origin": "https://other.example"}).headers

    assert headers["Server"] == "nginx"
    assert "X-Powered-By" not in headers
    assert "X-Accel-Redirect" not in headers
    assert not [name for name in headers if name.startswith("access-control-")]


def test_hsts_is_there_once(client: httpx.Client) -> None:
    """An application's own HSTS stays as it is; an answer that came without gets nginx's."""
    own = client.get("/with-hsts").headers.get_list("Strict-Transport-Security")
    added = client.get("/").headers.get_list("Strict-Transport-Security")

    assert own == ["max-age=1"]
    assert added == ["max-age=31536000; includeSubDomains"]


# The log: SEC-82, SEC-83.


def test_request_is_logged_with_the_id_the_application_got(
    edge: EdgeServer, client: httpx.Client
) -> None:
    """One JSON object a request; its id joins it with the application's event."""
    told = client.post("/v1/models/wine/predict", content=b"12345").json()["environ"]
    line = logged(edge, told["HTTP_X_REQUEST_ID"])

    assert line["event"] == "nginx_access"
    assert (line["method"], line["path"], line["status"]) == (
        "POST",
        "/v1/models/wine/predict",
        200,
    )
    assert (line["tls"], line["http"], line["client_address"]) == (
        "TLSv1.3",
        "HTTP/1.1",
        "127.0.0.1",
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"])
    assert line["bytes_in"] > 5
    assert line["bytes_out"] > 0
    assert 0 <= line["upstream_ms"] <= line["duration_ms"] + 1000


def test_refusal_is_logged_with_the_method_that_was_asked(edge: EdgeServer) -> None:
    """nginx answers errors as if they had been GETs; the log says what they were."""
    answer = edge.send(post(b"/predict", b"Content-Length: 16777217"))

    assert logged(edge, answer.headers["x-request-id"])["method"] == "POST"


@pytest.mark.parametrize(
    "path",
    [
        b"/oauth/token?client_secret=Canary",
        b"/v1/models/Canary/predict",
        b"/Canary%0a%22%0d",
        b"/\xe2\x80\xa8Canary\x1b[31m",
        b"/\xff\xfeCanary",
    ],
)
def test_credentials_in_a_path_are_not_logged(edge: EdgeServer, path: bytes) -> None:
    """Queries, and paths that no path of ours looks like, stay out of the log and in one line."""
    answer = edge.send(get(path, b"User-Agent: Canary", b"Referer: https://Canary/"))

    assert answer.status in {200, 400}
    assert b"Canary" not in log_of(edge)


def test_failure_is_logged_without_the_request(forsaken: EdgeServer) -> None:
    """Why an application could not be reached is said; the query that was sent is not."""
    forsaken.send(get(b"/.well-known/jwks.json?secret=Canary"))
    reasons = [line["event"] for line in log_lines(forsaken) if line.get("level") == "error"]

    assert any("connect() to unix:" in reason for reason in reasons)
    assert b"Canary" in forsaken.log.read_bytes()
    assert b"Canary" not in log_of(forsaken)
