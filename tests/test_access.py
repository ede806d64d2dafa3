"""Who may pass: how a token is sent, what it may do, and when it stops to."""

import time
from pathlib import Path
from typing import Any

import pytest
from app_fixture import AppFixture, make_app
from flask import g
from flask_jwt_extended import get_current_user, get_jwt, get_jwt_header, get_jwt_identity
from structlog.testing import capture_logs
from token_forge import INVALID_TOKEN, ask, refused

from gateway.auth.verifier import Verifier
from gateway.errors import Unauthenticated

ROW = [[13.2] * 13]
PREDICT = "/v1/models/wine/predict"
CHALLENGE = 'Bearer realm="gateway"'
INVALID_REQUEST = f'{CHALLENGE}, error="invalid_request"'


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_has_any_case(shared_gateway: AppFixture, scheme: str) -> None:
    """SEC-15: names of schemes are not case-sensitive (RFC 9110 section 11.1)."""
    assert ask(shared_gateway, shared_gateway.token(), scheme)[0].status_code == 200


@pytest.mark.parametrize(
    ("header", "query", "status", "challenge"),
    [
        (None, "", 401, CHALLENGE),
        ("", "", 401, CHALLENGE),
        ("Basic YTpi", "", 401, CHALLENGE),
        ("{token}", "", 401, CHALLENGE),
        ("DPoP {token}", "", 401, CHALLENGE),
        ("Bearer\t{token}", "", 401, CHALLENGE),
        ("Bearer", "", 400, INVALID_REQUEST),
        ("Bearer ", "", 400, INVALID_REQUEST),
        ("Bearer  {token}", "", 400, INVALID_REQUEST),
        ("Bearer {token} x", "", 400, INVALID_REQUEST),
        ("Bearer {token}, Basic YTpi", "", 400, INVALID_REQUEST),
        ("Bearer {token},Bearer {token}", "", 400, INVALID_REQUEST),
        (None, "access_token={token}", 400, INVALID_REQUEST),
        ("Bearer {token}", "access_token={token}", 400, INVALID_REQUEST),
        ("Bearer {token}x", "", 401, INVALID_TOKEN),
    ],
)
def test_there_is_one_way_to_send_a_token(
    shared_gateway: AppFixture, header: str | None, query: str, status: int, challenge: str
) -> None:
    """SEC-15, SEC-16: one token in one header; the challenge says what RFC 6750 section 3 says."""
    token = shared_gateway.token()
    headers = {} if header is None else {"Authorization": header.format(token=token)}
    with capture_logs() as events:
        response = shared_gateway.client.get(
            "/v1/models", headers=headers, query_string=query.format(token=token)
        )

    assert response.status_code == status
    assert response.headers["WWW-Authenticate"] == challenge
    assert response.content_type == "application/problem+json"
    assert events[-1]["reason"]
    assert token not in str(events)
    assert token not in response.text


@pytest.mark.parametrize("options", [{"data": "form"}, {"json": "json"}], ids=["form", "json"])
def test_a_token_in_the_body_is_none(shared_gateway: AppFixture, options: Any) -> None:
    """SEC-15: a body is not read for credentials."""
    (name,) = options
    response = shared_gateway.client.post(
        PREDICT, **{name: {"access_token": shared_gateway.token()}}
    )

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == CHALLENGE


@pytest.mark.parametrize(
    ("scope", "path", "status"),
    [
        ("model:wine:predict", PREDICT, 200),
        ("model:*:predict", PREDICT, 200),
        ("model:wine:read", PREDICT, 403),
        ("model:win:predict model:winee:predict", PREDICT, 403),
        ("MODEL:WINE:PREDICT", PREDICT, 403),
        ("model:wine:* model:*:* *", PREDICT, 403),
        ("", PREDICT, 403),
        ("model:*:predict", "/v1/models/beer/predict", 404),
        ("model:wine:predict", "/v1/models/beer/predict", 403),
        ("model:wine:predict", "/v1/models/wine/versions/9/predict", 404),
    ],
)
def test_a_call_needs_its_scope(
    shared_gateway: AppFixture, scope: str, path: str, status: int
) -> None:
    """SEC-16: 403 names the scope; who may not see a model does not learn whether it exists."""
    response = shared_gateway.predict(ROW, path, headers=shared_gateway.bearer(scope=scope))
    needed = f"model:{path.split('/')[3]}:predict"

    assert response.status_code == status
    if status == 403:
        challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{needed}"'
        assert response.headers["WWW-Authenticate"] == challenge
        assert response.json["code"] == "insufficient_scope"


@pytest.mark.parametrize("scope", [None, 5, ["model:*:predict"], {"model:*:predict": 1}])
def test_a_scope_of_another_type_allows_nothing(shared_gateway: AppFixture, scope: Any) -> None:
    """RFC 9068 section 2.2.3: a scope is a string."""
    response = shared_gateway.predict(ROW, headers=shared_gateway.bearer(scope=scope))

    assert response.status_code == 403


def test_a_partners_narrowed_scope_narrows_its_older_tokens(gateway: AppFixture) -> None:
    """`partner set` counts for tokens that were issued before it."""
    headers = gateway.bearer()
    before = gateway.predict(ROW, headers=headers)
    gateway.control.set_partner("acme", scopes=("model:wine:read",))
    after = gateway.predict(ROW, headers=headers)

    assert (before.status_code, after.status_code) == (200, 403)
    assert gateway.client.get("/v1/models/wine", headers=headers).status_code == 200


def test_a_remembered_token_dies_by_name(gateway: AppFixture) -> None:
    """SEC-31: revoked by jti, in the next snapshot; another token of the client lives on."""
    dead, living = gateway.token(jti="one"), gateway.token(jti="two")
    assert {ask(gateway, token)[0].status_code for token in (dead, living)} == {200}
    gateway.control.store.revoke_token("one", time.time() + 900)
    gateway.refresh()

    assert refused(gateway, dead) == "revoked"
    assert ask(gateway, living)[0].status_code == 200


@pytest.mark.parametrize("whose", ["client", "all"])
def test_remembered_tokens_die_by_their_age(gateway: AppFixture, whose: str) -> None:
    """SEC-31: those issued up to a moment are dead, later ones are not."""
    now = int(time.time())
    old, new = gateway.token(iat=now - 10), gateway.token(iat=now)
    assert {ask(gateway, token)[0].status_code for token in (old, new)} == {200}
    if whose == "client":
        gateway.control.store.revoke_client(gateway.control.partner.client_id, now - 5, now + 900)
    else:
        gateway.control.store.revoke_all(now - 5, now + 900)
    gateway.refresh()

    assert refused(gateway, old) == "revoked"
    assert ask(gateway, new)[0].status_code == 200


def test_a_disabled_partners_token_is_dead_until_it_is_enabled(gateway: AppFixture) -> None:
    """SEC-11: the client must be known and enabled now, not when the token was made."""
    token = gateway.token()
    assert ask(gateway, token)[0].status_code == 200
    gateway.control.set_partner("acme", enabled=False)
    assert refused(gateway, token) == "client_disabled"
    gateway.control.set_partner("acme", enabled=True)

    assert ask(gateway, token)[0].status_code == 200


def test_a_retired_keys_tokens_are_dead(gateway: AppFixture) -> None:
    """A key that only verifies still does; once retired its tokens are unknown."""
    token, kid = gateway.token(), gateway.control.signing_key.kid
    gateway.control.rotate_key()
    assert ask(gateway, token)[0].status_code == 200
    gateway.control.store.retire_key(kid)
    gateway.refresh()

    assert refused(gateway, token) == "unknown_kid"


def test_a_remembered_token_expires(tmp_path: Path) -> None:
    """Being remembered lengthens no life: at exp plus the leeway it ends."""
    gateway = make_app(tmp_path)
    now = int(time.time())
    clock = [float(now)]
    settings = gateway.control.settings.auth
    issuer, watcher = gateway.control.settings.issuer, gateway.control.watcher
    verifier = Verifier(gateway.app, watcher, settings, issuer=issuer, clock=lambda: clock[0])
    token = gateway.token(exp=now + 600)
    with gateway.app.app_context():
        assert verifier.verify(token).partner == "acme"
        clock[0] = now + 600 + settings.leeway_s - 0.001
        assert verifier.verify(token).partner == "acme"
        clock[0] += 0.002
        with pytest.raises(Unauthenticated) as refusal:
            verifier.verify(token)

    assert refusal.value.facts["reason"] == "expired"


def test_flask_jwt_extended_knows_the_token(gateway: AppFixture) -> None:
    """Its get_jwt and the like work in a request: pins the four names on `g` that we set."""
    seen: dict[str, Any] = {}

    def view() -> str:
        seen.update(jwt=get_jwt(), header=get_jwt_header(), id=get_jwt_identity())
        seen.update(user=get_current_user(), location=g._jwt_extended_jwt_location)
        return ""

    gateway.app.add_url_rule("/seen", "seen", view)
    for _ in ("checked", "remembered"):
        gateway.client.get("/seen", headers=gateway.bearer(jti="a-jti"))

        assert seen["jwt"]["jti"] == "a-jti"
        assert seen["header"]["kid"] == gateway.control.signing_key.kid
        assert seen["id"] == gateway.control.partner.client_id
        assert seen["user"].partner == "acme"
        assert seen.pop("location") == "headers"


def test_without_news_of_revocations_no_token_passes(tmp_path: Path) -> None:
    """SEC-32: a snapshot that is too old refuses with 503, remembered tokens too."""
    gateway = make_app(tmp_path, auth={"refuse_tokens_after_s": 1e-9})
    for _ in range(2):
        response, event = ask(gateway, gateway.token())

        assert response.status_code == 503
        assert response.json["code"] == "control_store_unavailable"
        assert response.headers["Retry-After"] == "5"
        assert event["reason"] == "snapshot_too_old"


def test_a_removed_database_is_an_old_snapshot(tmp_path: Path) -> None:
    """Service goes on with the last snapshot while its age allows."""
    gateway = make_app(tmp_path)
    token = gateway.token()
    for path in (tmp_path / "control").iterdir():
        path.rename(path.with_suffix(".gone"))
    gateway.refresh()

    assert ask(gateway, token)[0].status_code == 200
