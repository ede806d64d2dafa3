"""The token service: Authlib's authorization server over the current snapshot.

Source: RFC 6749 section 4.4 (client credentials). Public clients and refresh tokens are absent.
"""

from collections.abc import Callable, Mapping
from typing import Any

import flask
import orjson
from authlib.oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator

from gateway.auth.access_tokens import AccessTokenIssuer, narrowed_scope
from gateway.auth.client_auth import METHODS, ClientAuthenticator, read_credentials
from gateway.auth.form import read_form
from gateway.auth.oauth_errors import InvalidRequest, UnsupportedGrantType, oauth_error_from
from gateway.auth.revocation import REVOCATION
from gateway.auth.token_limits import TokenLimits
from gateway.control.snapshot import Client, Snapshot
from gateway.request_context import context, note

GRANT_TYPE = "client_credentials"
# Authlib's name of the token endpoint.
ISSUANCE = "token"


class TokenService(AuthorizationServer):  # type: ignore[misc]  # authlib has no types
    """Answers token and revocation requests; every refusal is in OAuth's shape.

    Args:
        snapshot: gives the current snapshot, or raises ControlStoreUnavailable if it is too old.
        base_url: how callers reach this service. Authlib judges by it whether transport is safe;
            the Host header, which it takes by default, is the caller's word.
    """

    def __init__(
        self,
        *,
        snapshot: Callable[[], Snapshot],
        authenticator: ClientAuthenticator,
        issuer: AccessTokenIssuer,
        limits: Mapping[str, TokenLimits],
        base_url: str,
    ) -> None:
        super().__init__()
        self._snapshot = snapshot
        self._authenticator = authenticator
        self._base_url = base_url
        self.limits = limits
        self.register_token_generator(GRANT_TYPE, _Generator(issuer))
        self.register_grant(_ClientCredentials)

    def issue(self) -> flask.Response:
        """Answer the token request in hand."""
        response: flask.Response = self.create_token_response()
        return response

    def revoke(self) -> flask.Response:
        """Answer the revocation request in hand."""
        response: flask.Response = self.create_endpoint_response(REVOCATION)
        return response

    def refuse(self, exc: Exception) -> flask.Response:
        """Any exception of a request as its answer."""
        response: flask.Response = self.handle_error_response(None, oauth_error_from(exc))
        return response

    # What follows is what Authlib asks of an integration.

    def authenticate_client(
        self, request: "_FormRequest", _methods: object, endpoint: str = ISSUANCE
    ) -> "_AuthenticatedClient":
        snapshot = self._snapshot()
        given = read_credentials(request.headers.get("Authorization", ""), request.form)
        address, limits = context().client_address, self.limits[endpoint]
        context().enter("auth")
        client = self._authenticator.authenticate(snapshot, given, limits, address)
        context().enter("")
        return _AuthenticatedClient(client, snapshot)

    def get_token_grant(self, request: "_FormRequest") -> Any:
        # Authlib's own error repeats what the caller sent.
        if request.payload.grant_type is None:
            raise InvalidRequest("The parameter grant_type is missing.")
        if request.payload.grant_type != GRANT_TYPE:
            raise UnsupportedGrantType
        return super().get_token_grant(request)

    def create_oauth2_request(self, request: object) -> "_FormRequest":
        if isinstance(request, _FormRequest):
            return request
        return _FormRequest(flask.request, self._base_url)

    def handle_response(
        self, status: int, body: Mapping[str, Any], headers: list[tuple[str, str]]
    ) -> flask.Response:
        return flask.Response(orjson.dumps(body), status=status, headers=headers)

    def handle_error_response(self, request: object, error: Any) -> flask.Response:
        note(code=error.error, **getattr(error, "facts", {}))
        return super().handle_error_response(request, error)  # type: ignore[no-any-return]

    def save_token(self, token: object, request: object) -> None:
        """Tokens are not kept: the signature vouches for them."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens: the closing event of the request says all of it."""


class _ClientCredentials(ClientCredentialsGrant):  # type: ignore[misc]  # authlib has no types
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def validate_requested_scope(self) -> None:
        self.client.get_allowed_scope(self.request.payload.scope)
        # Count when all else is right, so that nobody without a secret can use up what
        # everybody shares.
        self.server.limits[ISSUANCE].count_issuance()


class _Generator(BearerTokenGenerator):  # type: ignore[misc]  # authlib has no types
    def __init__(self, issuer: AccessTokenIssuer) -> None:
        super().__init__(self._sign, expires_generator=issuer.ttl_s)
        self._issuer = issuer

    def _sign(self, *, client: "_AuthenticatedClient", scope: str, **_unused: object) -> str:
        issued = self._issuer.issue(client.snapshot, client.client, scope)
        note(key_id=issued.kid, jti=issued.jti)
        return issued.token


class _AuthenticatedClient(ClientMixin):  # type: ignore[misc]  # authlib has no types
    """A client, with the one snapshot that its whole request is answered from."""

    def __init__(self, client: Client, snapshot: Snapshot) -> None:
        self.client = client
        self.snapshot = snapshot

    def get_client_id(self) -> str:
        return self.client.client_id

    def get_allowed_scope(self, scope: str | None) -> str:
        return narrowed_scope(self.client, scope)

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == GRANT_TYPE


class _FormRequest(OAuth2Request):  # type: ignore[misc]  # authlib has no types
    """A request whose parameters come from the form alone, once each."""

    def __init__(self, request: flask.Request, base_url: str) -> None:
        super().__init__(request.method, base_url + request.path, headers=request.headers)
        self._form = read_form(request)
        self.payload = BasicOAuth2Payload(self._form)

    @property
    def form(self) -> Mapping[str, str]:
        return self._form
