"""Authenticates a client by its secret. Source: RFC 6749 section 2.3.1."""

import hmac
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import unquote_plus

from gateway.auth.keys import secret_digest
from gateway.auth.oauth_errors import InvalidClient, InvalidRequest
from gateway.auth.token_limits import TokenLimits
from gateway.control.partners import LAST_USED_RESOLUTION_S, MAX_LIVE_SECRETS
from gateway.control.snapshot import Client, ClientSecret, Snapshot
from gateway.request_context import context, note

METHODS = ("client_secret_basic", "client_secret_post")

# Compared where a client has fewer secrets, or there is no such client: always the same work.
_NO_SECRET = ClientSecret(secret_id="", digest="0" * 64)


class Credentials(NamedTuple):
    """What a caller claims. The client_id is not to be logged: it may be a secret by mistake."""

    client_id: str
    secret: str


class ClientAuthenticator:
    """Knows a client by its id and one of its live secrets.

    Args:
        note_secret_used: given the id of a secret, about once a minute, after the answer is out.
    """

    def __init__(
        self,
        pepper: bytes,
        note_secret_used: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._pepper = pepper
        self._note_secret_used = note_secret_used
        self._clock = clock
        self._noted_at: dict[str, float] = {}

    def authenticate(
        self, snapshot: Snapshot, given: Credentials, limits: TokenLimits, address: str
    ) -> Client:
        """The enabled client that these credentials belong to.

        Raises:
            InvalidClient: unknown client, wrong secret or disabled partner; the log knows which.
            RateLimited: too many wrong secrets for this client from this address.
        """
        limits.refuse_guessing(given.client_id, address)
        client = snapshot.clients.get(given.client_id)
        secret = self._matching_secret(client, given.secret)
        if client is not None:
            note(partner=client.partner, client_id=client.client_id)
        if client is None or secret is None or not client.enabled:
            limits.count_wrong_secret(given.client_id, address)
            raise InvalidClient(_reason(client, secret))
        self._note_use(secret)
        return client

    def _matching_secret(self, client: Client | None, secret: str) -> ClientSecret | None:
        digest = secret_digest(self._pepper, secret)
        known = client.secrets if client else ()
        padding = (_NO_SECRET,) * (MAX_LIVE_SECRETS - len(known))
        matching = None
        for candidate in (*known, *padding):
            if hmac.compare_digest(candidate.digest, digest):
                matching = candidate
        return matching

    def _note_use(self, secret: ClientSecret) -> None:
        now, secret_id = self._clock(), secret.secret_id
        if now - self._noted_at.get(secret_id, 0.0) >= LAST_USED_RESOLUTION_S:
            self._noted_at[secret_id] = now
            context().on_close.append(lambda _status: self._note_secret_used(secret_id))


def read_credentials(authorization: str, form: Mapping[str, str]) -> Credentials:
    """The credentials of a request, given in exactly one way.

    Args:
        authorization: the Authorization header, empty where there is none.

    Raises:
        InvalidRequest: more than one way, or two clients named.
        InvalidClient: none, or malformed.
    """
    client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    # Servers join repeated headers with a comma, which no Basic credentials contain.
    if "," in authorization or (authorization and secret):
        raise InvalidRequest("Authenticate the client in one way only.")
    if authorization:
        credentials = _basic(authorization)
        if client_id not in ("", credentials.client_id):
            raise InvalidRequest("The form and the Authorization header name two clients.")
        return credentials
    if not client_id or not secret:
        raise InvalidClient("no_credentials")
    return Credentials(client_id, secret)


def _basic(authorization: str) -> Credentials:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient("unsupported_scheme")
    try:
        pair = b64decode(token.strip(), validate=True).decode("utf-8")
        client_id, _, secret = pair.partition(":")
        credentials = Credentials(
            unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
        )
    except ValueError as exc:
        raise InvalidClient("malformed_credentials") from exc
    if not credentials.client_id or not credentials.secret:
        raise InvalidClient("malformed_credentials")
    return credentials


def _reason(client: Client | None, secret: ClientSecret | None) -> str:
    if client is None:
        return "unknown_client"
    return "wrong_secret" if secret is None else "client_disabled"
