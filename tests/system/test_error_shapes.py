"""Every answer that is not 2xx is a problem with a request id, whoever makes it."""

import json
import socket
import ssl
from typing import Any

import httpx
import pytest
from stack_process import EXAMPLE_BODY, PREDICT, Stack, bearer

SECURITY_HEADERS = (
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "Content-Security-Policy",
    "Referrer-Policy",
    "Cross-Origin-Opener-Policy",
    "Cross-Origin-Resource-Policy",
    "Permissions-Policy",
)


def require_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem of a response, complete and with every header that goes with it."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"] == f"urn:gateway:problem:{code}"
    assert problem["request_id"] == response.headers["X-Request-ID"]
    assert problem["title"]
    assert problem["detail"]
    for name in SECURITY_HEADERS:
        assert len(response.headers.get_list(name)) == 1, name
    assert response.headers["Server"] in ("nginx", "gateway")
    return problem


CALLS: list[tuple[str, str, str, dict[str, Any], int, str]] = [
    ("wrong path", "GET", "/v1/nothing", {}, 404, "not_found"),
    ("wrong method", "DELETE", PREDICT, {}, 405, "method_not_allowed"),
    ("unknown model", "POST", "/v1/models/none/predict", {"content": b"[]"}, 404, "unknown_model"),
    (
        "unknown version",
        "POST",
        "/v1/models/breast-cancer/versions/9/predict",
        {"content": b"[]"},
        404,
        "unknown_version",
    ),
    ("empty body", "POST", PREDICT, {"content": b""}, 400, "empty_body"),
    ("not JSON", "POST", PREDICT, {"content": b"garbage"}, 400, "invalid_json"),
    ("NaN", "POST", PREDICT, {"content": b"[[NaN]]"}, 400, "invalid_json"),
    ("too deep", "POST", PREDICT, {"content": b"[" * 40 + b"]" * 40}, 400, "json_too_deep"),
    ("wrong shape", "POST", PREDICT, {"content": b"[[1, 2]]"}, 422, "invalid_input"),
    ("too large", "POST", PREDICT, {"content": b"0" * (17 << 20)}, 413, "body_too_large"),
    ("long target", "GET", "/" + "a" * 9000, {}, 414, "uri_too_long"),
]


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [call[1:] for call in CALLS],
    ids=[call[0] for call in CALLS],
)
def test_errors_of_a_caller_with_a_token(  # noqa: PLR0917  # one argument a column
    stack: Stack,
    token: str,
    method: str,
    path: str,
    options: dict[str, Any],
    status: int,
    code: str,
) -> None:
    """Each mistake has its status and its stable code."""
    with stack.client() as client:
        response = client.request(method, path, headers=bearer(token), **options)

    problem = require_problem(response, status, code)
    assert "Retry-After" not in response.headers
    assert "Traceback" not in json.dumps(problem)


def test_headers_that_cannot_be_served(stack: Stack, token: str) -> None:
    """Type, encoding and accepted type that nobody understands."""
    cases = [
        ({"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        ({"Content-Encoding": "compress"}, 415, "unsupported_encoding"),
        ({"Content-Encoding": "gzip"}, 400, "corrupt_body"),
        ({"Accept": "text/html"}, 406, "not_acceptable"),
        ({"X-Large": "x" * 20_000}, 431, "header_too_large"),
    ]
    with stack.client() as client:
        for headers, status, code in cases:
            response = client.post(
                PREDICT, content=EXAMPLE_BODY, headers={**bearer(token), **headers}
            )

            require_problem(response, status, code)


def test_who_is_not_known_or_not_allowed(stack: Stack) -> None:
    """401 without credentials has no error code, with bad ones it has; 403 names the scope."""
    partner = stack.cli_json(
        "partner", "create", "narrow", "--plan", "trial", "--scope", "model:other:predict"
    )
    narrow = stack.token(partner)
    with stack.client() as client:
        none = client.post(PREDICT, content=EXAMPLE_BODY)
        bad = client.post(PREDICT, content=EXAMPLE_BODY, headers=bearer("a.b.c"))
        forbidden = client.post(PREDICT, content=EXAMPLE_BODY, headers=bearer(narrow))

    require_problem(none, 401, "unauthenticated")
    require_problem(bad, 401, "unauthenticated")
    require_problem(forbidden, 403, "insufficient_scope")
    assert "error=" not in none.headers["WWW-Authenticate"]
    assert 'error="invalid_token"' in bad.headers["WWW-Authenticate"]
    assert 'scope="model:breast-cancer:predict"' in forbidden.headers["WWW-Authenticate"]


def test_token_service_keeps_oauths_shape(stack: Stack) -> None:
    """RFC 6749 section 5.2: error and error_description, no-store, a challenge for Basic."""
    with stack.client() as client:
        wrong = client.post(
            "/oauth/token", data={"grant_type": "client_credentials"}, auth=("nobody", "x")
        )
        unsupported = client.post(
            "/oauth/token",
            data={"grant_type": "password"},
            auth=tuple(stack.demo_credentials()[name] for name in ("client_id", "client_secret")),
        )

    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert wrong.headers["WWW-Authenticate"].startswith("Basic")
    assert (unsupported.status_code, unsupported.json()["error"]) == (400, "unsupported_grant_type")
    assert wrong.headers["Cache-Control"] == unsupported.headers["Cache-Control"] == "no-store"


def _send_raw(stack: Stack, payload: bytes, *, tls: bool = True, host: str = "localhost") -> bytes:
    context = ssl.create_default_context(cafile=str(stack.data_dir / "tls" / "ca.pem"))
    plain = socket.create_connection(("127.0.0.1", stack.port), timeout=10)
    with context.wrap_socket(plain, server_hostname=host) if tls else plain as connection:
        connection.sendall(payload)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


@pytest.mark.parametrize(
    ("payload", "tls", "status", "code"),
    [
        (b"NONSENSE\r\n\r\n", True, 400, "bad_request"),
        (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", True, 505, "http_version_not_supported"),
        (
            b"TRACE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            True,
            405,
            "method_not_allowed",
        ),
        (
            b"GET / HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n",
            True,
            421,
            "misdirected_request",
        ),
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            False,
            400,
            "https_required",
        ),
    ],
    ids=["garbage", "version", "trace", "wrong host", "plain HTTP"],
)
def test_errors_that_never_reach_the_app(
    stack: Stack, payload: bytes, tls: bool, status: int, code: str
) -> None:
    """nginx answers what is no request with the same shape."""
    head, _, body = _send_raw(stack, payload, tls=tls).partition(b"\r\n\r\n")
    problem = json.loads(body)

    assert head.split()[1] == str(status).encode()
    assert b"application/problem+json" in head
    assert problem["code"] == code
    assert problem["request_id"]
    assert b"nosniff" in head
