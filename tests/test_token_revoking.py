"""Tokens that are ended early."""

import time

import jwt
import pytest
from structlog.testing import capture_logs
from token_service import Service, closing_event, make_service, revoked

from gateway.auth.access_tokens import AccessTokenIssuer
from gateway.auth.keys import SigningKeys, make_signing_key
from gateway.control.database import writing_engine
from gateway.control.store import ControlStore

pytest_plugins = ["token_fixtures"]


def test_a_client_revokes_its_token(service):
    """The jti is stored for as long as a verifier would accept the token."""
    token = service.token()
    claims = service.claims(token)
    response = service.revoke({"token": token, "token_type_hint": "access_token"})
    [row] = revoked(service.control)
    service.control.watcher.refresh()
    covered = service.control.watcher.current.revocations.cover(
        claims["jti"], claims["client_id"], claims["iat"]
    )

    assert (response.status_code, response.json) == (200, {})
    assert (row.kind, row.subject) == ("jti", claims["jti"])
    assert row.expires_at > claims["exp"] + service.control.settings.auth.leeway_s
    assert covered


def test_a_token_revoked_twice_is_stored_once(service):
    """What is dead already needs no second row."""
    token = service.token()
    for _ in range(2):
        assert service.revoke({"token": token}).status_code == 200
        service.control.watcher.refresh()

    assert len(revoked(service.control)) == 1


def test_another_clients_token_is_not_revoked(service):
    """200, as for an unknown token, so that it tells nothing; and nothing is stored (SEC-30)."""
    other = service.control.add_partner("other")
    token = service.token()
    with closing_event() as event:
        response = service.revoke({"token": token}, auth=(other.client_id, other.secret))

    assert (response.status_code, response.json) == (200, {})
    assert event["reason"] == "token_of_another_client"
    assert revoked(service.control) == []


def _forged(service: Service) -> str:
    claims = service.claims(service.token())
    headers = {"typ": "at+jwt", "kid": service.control.signing_key.kid}
    return jwt.encode(claims, make_signing_key().private_key, "EdDSA", headers=headers)


@pytest.mark.parametrize(
    "make_token",
    [
        lambda _: "garbage",
        lambda _: "a.b.c",
        lambda _: "é\n\x00",
        lambda service: service.token()[:-4] + "AAAA",
        lambda _: "x" * 10_000,
        _forged,
    ],
    ids=["text", "dots", "characters", "signature", "long", "other-key"],
)
def test_what_is_no_token_of_ours_is_answered_alike(service, make_token):
    """200 for anything, but nothing that this service did not sign is ever stored."""
    response = service.revoke({"token": make_token(service)})

    assert (response.status_code, response.json) == (200, {})
    assert revoked(service.control) == []


def test_an_expired_token_is_not_stored(service):
    """It is dead already."""
    control, snapshot = service.control, service.control.watcher.current
    issuer = AccessTokenIssuer(
        SigningKeys(control.settings.keys_dir),
        control.settings.auth,
        issuer=control.settings.issuer,
        clock=lambda: time.time() - 1000,
    )
    client = snapshot.clients[control.partner.client_id]
    expired = issuer.issue(snapshot, client, "model:*:predict").token
    with closing_event() as event:
        response = service.revoke({"token": expired})

    assert (response.status_code, event["reason"]) == (200, "expired")
    assert revoked(control) == []


@pytest.mark.parametrize("form", [{}, {"token": ""}, {"token_type_hint": "access_token"}])
def test_a_revocation_names_a_token(service, form):
    """Without one the request is malformed."""
    response = service.revoke(form)

    assert (response.status_code, response.json["error"]) == (400, "invalid_request")


def test_revocation_works_without_counts(service, without_counts):
    """A leaked token must die on the day that Redis is away as well."""
    token = service.token()
    response = without_counts.revoke({"token": token})

    assert response.status_code == 200
    assert len(revoked(service.control)) == 1


def test_a_revocation_that_cannot_be_written_is_not_confirmed(service, tmp_path):
    """Database away: 503, for 200 would say that the token is dead."""
    away = ControlStore(
        writing_engine(f"sqlite:///{tmp_path}/away.sqlite3"), actor="test", clock=time.time
    )
    token = service.token()
    with capture_logs():
        response = make_service(service.control, store=away).revoke({"token": token})

    assert (response.status_code, response.json["error"]) == (503, "temporarily_unavailable")
    assert int(response.headers["Retry-After"]) > 0


def test_issuing_survives_a_database_that_is_away(service, tmp_path):
    """When a secret was last used cannot be written then; the caller does not notice."""
    away = ControlStore(
        writing_engine(f"sqlite:///{tmp_path}/away.sqlite3"), actor="test", clock=time.time
    )
    with capture_logs() as events:
        response = make_service(service.control, store=away).ask()

    assert response.status_code == 200
    assert "after_request_failed" in {event["event"] for event in events}
