"""What the claims of an access token must say. Source: RFC 9068 section 2.2, RFC 8725."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from app_fixture import AppFixture
from token_forge import ask, claims, hand_made, refused


@pytest.mark.parametrize("claim", ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"])
def test_every_required_claim_is_required(shared_gateway: AppFixture, claim: str) -> None:
    """SEC-8: each one missing, null, empty or of another type."""
    refused(shared_gateway, shared_gateway.token(without=(claim,)))
    for value in (None, "", [], {}, True):
        payload = claims(shared_gateway, **{claim: value})
        refused(shared_gateway, hand_made(shared_gateway, payload=payload))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iss", "http://localhost:8000/"),
        ("iss", "http://localhost:800"),
        ("iss", "HTTP://localhost:8000"),
        ("iss", ["http://localhost:8000"]),
        ("aud", "model-gateway2"),
        ("aud", "model"),
        ("aud", ["other"]),
        ("aud", [["model-gateway"]]),
        ("aud", {"model-gateway": 1}),
        ("sub", "somebody-else"),
        ("client_id", "somebody-else"),
        ("jti", 5),
    ],
)
def test_names_are_compared_whole(shared_gateway: AppFixture, name: str, value: Any) -> None:
    """SEC-9, SEC-11: issuer, audience, subject and client are exact; nothing like it passes."""
    payload = claims(shared_gateway, **{name: value})

    refused(shared_gateway, hand_made(shared_gateway, payload=payload))


def test_one_of_several_audiences_may_be_ours(shared_gateway: AppFixture) -> None:
    """SEC-9, the other side."""
    token = shared_gateway.token(aud=["other", "model-gateway"])

    assert ask(shared_gateway, token)[0].status_code == 200


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (lambda now: {"exp": now - 32, "iat": now - 300}, "expired"),
        (lambda now: {"exp": now - 10, "iat": now - 300}, None),
        (lambda now: {"iat": now + 600, "exp": now + 900}, "ImmatureSignatureError"),
        (lambda now: {"nbf": now + 600}, "ImmatureSignatureError"),
        (lambda now: {"nbf": now - 600}, None),
        (lambda now: {"iat": now, "exp": now + 900}, None),
        (lambda now: {"iat": now, "exp": now + 901}, "lives_too_long"),
        (lambda _now: {"exp": 253402300799}, "lives_too_long"),
        (lambda now: {"exp": 10**400, "iat": now + 0.5}, "lives_too_long"),
        (lambda now: {"iat": -(10**400), "exp": now + 600.5}, "lives_too_long"),
        (lambda _now: {"exp": float("inf")}, "DecodeError"),
        (lambda _now: {"exp": float("nan")}, "DecodeError"),
        (lambda _now: {"iat": float("nan")}, "InvalidIssuedAtError"),
        (lambda _now: {"nbf": float("inf")}, "DecodeError"),
        (lambda now: {"exp": str(now + 600)}, "claim_exp"),
    ],
)
def test_time_is_kept(
    shared_gateway: AppFixture, changes: Callable[[int], Any], reason: str | None
) -> None:
    """SEC-10: expired, not yet valid, too long a life, and numbers that are no time."""
    now = int(time.time())
    token = hand_made(shared_gateway, payload=claims(shared_gateway, **changes(now)))
    if reason is None:
        assert ask(shared_gateway, token)[0].status_code == 200
    else:
        assert refused(shared_gateway, token) == reason
