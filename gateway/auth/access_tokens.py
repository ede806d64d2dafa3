"""Access tokens as the token service makes them. Source: RFC 9068 section 2."""

import re
import secrets
from collections.abc import Callable
from typing import NamedTuple

import jwt
import structlog

from config.sections import AuthSettings
from gateway.auth.keys import SigningKey, SigningKeys, UnusableKey
from gateway.auth.oauth_errors import InvalidScope, TemporarilyUnavailable
from gateway.auth.verifier import covered
from gateway.control.snapshot import Client, Snapshot

log = structlog.get_logger()

# A wildcard covers names, not arbitrary text: what is signed must be a scope that exists.
_SCOPE = re.compile(r"model:(\*|[a-z0-9][a-z0-9._-]{0,62}):(predict|read)")


class AccessToken(NamedTuple):
    """A signed token and what may be logged of it."""

    token: str
    kid: str
    jti: str
    expires_at: int


class AccessTokenIssuer:
    """Signs access tokens with the key that is active in the snapshot."""

    def __init__(
        self,
        signing_keys: SigningKeys,
        settings: AuthSettings,
        *,
        issuer: str,
        clock: Callable[[], float],
    ) -> None:
        self.ttl_s = settings.access_token_ttl_s
        self._signing_keys = signing_keys
        self._settings = settings
        self._issuer = issuer
        self._clock = clock

    def issue(self, snapshot: Snapshot, client: Client, scope: str) -> AccessToken:
        """A token for these scopes, separated by spaces.

        Raises:
            TemporarilyUnavailable: the private half of the active key cannot be had here.
            InvalidScope: so many scopes that no verifier would look at the token.
        """
        key = self.signing_key(snapshot)
        issued_at = int(self._clock())
        expires_at = issued_at + self.ttl_s
        jti = secrets.token_hex(16)
        claims = {
            "iss": self._issuer,
            "sub": client.client_id,
            "aud": self._settings.audience,
            "client_id": client.client_id,
            "iat": issued_at,
            "exp": expires_at,
            "jti": jti,
            "scope": scope,
        }
        headers = {"typ": "at+jwt", "kid": key.kid}
        token = jwt.encode(claims, key.private_key, algorithm=key.algorithm, headers=headers)
        if len(token) > self._settings.max_token_bytes:
            raise InvalidScope("The token would be too long: ask for fewer scopes.")
        return AccessToken(token, key.kid, jti, expires_at)

    def signing_key(self, snapshot: Snapshot) -> SigningKey:
        """Raises: TemporarilyUnavailable."""
        active = snapshot.signing_key
        if active is None:
            raise _no_key(cause="no key is active")
        try:
            return self._signing_keys.get(active.kid)
        except UnusableKey as exc:
            raise _no_key(key_id=active.kid, cause=str(exc)) from exc


def _no_key(**facts: str) -> TemporarilyUnavailable:
    log.error("signing_key_unavailable", **facts)
    return TemporarilyUnavailable(reason="signing_key_unavailable", retry_after_s=5)


def narrowed_scope(client: Client, asked: str | None) -> str:
    """The scope of a token: all that the client has, or the part of it that it asks for.

    Raises:
        InvalidScope: a scope that does not exist, or that the client does not have.
    """
    if asked is None:
        return " ".join(sorted(client.scopes))
    scopes = set(asked.split(" "))
    if not all(_SCOPE.fullmatch(scope) and covered(scope, client.scopes) for scope in scopes):
        raise InvalidScope("A scope that was asked for does not exist, or is not granted.")
    return " ".join(sorted(scopes))
