"""What the token service publishes for everybody."""

from structlog.testing import capture_logs

pytest_plugins = ["token_fixtures"]


def test_published_keys_are_cached_and_confirmed(service):
    """An ETag that holds until the keys change, and five minutes of life (SEC-28)."""
    first = service.client.get("/.well-known/jwks.json")
    etag = {"If-None-Match": first.headers["ETag"]}
    again = service.client.get("/.well-known/jwks.json", headers=etag)
    service.control.stage_key()
    changed = service.client.get("/.well-known/jwks.json", headers=etag)

    assert first.headers["Cache-Control"] == "public, max-age=300"
    assert first.content_type == "application/json"
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert (changed.status_code, len(changed.json["keys"])) == (200, 2)
    assert not {"d", "p", "q", "k"} & set().union(*changed.json["keys"])


def test_metadata_names_what_there_is(service):
    """RFC 8414: the endpoints are those of the configured URL, and each answers."""
    metadata = service.client.get(
        "/.well-known/oauth-authorization-server", base_url="http://evil.example"
    ).json
    base = service.control.settings.server.base_url
    paths = [metadata[name].removeprefix(base) for name in ("token_endpoint", "jwks_uri")]

    assert metadata["issuer"] == base
    assert paths == ["/oauth/token", "/.well-known/jwks.json"]
    assert metadata["revocation_endpoint"] == f"{base}/oauth/revoke"
    assert metadata["grant_types_supported"] == ["client_credentials"]
    assert metadata["response_types_supported"] == []
    assert metadata["token_endpoint_auth_methods_supported"] == [
        "client_secret_basic",
        "client_secret_post",
    ]


def test_probes_answer(service):
    """Public, tiny, and silent in the log."""
    with capture_logs() as events:
        responses = [service.client.get(path, buffered=True) for path in ("/livez", "/readyz")]

    assert [response.status_code for response in responses] == [200, 200]
    assert events == []
