"""The token service's paths: tokens, revocation, published keys and metadata."""

from collections.abc import Callable, Mapping

import orjson
from flask import Response, request
from flask_restful import Resource

from gateway.auth.authorization_server import GRANT_TYPE, TokenService
from gateway.auth.client_auth import METHODS
from gateway.auth.keys import jwks
from gateway.auth.paths import ISSUANCE_PATH, JWKS_PATH, REVOCATION_PATH
from gateway.control.snapshot import Snapshot
from gateway.wire.media_type import JSON

# How long others may keep the published keys: a new one should be staged for as long.
PUBLISHED_MAX_AGE_S = 300


class Token(Resource):  # type: ignore[misc]  # flask_restful has no types
    """POST: an access token for a client's credentials."""

    def __init__(self, token_service: TokenService) -> None:
        self._token_service = token_service

    def post(self) -> Response:
        return self._token_service.issue()


class Revoke(Resource):  # type: ignore[misc]  # flask_restful has no types
    """POST: the client's own token is refused from now on."""

    def __init__(self, token_service: TokenService) -> None:
        self._token_service = token_service

    def post(self) -> Response:
        return self._token_service.revoke()


class Jwks(Resource):  # type: ignore[misc]  # flask_restful has no types
    """GET: every key that verifies now or is about to sign (RFC 7517)."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def get(self) -> Response:
        return _published(jwks(self._snapshot().keys.values()))


class Metadata(Resource):  # type: ignore[misc]  # flask_restful has no types
    """GET: authorization server metadata (RFC 8414)."""

    def __init__(self, issuer: str, base_url: str) -> None:
        self._metadata = {
            "issuer": issuer,
            "token_endpoint": base_url + ISSUANCE_PATH,
            "token_endpoint_auth_methods_supported": METHODS,
            "revocation_endpoint": base_url + REVOCATION_PATH,
            "revocation_endpoint_auth_methods_supported": METHODS,
            "jwks_uri": base_url + JWKS_PATH,
            "grant_types_supported": [GRANT_TYPE],
            # Required, and empty without an authorization endpoint.
            "response_types_supported": [],
        }

    def get(self) -> Response:
        return _published(self._metadata)


def _published(document: Mapping[str, object]) -> Response:
    response = Response(orjson.dumps(document), content_type=JSON)
    response.headers["Cache-Control"] = f"public, max-age={PUBLISHED_MAX_AGE_S}"
    response.add_etag()
    response.make_conditional(request)
    return response
