"""Signing keys, their files, and client secrets."""

import json
import os
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.auth.keys import (
    SigningKeys,
    UnusableKey,
    jwks,
    key_problems,
    load_pepper,
    load_private_key,
    make_pepper,
    make_signing_key,
    new_client_id,
    new_client_secret,
    public_key_object,
    secret_digest,
    write_private_key,
)
from gateway.control.snapshot import PublicKey

# RFC 8037, appendix A: the key, and its thumbprint.
RFC_8037_D = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
RFC_8037_KID = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def _published(key, **changes):
    facts = {"kid": key.kid, "algorithm": key.algorithm, "jwk": dict(key.jwk)}
    return PublicKey(**(facts | changes), state="active", created_at=1.0)


def _pem(private_key, password=None):
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


def _write(folder: Path, kid: str, pem: bytes, mode: int = 0o600) -> None:
    path = folder / f"{kid}.pem"
    path.write_bytes(pem)
    path.chmod(mode)


def test_kid_is_the_thumbprint_of_rfc_7638(tmp_path):
    """The published vector of RFC 8037 A.3 gives its published thumbprint (SEC-28)."""
    _write(tmp_path, RFC_8037_KID, _pem(Ed25519PrivateKey.from_private_bytes(RFC_8037_D)))
    key = load_private_key(tmp_path, RFC_8037_KID)

    assert key.kid == RFC_8037_KID
    assert key.algorithm == "EdDSA"
    assert key.jwk["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"


def test_a_written_key_is_read_back_and_signs(tmp_path):
    """What is written is the same key, private to its owner, in a private folder."""
    made = make_signing_key()
    path = write_private_key(tmp_path / "keys", made)
    read = load_private_key(tmp_path / "keys", made.kid)
    token = jwt.encode({"a": 1}, read.private_key, algorithm=read.algorithm)

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert jwt.decode(token, public_key_object(_published(made)), [made.algorithm]) == {"a": 1}


def test_a_key_file_is_never_written_over(tmp_path):
    """Writing where there is a file leaves that file as it was."""
    key = make_signing_key()
    path = write_private_key(tmp_path, key)
    before = path.stat().st_ino
    with pytest.raises(FileExistsError):
        write_private_key(tmp_path, key)

    assert path.stat().st_ino == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_file_open_to_others_is_refused(tmp_path, mode):
    """A readable private key is refused, and the sentence says what to do."""
    key = make_signing_key()
    write_private_key(tmp_path, key).chmod(mode)

    with pytest.raises(UnusableKey, match=rf"\(mode {mode:04o}\): chmod 600"):
        load_private_key(tmp_path, key.kid)


@pytest.mark.parametrize(
    ("private_key", "said"),
    [
        (rsa.generate_private_key(65537, 2048), "RSA key of 2048 bits"),
        (ec.generate_private_key(ec.SECP384R1()), "EC key on secp384r1"),
        (ec.generate_private_key(ec.SECP256K1()), "EC key on secp256k1"),
    ],
)
def test_keys_of_other_kinds_are_refused(tmp_path, private_key, said):
    """Only Ed25519 and EC P-256 keys sign (SEC-14)."""
    _write(tmp_path, "A" * 43, _pem(private_key))

    with pytest.raises(UnusableKey, match=said):
        load_private_key(tmp_path, "A" * 43)


@pytest.mark.parametrize(
    "pem",
    [b"", b"not a key", _pem(Ed25519PrivateKey.generate(), password=b"secret")],
    ids=["empty", "text", "encrypted"],
)
def test_what_is_no_plain_private_key_is_refused(tmp_path, pem):
    """Garbage and encrypted keys are refused with a sentence, not with a traceback."""
    _write(tmp_path, "A" * 43, pem)

    with pytest.raises(UnusableKey, match="not an unencrypted private key"):
        load_private_key(tmp_path, "A" * 43)


def test_a_file_under_another_keys_name_is_refused(tmp_path):
    """A key must be the one its file name says: the name is what verifiers look up."""
    first, second = make_signing_key(), make_signing_key()
    write_private_key(tmp_path, first).rename(tmp_path / f"{second.kid}.pem")

    with pytest.raises(UnusableKey, match="holds another key"):
        load_private_key(tmp_path, second.kid)


@pytest.mark.parametrize("kid", ["../../etc/passwd", "", "a" * 42, "a" * 42 + "/", "pepper"])
def test_only_thumbprints_name_files(tmp_path, kid):
    """Text that is no thumbprint never becomes a path (SEC-5)."""
    with pytest.raises(UnusableKey, match="thumbprint"):
        load_private_key(tmp_path, kid)


def test_a_p256_key_signs_es256(tmp_path):
    """A key from outside on P-256 is taken, with its own algorithm."""
    private_key = ec.generate_private_key(ec.SECP256R1())
    numbers = private_key.public_key().public_numbers()
    jwk = {"crv": "P-256", "kty": "EC"}
    for name, number in (("x", numbers.x), ("y", numbers.y)):
        jwk[name] = urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()
    canonical = json.dumps(jwk, sort_keys=True, separators=(",", ":")).encode()
    kid = urlsafe_b64encode(sha256(canonical).digest()).rstrip(b"=").decode()
    _write(tmp_path, kid, _pem(private_key))
    key = load_private_key(tmp_path, kid)
    token = jwt.encode({"a": 1}, key.private_key, algorithm=key.algorithm)

    assert key.algorithm == "ES256"
    assert jwt.decode(token, public_key_object(_published(key)), ["ES256"]) == {"a": 1}


def test_one_algorithm_per_key():
    """A row whose algorithm does not fit its key gives no key at all (SEC-3, SEC-4)."""
    key = make_signing_key()
    for algorithm in ("ES256", "HS256", "RS256", "none", "eddsa", "EdDSA "):
        with pytest.raises(UnusableKey):
            public_key_object(_published(key, algorithm=algorithm))


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "OKP", "crv": "Ed25519"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        {"kty": "OKP", "crv": "X25519", "x": "A" * 43},
        {"kty": "oct", "k": "A" * 43},
    ],
)
def test_what_is_no_public_key_is_refused(jwk):
    """Missing, short or foreign members give a sentence."""
    with pytest.raises(UnusableKey):
        public_key_object(PublicKey("kid", "EdDSA", jwk, "active", 1.0))


def test_a_point_off_the_curve_is_refused():
    """EC numbers that are no point of P-256 are no key."""
    jwk = {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43}

    with pytest.raises(UnusableKey):
        public_key_object(PublicKey("kid", "ES256", jwk, "active", 1.0))


def test_only_public_members_are_published():
    """Even a row that holds private members gives none away (SEC-28)."""
    key = make_signing_key()
    careless = dict(key.jwk) | {"d": "private", "k": "private", "p": "private", "q": "private"}
    [published] = jwks([_published(key, jwk=careless)])["keys"]

    assert published.keys() == {"kty", "crv", "x", "kid", "alg", "use"}
    assert (published["kid"], published["alg"], published["use"]) == (key.kid, "EdDSA", "sig")
    assert "private" not in repr(key)


def test_a_key_is_read_once(tmp_path):
    """Signing costs no file access: a key that was read stays, one that failed is retried."""
    keys, key = SigningKeys(tmp_path), make_signing_key()
    with pytest.raises(UnusableKey):
        keys.get(key.kid)
    path = write_private_key(tmp_path, key)
    read = keys.get(key.kid)
    path.unlink()

    assert keys.get(key.kid) is read


def test_the_pepper_is_made_once(tmp_path):
    """32 bytes, private, and the same ever after: other bytes would void every secret."""
    make_pepper(tmp_path / "keys")
    pepper = load_pepper(tmp_path / "keys")
    make_pepper(tmp_path / "keys")

    assert len(pepper) == 32
    assert load_pepper(tmp_path / "keys") == pepper
    assert (tmp_path / "keys" / "pepper").stat().st_mode & 0o777 == 0o600


def test_a_bad_pepper_is_refused(tmp_path):
    """Missing, short, or open to others: each with a sentence."""
    with pytest.raises(UnusableKey, match="cannot be read: No such file"):
        load_pepper(tmp_path)
    path = tmp_path / "pepper"
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(UnusableKey, match="must hold 32 bytes, not 5"):
        load_pepper(tmp_path)
    path.chmod(0o644)
    with pytest.raises(UnusableKey, match="open to others"):
        load_pepper(tmp_path)


def test_every_problem_of_a_folder_is_named(tmp_path):
    """A check says all that is wrong at once, and nothing where all is right."""
    good, readable = make_signing_key(), make_signing_key()
    write_private_key(tmp_path, good)
    make_pepper(tmp_path)
    before = key_problems(tmp_path)
    write_private_key(tmp_path, readable).chmod(0o644)
    (tmp_path / "stray.pem").touch(0o600)
    (tmp_path / "pepper").chmod(0o640)
    problems = key_problems(tmp_path)

    assert before == key_problems(tmp_path / "absent") == []
    assert len(problems) == 3


def test_client_ids_and_secrets_are_random():
    """256 bits each, and ids fit their column for the longest name of a partner."""
    secrets = {new_client_secret() for _ in range(100)}

    assert len(secrets) == 100
    assert all(len(secret) == 43 for secret in secrets)
    assert len(new_client_id("p" * 63)) == 80


def test_a_digest_needs_its_pepper():
    """The store alone cannot be used to test guesses (SEC-23)."""
    assert secret_digest(b"a" * 32, "s") == secret_digest(b"a" * 32, "s")
    assert secret_digest(b"a" * 32, "s") != secret_digest(b"b" * 32, "s")
    assert len(secret_digest(os.urandom(32), "s")) == 64
