"""What the token service refuses, each in the shape of OAuth."""

from base64 import b64encode

import pytest
from control_fixtures import make_control_store
from structlog.testing import capture_logs
from token_service import GRANT, LOGGED, Service, closing_event, make_service

from gateway.auth.oauth_errors import OAuthError
from gateway.errors import catalogue

pytest_plugins = ["token_fixtures"]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "implicit"}, "unsupported_grant_type"),
        ({"grant_type": 'x"\\<é\n'}, "unsupported_grant_type"),
        ("grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
        ("grant_type=client_credentials&scope=&scope=model:a:predict", "invalid_request"),
        ("grant_type=client_credentials&x=%ff", "invalid_request"),
        ("grant_type", "invalid_request"),
        (b"grant_type=client_credentials&x=\xff", "invalid_request"),
        ("&".join(f"p{number}=1" for number in range(100)), "invalid_request"),
    ],
)
def test_a_wrong_form_is_refused(service, form, error):
    """Each with the code of RFC 6749 5.2, and nothing of what was sent in the answer (SEC-21)."""
    response = service.ask(form)

    assert response.status_code == 400
    assert response.json.keys() == {"error", "error_description"}
    assert response.json["error"] == error
    assert response.headers["Cache-Control"] == "no-store"
    assert "X-Request-ID" in response.headers


def test_nothing_is_taken_from_the_query(service):
    """Parameters in a URL end in logs: they do not count, however right they are."""
    client_id, secret = service.credentials()
    grant = service.ask({}, query_string=GRANT)
    query = {"client_id": client_id, "client_secret": secret}
    credentials = service.client.post("/oauth/token", data=GRANT, query_string=query)

    assert grant.json["error"] == "invalid_request"
    assert credentials.json["error"] == "invalid_client"


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "text/plain"])
def test_only_forms_are_read(service, content_type):
    """RFC 6749 3.2 names one type of body."""
    response = service.ask('{"grant_type": "client_credentials"}', content_type=content_type)

    assert (response.status_code, response.json["error"]) == (400, "invalid_request")


def test_a_compressed_form_is_refused(service):
    """Nothing here inflates."""
    response = service.ask(headers={"Content-Encoding": "gzip"})

    assert (response.status_code, response.json["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(("size", "status"), [(16 * 1024, 400), (16 * 1024 + 1, 413)])
def test_a_large_form_is_refused(service, size, status):
    """Both sides of the cap: one is read and found wrong, the other is not read."""
    response = service.ask("x" * size)

    assert (response.status_code, response.json["error"]) == (status, "invalid_request")


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused_in_oauths_shape(service, path, method):
    """405 says what is allowed (SEC-34)."""
    response = service.client.open(path, method=method)

    assert (response.status_code, response.json["error"]) == (405, "invalid_request")
    assert "POST" in response.headers["Allow"]


def test_unknown_paths_have_the_shape_of_their_neighbours(service):
    """OAuth's errors below /oauth/, problems elsewhere (SEC-33)."""
    below, beside = service.client.get("/oauth/authorize"), service.client.get("/nothing")

    assert (below.status_code, below.json["error"]) == (404, "invalid_request")
    assert beside.content_type == "application/problem+json"
    assert beside.json["code"] == "not_found"
    assert beside.json["request_id"] == beside.headers["X-Request-ID"]


@pytest.mark.parametrize("auth", [("acme", "x"), ("nobody", "x"), ("", ""), ("%ff", "x")])
@pytest.mark.parametrize("ask", [Service.ask, Service.revoke])
def test_wrong_credentials_are_challenged(service, ask, auth):
    """Any wrong credentials: the same 401, at both endpoints."""
    response = ask(service, {**GRANT, "token": "x"}, auth=auth)

    assert response.status_code == 401
    assert response.json == {
        "error": "invalid_client",
        "error_description": "The client could not be authenticated.",
    }
    assert response.headers["WWW-Authenticate"] == 'Basic realm="gateway", charset="UTF-8"'


def test_no_credentials_are_challenged(service):
    """Without any there is no token either."""
    response = service.client.post("/oauth/token", data=GRANT)

    assert (response.status_code, response.json["error"]) == (401, "invalid_client")


def test_two_ways_to_authenticate_are_refused(service):
    """Basic and form at once: the caller must decide (RFC 6749 2.3)."""
    client_id, secret = service.credentials()
    response = service.ask(GRANT | {"client_id": client_id, "client_secret": secret})

    assert (response.status_code, response.json["error"]) == (400, "invalid_request")


def test_two_authorization_headers_are_refused(service):
    """Servers join them with a comma."""
    pair = "Basic " + b64encode(":".join(service.credentials()).encode()).decode()
    response = service.client.post(
        "/oauth/token", data=GRANT, headers={"Authorization": f"{pair},{pair}"}
    )

    assert (response.status_code, response.json["error"]) == (400, "invalid_request")


def test_a_disabled_partner_gets_no_token(service):
    """Refused like a wrong secret; enabled again, it is served again."""
    service.control.set_partner("acme", enabled=False)
    with closing_event() as event:
        refused = service.ask()
    service.control.set_partner("acme", enabled=True)

    assert (refused.status_code, refused.json["error"]) == (401, "invalid_client")
    assert event["reason"] == "client_disabled"
    assert service.ask().status_code == 200


def test_the_host_header_does_not_matter(service):
    """Whether transport is safe is judged by configuration, not by the caller's word."""
    response = service.ask(base_url="http://evil.example")

    assert response.status_code == 200


def test_what_nobody_expected_is_a_constant(tmp_path):
    """A fault of ours answers 500 with nothing of its cause; the log has it."""
    service = make_service(make_control_store(tmp_path), pepper=None)
    with capture_logs() as events:
        response = service.ask()

    assert response.status_code == 500
    assert response.json == {"error": "server_error", "error_description": LOGGED}
    assert [event["event"] for event in events] == ["request_failed", "request_finished"]


def test_every_problem_fits_oauths_shape():
    """Descriptions keep to the characters that RFC 6749 5.2 allows."""
    titles = [problem.title for problem in catalogue().values()]

    assert all(OAuthError(title).get_error_description() == title for title in titles)
    assert not any(set(title) & set('"\\') for title in titles)
