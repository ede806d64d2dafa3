"""Revocation of access tokens by their client. Source: RFC 7009."""

from typing import Any

from authlib.oauth2.rfc7009 import RevocationEndpoint
from sqlalchemy.exc import SQLAlchemyError

from gateway.auth.client_auth import METHODS
from gateway.auth.oauth_errors import InvalidRequest, TemporarilyUnavailable
from gateway.auth.verifier import Verifier
from gateway.control.store import ControlStore
from gateway.errors import Unauthenticated
from gateway.principal import Principal
from gateway.request_context import note

# Authlib's name of the endpoint.
REVOCATION = "revocation"


class Revocation(RevocationEndpoint):  # type: ignore[misc]  # authlib has no types
    """A client's own valid token dies; for anything else the answer is the same 200.

    A token is looked at by the verifier that predictions use: exactly what that would accept is
    worth revoking, and no jti is stored that this service did not sign.
    """

    CLIENT_AUTH_METHODS = METHODS

    def __init__(self, verifier: Verifier, store: ControlStore, leeway_s: int) -> None:
        super().__init__()
        self._verifier = verifier
        self._store = store
        self._leeway_s = leeway_s

    def authenticate_token(self, request: Any, client: Any) -> Principal | None:
        token = request.form.get("token")
        if token is None:
            raise InvalidRequest("The parameter token is missing.")
        try:
            principal = self._verifier.verify(token)
        except Unauthenticated as exc:
            note(**exc.facts)
            return None
        if principal.client_id != client.get_client_id():
            note(reason="token_of_another_client")
            return None
        return principal

    def revoke_token(self, principal: Principal, _request: object) -> None:
        note(key_id=principal.key_id, jti=principal.jti)
        # Verifiers accept the token until the leeway is over: so long the row must stay.
        forget_at = principal.expires_at + self._leeway_s + 1
        try:
            self._store.revoke_token(principal.jti, forget_at)
        except (SQLAlchemyError, OSError) as exc:
            raise TemporarilyUnavailable(reason="control_store_away", retry_after_s=5) from exc
