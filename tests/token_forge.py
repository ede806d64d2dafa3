"""Tokens spoiled on purpose, and what must become of them."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import jwt
from app_fixture import AppFixture
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.testing import capture_logs

INVALID_TOKEN = 'Bearer realm="gateway", error="invalid_token"'
# One sentence for all failures: which check failed is for the log alone (SEC-17).
DETAIL = "The access token is expired, revoked or not valid here. Ask for a new one."


def b64(data: Any) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def ask(gateway: AppFixture, token: str, scheme: str = "Bearer") -> tuple[Any, Any]:
    """The answer to a call with a token, and its closing event."""
    with capture_logs() as events:
        response = gateway.client.get(
            "/v1/models", headers={"Authorization": f"{scheme} {token}".strip()}
        )
    closing = [event for event in events if event["event"] == "request_finished"]
    return response, closing[-1]


def refused(gateway: AppFixture, token: str) -> str:
    """Assert that a token is refused as RFC 6750 says; the reason that only the log has."""
    response, event = ask(gateway, token)

    assert response.status_code == event["status"] == 401
    assert response.headers["WWW-Authenticate"] == INVALID_TOKEN
    assert response.content_type == "application/problem+json"
    assert response.json["code"] == "unauthenticated"
    members = {"type", "title", "status", "detail", "code", "request_id"}
    # This path is KServe's and TensorFlow Serving's as well, whose clients look for `error`.
    assert set(response.json) == members | {"error"}
    assert response.json["detail"] == DETAIL
    assert "partner" not in event
    return str(event["reason"])


def hand_made(gateway: AppFixture, *, header: Any = None, payload: Any = None) -> str:
    """A token signed with the gateway's key over exactly these bytes or members."""
    good_header, good_payload, _ = gateway.token().split(".")
    key = gateway.control.signing_key.private_key
    signed = f"{b64(header) if header else good_header}.{b64(payload) if payload else good_payload}"
    assert isinstance(key, Ed25519PrivateKey)
    return f"{signed}.{b64(key.sign(signed.encode()))}"


def claims(gateway: AppFixture, **changes: Any) -> dict[str, Any]:
    payload = jwt.decode(gateway.token(), options={"verify_signature": False})
    return {**payload, **changes}
