"""Signing keys and client secrets: made, kept in private files, published.

One algorithm per key: Ed25519 signs EdDSA (RFC 8037), EC P-256 signs ES256. Nothing else signs.
"""

import hashlib
import hmac
import json
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.auth.private_files import UnusableFile, read_private, write_private
from gateway.control.snapshot import PublicKey

PEPPER_BYTES = 32
PEPPER_NAME = "pepper"

_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
# What a key must be to sign with an algorithm, and all that may be published of it.
_KINDS: Mapping[str, Mapping[str, str]] = {
    "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
    "ES256": {"kty": "EC", "crv": "P-256"},
}
_PUBLIC_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "EdDSA": ("crv", "kty", "x"),
    "ES256": ("crv", "kty", "x", "y"),
}

PrivateKey = Ed25519PrivateKey | ec.EllipticCurvePrivateKey
VerificationKey = Ed25519PublicKey | ec.EllipticCurvePublicKey


class UnusableKey(ValueError):
    """A key, or its file, that must not be used. The text is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key as an object. `kid` is its RFC 7638 thumbprint, `jwk` its public half."""

    kid: str
    algorithm: str
    private_key: PrivateKey
    jwk: Mapping[str, str]

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid!r}, algorithm={self.algorithm!r})"


def make_signing_key() -> SigningKey:
    """A new Ed25519 key."""
    return _signing_key(Ed25519PrivateKey.generate())


def write_private_key(keys_dir: Path, key: SigningKey) -> Path:
    """Write `<kid>.pem`, readable by its owner only. It is there whole or not at all."""
    pem = key.private_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = keys_dir / f"{key.kid}.pem"
    write_private(path, pem)
    return path


def load_private_key(keys_dir: Path, kid: str) -> SigningKey:
    """Read `<kid>.pem`.

    Raises:
        UnusableKey: missing, readable by others, of another kind, or not the key of this name.
    """
    if not _THUMBPRINT.fullmatch(kid):
        raise UnusableKey(f"{kid!r} is not the thumbprint of a key")
    path = keys_dir / f"{kid}.pem"
    pem = _read(path)
    try:
        private_key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise UnusableKey(f"{path} is not an unencrypted private key in PEM form") from exc
    try:
        key = _signing_key(private_key)
    except UnusableKey as exc:
        raise UnusableKey(f"{path} {exc}") from exc
    if key.kid != kid:
        raise UnusableKey(f"{path} holds another key: {key.kid}")
    return key


class SigningKeys:
    """The private keys of a folder, each read once."""

    def __init__(self, keys_dir: Path) -> None:
        self._keys_dir = keys_dir
        self._read: dict[str, SigningKey] = {}

    def get(self, kid: str) -> SigningKey:
        """Raises: UnusableKey. A key that failed is looked for again the next time."""
        key = self._read.get(kid)
        if key is None:
            key = self._read[kid] = load_private_key(self._keys_dir, kid)
        return key


def public_key_object(key: PublicKey) -> VerificationKey:
    """The verification key of a control store's row, as an object.

    Raises:
        UnusableKey: its kind does not fit its algorithm, or its numbers are no key.
    """
    kind = _KINDS.get(key.algorithm)
    if kind is None or any(key.jwk.get(name) != value for name, value in kind.items()):
        raise UnusableKey(f"key {key.kid} is not of the kind that {key.algorithm} needs")
    try:
        x = _decode(key.jwk["x"])
        if key.algorithm == "EdDSA":
            return Ed25519PublicKey.from_public_bytes(x)
        return _p256(x, _decode(key.jwk["y"])).public_key()
    except (KeyError, ValueError, TypeError) as exc:
        raise UnusableKey(f"key {key.kid} is not a valid public key") from exc


def jwks(keys: Iterable[PublicKey]) -> dict[str, list[dict[str, str]]]:
    """The JWK set (RFC 7517) of these keys. Public members only, whatever the rows hold."""
    return {
        "keys": [
            {name: key.jwk[name] for name in _PUBLIC_MEMBERS[key.algorithm]}
            | {"kid": key.kid, "alg": key.algorithm, "use": "sig"}
            for key in sorted(keys, key=lambda key: (key.created_at, key.kid))
            if key.algorithm in _KINDS
        ]
    }


def make_pepper(keys_dir: Path) -> None:
    """Make the key under which client secrets are stored, unless there is one."""
    path = keys_dir / PEPPER_NAME
    if not path.exists():
        # Another process may make it meanwhile: that one counts.
        with suppress(FileExistsError):
            write_private(path, secrets.token_bytes(PEPPER_BYTES))


def load_pepper(keys_dir: Path) -> bytes:
    """Raises: UnusableKey, if it is missing, open to others, or not 32 bytes."""
    path = keys_dir / PEPPER_NAME
    pepper = _read(path)
    if len(pepper) != PEPPER_BYTES:
        raise UnusableKey(f"{path} must hold {PEPPER_BYTES} bytes, not {len(pepper)}")
    return pepper


def key_problems(keys_dir: Path) -> list[str]:
    """One sentence for each file of the folder that the token service would refuse."""
    problems: list[str] = []
    for path in sorted(keys_dir.glob("*.pem")):
        problems += _problem(partial(load_private_key, keys_dir, path.stem))
    if (keys_dir / PEPPER_NAME).exists():
        problems += _problem(partial(load_pepper, keys_dir))
    return problems


def new_client_id(partner: str) -> str:
    """At most 80 characters for a partner's name of at most 63."""
    return f"{partner}-{secrets.token_hex(8)}"


def new_client_secret() -> str:
    """256 random bits: so many that a fast keyed hash may keep them."""
    return secrets.token_urlsafe(32)


def secret_digest(pepper: bytes, secret: str) -> str:
    """What is stored of a client secret: HMAC-SHA-256 under the pepper, in hexadecimal."""
    return hmac.new(pepper, secret.encode("utf-8"), hashlib.sha256).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return read_private(path)
    except UnusableFile as exc:
        raise UnusableKey(str(exc)) from exc


def _problem(attempt: Callable[[], object]) -> list[str]:
    try:
        attempt()
    except UnusableKey as exc:
        return [str(exc)]
    return []


def _signing_key(private_key: Any) -> SigningKey:
    if isinstance(private_key, Ed25519PrivateKey):
        algorithm, members = "EdDSA", {"x": private_key.public_key().public_bytes_raw()}
    elif isinstance(private_key, ec.EllipticCurvePrivateKey) and _is_p256(private_key):
        numbers = private_key.public_key().public_numbers()
        algorithm = "ES256"
        members = {"x": numbers.x.to_bytes(32, "big"), "y": numbers.y.to_bytes(32, "big")}
    else:
        kind = _kind(private_key)
        raise UnusableKey(f"is {kind}: only Ed25519 and EC P-256 keys sign access tokens")
    jwk = dict(_KINDS[algorithm]) | {name: _encode(value) for name, value in members.items()}
    return SigningKey(_thumbprint(jwk), algorithm, private_key, jwk)


def _kind(private_key: Any) -> str:
    if isinstance(private_key, rsa.RSAPrivateKey):
        return f"an RSA key of {private_key.key_size} bits"
    if isinstance(private_key, ec.EllipticCurvePrivateKey):
        return f"an EC key on {private_key.curve.name}"
    return "a key of an unknown kind"


def _is_p256(private_key: ec.EllipticCurvePrivateKey) -> bool:
    return isinstance(private_key.curve, ec.SECP256R1)


def _p256(x: bytes, y: bytes) -> ec.EllipticCurvePublicNumbers:
    numbers = int.from_bytes(x, "big"), int.from_bytes(y, "big")
    return ec.EllipticCurvePublicNumbers(*numbers, ec.SECP256R1())


def _thumbprint(jwk: Mapping[str, str]) -> str:
    """RFC 7638 section 3."""
    canonical = json.dumps(dict(jwk), sort_keys=True, separators=(",", ":"))
    return _encode(hashlib.sha256(canonical.encode("ascii")).digest())


def _encode(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def _decode(value: str) -> bytes:
    return urlsafe_b64decode(value + "=" * (-len(value) % 4))
