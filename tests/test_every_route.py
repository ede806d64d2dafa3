"""Walks every route of both apps: what needs a token, and the form of every answer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from app_fixture import AppFixture, FinishingClient, make_app
from control_fixtures import make_token_app
from fakes import MoodyEstimator, SlowEstimator, wine_classifier
from flask import Flask
from werkzeug.test import TestResponse

from gateway.app import NEEDS, OPERATIONS
from gateway.dialects import DIALECTS
from gateway.errors import catalogue
from gateway.principal import PUBLIC
from gateway.token_app import NEEDS as TOKEN_NEEDS
from gateway.token_app import UNLIMITED_ENDPOINTS

# The token service's own: its callers prove who they are with their secret, in the request.
TOKEN_ENDPOINTS = {"live", "ready", "token", "revoke", "jwks", "metadata"} | set(TOKEN_NEEDS)
VALUES = {"model_name": "wine", "version": "1", "file_name": "main.js", "namespace": "models"}
SECURITY_HEADERS = {
    "Cache-Control",
    "Content-Security-Policy",
    "Cross-Origin-Opener-Policy",
    "Cross-Origin-Resource-Policy",
    "Permissions-Policy",
    "Referrer-Policy",
    "Strict-Transport-Security",
    "Vary",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-Request-ID",
}


def calls(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Endpoint, method and path of every route."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        path = adapter.build(rule.endpoint, {name: VALUES[name] for name in rule.arguments})
        for method in sorted(rule.methods or ()):
            yield rule.endpoint, method, path


def require_safe(response: TestResponse) -> None:
    """Assert what holds for each answer: security headers, and nothing of what we run."""
    assert set(response.headers.keys()) >= SECURITY_HEADERS
    assert len(response.headers.getlist("Vary")) == 1
    assert response.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    assert "Server" not in response.headers
    assert "Set-Cookie" not in response.headers
    assert "Access-Control-Allow-Origin" not in response.headers


def require_problem(response: TestResponse, code: str) -> None:
    problem = response.json

    assert response.content_type == "application/problem+json"
    assert problem["code"] == code
    assert problem["type"] == f"urn:gateway:problem:{code}"
    assert problem["status"] == response.status_code == catalogue()[code].status
    assert problem["title"] == catalogue()[code].title
    assert problem["detail"].endswith((".", "]]}", "}]}."))
    assert problem["request_id"] == response.headers["X-Request-ID"]
    assert ("Retry-After" in response.headers) == (response.status_code in {429, 503})


@pytest.fixture(scope="module")
def token_client(tmp_path_factory: pytest.TempPathFactory) -> FinishingClient:
    control = make_app(tmp_path_factory.mktemp("tokens")).control
    app = make_token_app(control)
    return FinishingClient(app, app.response_class)


def test_every_route_says_what_it_needs(shared_gateway: AppFixture) -> None:
    """No endpoint is forgotten in the table, and the table names no other."""
    endpoints = {endpoint for endpoint, _, _ in calls(shared_gateway.app)}

    assert endpoints == set(NEEDS)
    public = {name for name, need in NEEDS.items() if need == PUBLIC}
    assert {name.rpartition(".")[2] for name in public} == {
        "live",
        "ready",
        "ping",
        "health",
        "docs",
    }


def test_every_route_says_what_partners_read_of_it(shared_gateway: AppFixture) -> None:
    """No endpoint is missing in the document, and each dialect describes its errors."""
    endpoints = {endpoint for endpoint, _, _ in calls(shared_gateway.app)}
    contract = shared_gateway.models.get("wine").contract
    for name in endpoints:
        described = OPERATIONS[name]
        operation = described(contract) if callable(described) else described

        assert operation is not None, f"{name}: say its Operation where its Endpoint is"
        assert operation.summary
        assert operation.answers.keys() & {200, 202, 204}
    assert [dialect.name for dialect in DIALECTS if dialect.error is None] == []
    assert set(OPERATIONS) == endpoints


def test_every_route_but_the_public_ones_refuses_without_a_token(
    shared_gateway: AppFixture,
) -> None:
    """With each method, OPTIONS too, and before a body is looked at."""
    for endpoint, method, path in calls(shared_gateway.app):
        response = shared_gateway.client.open(path, method=method, data=b"\xff")

        require_safe(response)
        if NEEDS[endpoint] == PUBLIC:
            assert response.status_code == 200
        else:
            assert response.status_code == 401, (method, path)
            assert response.headers["Gateway-Error-Code"] == "unauthenticated"


def test_every_route_of_a_model_needs_its_scope(shared_gateway: AppFixture) -> None:
    """A valid token without the scope is 403 wherever a verb is needed, with each method."""
    headers = shared_gateway.bearer(scope="model:beer:predict model:beer:read")
    for endpoint, method, path in calls(shared_gateway.app):
        response = shared_gateway.client.open(path, method=method, headers=headers)
        expected = 403 if NEEDS[endpoint] in {"read", "predict"} else 200

        assert response.status_code == expected, (method, path)


def test_a_route_that_nobody_listed_needs_a_token(gateway: AppFixture) -> None:
    """Deny by default: adding a route to the app opens nothing."""
    gateway.app.add_url_rule("/new", "new", lambda: "secret")
    gateway.app.add_url_rule("/static", "static", lambda: "secret")
    for path in ("/new", "/static"):
        assert gateway.client.get(path).status_code == 401
        assert gateway.client.get(path, headers=gateway.bearer()).data == b"secret"


@pytest.mark.parametrize("path", ["/", "/nothing", "/livez/", "//livez", "/%2e%2e/livez", "/LIVEZ"])
def test_paths_that_do_not_exist_need_a_token(shared_gateway: AppFixture, path: str) -> None:
    """Without one there is no difference between what exists and what does not."""
    without = shared_gateway.client.get(path)
    with_one = shared_gateway.client.get(path, headers=shared_gateway.bearer())

    require_safe(without)
    require_problem(without, "unauthenticated")
    require_problem(with_one, "not_found")


def test_the_token_service_has_no_other_routes(token_client: FinishingClient) -> None:
    """Its endpoints are known; all but documents and probes count against their address."""
    endpoints = {endpoint for endpoint, _, _ in calls(token_client.application)}

    assert endpoints == TOKEN_ENDPOINTS
    assert endpoints > UNLIMITED_ENDPOINTS
    assert {"token", "revoke"}.isdisjoint(UNLIMITED_ENDPOINTS)


def test_the_token_service_answers_in_three_shapes(token_client: FinishingClient) -> None:
    """OAuth's on /oauth/*, Triton's on /v2/*, problems elsewhere; always security headers."""
    paths = [(method, path) for _, method, path in calls(token_client.application)]
    strange = [("GET", "/oauth/token"), ("POST", "/livez"), ("GET", "/x"), ("GET", "/oauth//x")]
    for method, path in [*paths, *strange]:
        response = token_client.open(path, method=method)

        require_safe(response)
        if response.status_code < 400 or method == "HEAD":
            continue
        if path.startswith("/oauth/"):
            assert set(response.json) == {"error", "error_description"}, (method, path)
        elif path.startswith("/v2/"):
            assert response.json["error"], (method, path)
        else:
            require_problem(response, response.json["code"])


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> AppFixture:
    """An app in which everything can go wrong."""
    models = {"wine": wine_classifier(), "moody": MoodyEstimator()}
    gateway = make_app(
        tmp_path_factory.mktemp("failing"),
        models=models,
        server={"max_body_bytes": 1000},
        limits={"failed_authentications_per_address": "5/hour"},
    )
    # Only the model has little time: on a busy machine the rest of a request takes as long.
    gateway.add_model("slow", SlowEstimator(0.2), "[limits]\ndeadline_s = 0.05\n")
    (gateway.control.settings.models_dir / "wine" / "1" / "model.joblib").unlink()
    gateway.control.store.add_model_version("gone", "1", "0" * 64)
    gateway.control.store.promote_model("gone", "1", 0)
    gateway.refresh()
    return gateway


ROW = [[13.0] * 13]
PREDICT = "/v1/models/wine/predict"


@pytest.mark.parametrize(
    ("code", "path", "options"),
    [
        ("bad_request", PREDICT, {"json": {}}),
        ("empty_body", PREDICT, {"data": b"", "content_type": "application/json"}),
        ("invalid_json", PREDICT, {"data": b"[", "content_type": "application/json"}),
        ("invalid_request", PREDICT, {"json": ROW, "query_string": "access_token=x"}),
        ("unauthenticated", PREDICT, {"json": ROW, "headers": {"Authorization": "Bearer x.y.z"}}),
        ("insufficient_scope", PREDICT, {"json": ROW, "scope": "x"}),
        ("not_found", "/nothing", {}),
        ("unknown_model", "/v1/models/beer/predict", {"json": ROW}),
        ("unknown_version", "/v1/models/wine/versions/7/predict", {"json": ROW}),
        ("method_not_allowed", PREDICT, {"method": "PUT"}),
        ("not_acceptable", PREDICT, {"json": ROW, "headers": {"Accept": "text/html"}}),
        ("body_too_large", PREDICT, {"json": ROW * 20}),
        ("unsupported_media_type", PREDICT, {"data": b"x"}),
        ("unsupported_encoding", PREDICT, {"json": ROW, "headers": {"Content-Encoding": "lzma"}}),
        ("corrupt_body", PREDICT, {"json": ROW, "headers": {"Content-Encoding": "br"}}),
        ("invalid_input", PREDICT, {"json": []}),
        ("model_failed", "/v1/models/moody/predict", {"json": [[101, 1]]}),
        ("model_unavailable", "/v1/models/gone/predict", {"json": ROW}),
        ("deadline_exceeded", "/v1/models/slow/predict", {"json": [[1, 1]]}),
    ],
)
def test_every_refusal_is_a_problem(
    failing: AppFixture, code: str, path: str, options: dict[str, Any]
) -> None:
    """SEC-33: each status has the problem that stands for it, and all security headers."""
    scope = {"scope": options["scope"]} if "scope" in options else {}
    headers = {**failing.bearer(**scope), **options.get("headers", {})}
    given = {name: value for name, value in options.items() if name not in {"scope", "headers"}}
    response = failing.client.open(path, **{"method": "POST", "headers": headers, **given})

    require_safe(response)
    require_problem(response, code)


def test_what_nobody_expected_is_a_constant(gateway: AppFixture) -> None:
    """500 says nothing of its cause."""

    def view() -> str:
        raise KeyError("a secret of ours")

    gateway.app.add_url_rule("/broken", "broken", view)
    response = gateway.client.get("/broken", headers=gateway.bearer())

    require_safe(response)
    require_problem(response, "internal_error")
    assert "secret" not in response.text


def test_not_ready_is_a_problem(tmp_path: Path) -> None:
    """/readyz answers 503 while no model serves; /livez does not mind."""
    gateway = make_app(tmp_path)
    gateway.models.apply({})
    response = gateway.client.get("/readyz")

    require_safe(response)
    require_problem(response, "not_ready")
    assert gateway.client.get("/livez").status_code == 200
