"""Verifies access tokens. Source: RFC 9068 section 4, RFC 8725.

The signature is checked by Flask-JWT-Extended and PyJWT; what they leave open is checked here.
"""

import binascii
import json
import re
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from typing import Any

import jwt
from flask import Flask, g
from flask_jwt_extended import JWTManager, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException

from config.sections import AuthSettings
from gateway.auth.keys import public_key_object
from gateway.control.snapshot import Client, Snapshot
from gateway.control.watcher import SnapshotWatcher
from gateway.errors import ControlStoreUnavailable, Unauthenticated
from gateway.principal import Principal

_COMPACT_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_TYPES = frozenset({"at+jwt", "application/at+jwt"})
# Parameters that carry or fetch a key, or change what is signed: none is ever needed here.
_REFUSED_PARAMETERS = frozenset({"crit", "b64", "jwk", "jku", "x5u", "x5c"})
_TEXT_CLAIMS = ("iss", "sub", "client_id", "jti")
_TIME_CLAIMS = ("exp", "iat")
_MAX_REMEMBERED = 10_000

_Remembered = tuple[Principal, dict[str, Any], dict[str, Any]]


class Verifier:
    """Turns a token into a Principal, and remembers it until the snapshot moves.

    A remembered token costs 10 µs instead of 430: its signature is not checked again, and its
    revocation need not be, because a new revocation is a new snapshot.
    """

    def __init__(
        self,
        app: Flask,
        watcher: SnapshotWatcher,
        settings: AuthSettings,
        *,
        issuer: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._watcher = watcher
        self._settings = settings
        self._clock = clock
        self._remembered: dict[str, _Remembered] = {}
        self._remembered_for = watcher.current
        _configure(app, settings, issuer).decode_key_loader(self._key)

    def verify(self, token: str) -> Principal:
        """The caller that a token stands for.

        Raises:
            Unauthenticated: any check failed; its `reason` goes to the log, not to the caller.
            ControlStoreUnavailable: revocations have not been seen for too long.
        """
        if self._watcher.age_s() > self._settings.refuse_tokens_after_s:
            raise ControlStoreUnavailable(retry_after_s=5, facts={"reason": "snapshot_too_old"})
        snapshot = self._watcher.current
        if snapshot is not self._remembered_for:
            self._remembered, self._remembered_for = {}, snapshot
        remembered = self._remembered.get(token) or self._check(token, snapshot)
        principal, claims, header = remembered
        if self._clock() >= principal.expires_at + self._settings.leeway_s:
            raise Unauthenticated(reason="expired")
        self._remember(token, remembered)
        g.__dict__.update(
            _jwt_extended_jwt=claims,
            _jwt_extended_jwt_header=header,
            _jwt_extended_jwt_user={"loaded_user": principal},
            _jwt_extended_jwt_location="headers",
        )
        return principal

    def _remember(self, token: str, remembered: _Remembered) -> None:
        if token not in self._remembered:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.pop(next(iter(self._remembered)))
            self._remembered[token] = remembered

    def _check(self, token: str, snapshot: Snapshot) -> _Remembered:
        header = self._check_header(token, snapshot)
        claims = _decode(token)
        self._check_claims(claims)
        client = snapshot.clients.get(claims["client_id"])
        if client is None or not client.enabled:
            raise Unauthenticated(reason="unknown_client" if client is None else "client_disabled")
        if snapshot.revocations.cover(claims["jti"], client.client_id, claims["iat"]):
            raise Unauthenticated(reason="revoked")
        return _principal(client, claims, header["kid"]), claims, header

    def _check_header(self, token: str, snapshot: Snapshot) -> dict[str, Any]:
        if len(token) > self._settings.max_token_bytes:
            raise Unauthenticated(reason="too_long")
        if not _COMPACT_JWS.fullmatch(token):
            raise Unauthenticated(reason="not_a_compact_jws")
        header = _strict_object(token.partition(".")[0])
        if str(header.get("typ")).lower() not in _TYPES:
            raise Unauthenticated(reason="wrong_typ")
        if not _REFUSED_PARAMETERS.isdisjoint(header):
            raise Unauthenticated(reason="refused_header_parameter")
        kid = header.get("kid")
        key = snapshot.keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise Unauthenticated(reason="unknown_kid")
        # One algorithm per key: the header may not choose another.
        if header.get("alg") != key.algorithm:
            raise Unauthenticated(reason="wrong_alg")
        _strict_object(token.split(".")[1])
        return header

    def _check_claims(self, claims: Mapping[str, Any]) -> None:
        for name in _TEXT_CLAIMS:
            if not isinstance(claims.get(name), str) or not claims[name]:
                raise Unauthenticated(reason=f"claim_{name}")
        # A client asks for itself (RFC 9068 section 2.2), so no other subject is known here.
        if claims["sub"] != claims["client_id"]:
            raise Unauthenticated(reason="claim_sub")
        for name in _TIME_CLAIMS:
            if type(claims.get(name)) not in (int, float):
                raise Unauthenticated(reason=f"claim_{name}")
        # Compared without a subtraction, which a whole number beyond every float would overflow.
        if claims["exp"] > claims["iat"] + self._settings.access_token_ttl_s:
            raise Unauthenticated(reason="lives_too_long")
        if claims["iat"] > self._clock() + self._settings.leeway_s:
            raise Unauthenticated(reason="issued_in_the_future")

    def _key(self, header: Mapping[str, Any], _claims: Mapping[str, Any]) -> Any:
        return public_key_object(self._remembered_for.keys[header["kid"]])


def _configure(app: Flask, settings: AuthSettings, issuer: str) -> JWTManager:
    app.config.update(
        JWT_ALGORITHM="EdDSA",
        JWT_DECODE_ALGORITHMS=["EdDSA", "ES256"],
        JWT_DECODE_AUDIENCE=settings.audience,
        JWT_DECODE_ISSUER=issuer,
        JWT_DECODE_LEEWAY=settings.leeway_s,
        JWT_TOKEN_LOCATION=["headers"],
    )
    return JWTManager(app)


def _decode(token: str) -> dict[str, Any]:
    try:
        return decode_token(token)
    except jwt.ExpiredSignatureError as exc:
        raise Unauthenticated(reason="expired") from exc
    # PyJWT raises types outside its own family on hostile input: all of them mean one thing.
    except (jwt.PyJWTError, JWTExtendedException, ValueError, TypeError, KeyError) as exc:
        raise Unauthenticated(reason=type(exc).__name__) from exc


def _principal(client: Client, claims: Mapping[str, Any], kid: str) -> Principal:
    asked = frozenset(str(claims.get("scope", "")).split())
    return Principal(
        partner=client.partner,
        client_id=client.client_id,
        # What the partner may do now bounds what its older tokens may.
        scopes=_common(asked, client.scopes) | _common(client.scopes, asked),
        plan=client.plan,
        key_id=kid,
        jti=claims["jti"],
        expires_at=claims["exp"],
    )


def _common(scopes: frozenset[str], others: frozenset[str]) -> frozenset[str]:
    return frozenset(scope for scope in scopes if covered(scope, others))


def covered(scope: str, granted: frozenset[str]) -> bool:
    """Whether a scope is among the granted ones, or one of them with `*` includes it."""
    if scope in granted:
        return True
    parts = scope.split(":")
    return len(parts) == 3 and parts[0] == "model" and f"model:*:{parts[2]}" in granted


def _strict_object(segment: str) -> dict[str, Any]:
    """A JSON object of a token, each name once: PyJWT would take the last of two."""
    try:
        raw = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_each_name_once)
    except (binascii.Error, ValueError, RecursionError) as exc:
        raise Unauthenticated(reason="not_strict_json") from exc
    if not isinstance(value, dict):
        raise Unauthenticated(reason="not_strict_json")
    return value


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name occurs twice")
    return members
