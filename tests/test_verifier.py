"""Access tokens: one test for each way to attack them. Source: RFC 9068, RFC 8725."""

import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from app_fixture import AppFixture
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from token_forge import ask, b64, claims, hand_made, refused

HOSTILE_KIDS = ["../../etc/passwd", "' OR 1=1 --", "\x00", "k" * 4000, "", 5, None, ["a"], {}]


def test_a_good_token_is_accepted(shared_gateway: AppFixture) -> None:
    """The tokens that all other tests spoil are good, those made by hand as well."""
    for token in (shared_gateway.token(), hand_made(shared_gateway)):
        response, event = ask(shared_gateway, token)

        assert response.status_code == 200
        assert event["partner"] == "acme"
        assert event["key_id"] == shared_gateway.control.signing_key.kid


SHAPES: dict[str, Callable[[str], str]] = {
    "json serialisation": lambda t: json.dumps(
        dict(zip(("protected", "payload", "signature"), t.split("."), strict=True))
    ).replace(" ", ""),
    "five parts": lambda t: f"{t}.AAAA.AAAA",
    "two parts": lambda t: t.rpartition(".")[0],
    "no signature": lambda t: t.rpartition(".")[0] + ".",
    "padding": lambda t: t + "=",
    "not base64url": lambda t: "+" + t[1:],
    "latin-1": lambda t: "é" + t,
    "one dot more": lambda t: "." + t,
    "garbage": lambda _: "x",
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_only_compact_jws(shared_gateway: AppFixture, shape: Callable[[str], str]) -> None:
    """SEC-1: no JSON serialisation, no JWE, nothing but three parts of base64url."""
    refused(shared_gateway, shape(shared_gateway.token()).replace(",", ""))


@pytest.mark.parametrize(
    "alg",
    ["none", "None", "nOnE", "NONE", "HS256", "RS384", "PS256", "eddsa", "ES256", "", None, 5],
)
def test_only_the_keys_algorithm(shared_gateway: AppFixture, alg: Any) -> None:
    """SEC-2, SEC-3: the algorithm is the key's, in exact case; never none, never the header's."""
    kid = shared_gateway.control.signing_key.kid
    header = {"typ": "at+jwt", "kid": kid, "alg": alg}
    unsigned = ".".join([b64(header), shared_gateway.token().split(".")[1], ""])

    assert refused(shared_gateway, hand_made(shared_gateway, header=header)) == "wrong_alg"
    assert refused(shared_gateway, unsigned) == "not_a_compact_jws"


def test_another_kind_of_key_does_not_pass_for_ours(shared_gateway: AppFixture) -> None:
    """SEC-3: the kid of an Ed25519 key with a good ES256 signature of somebody else."""
    key = ec.generate_private_key(ec.SECP256R1())
    token = shared_gateway.token(key=key, header={"alg": "ES256"})

    assert refused(shared_gateway, token) == "wrong_alg"


def test_a_public_key_is_no_secret(shared_gateway: AppFixture) -> None:
    """SEC-4: HMAC under the public key, in each of its forms, is refused and is no error."""
    public = shared_gateway.control.signing_key.private_key.public_key()
    kid = shared_gateway.control.signing_key.kid
    forms = [
        public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw),
    ]
    for secret in forms:
        header = b64({"typ": "at+jwt", "alg": "HS256", "kid": kid})
        signed = f"{header}.{shared_gateway.token().split('.')[1]}"
        mac = hmac.HMAC(secret, hashes.SHA256())
        mac.update(signed.encode())

        assert refused(shared_gateway, f"{signed}.{b64(mac.finalize())}") == "wrong_alg"


@pytest.mark.parametrize("kid", HOSTILE_KIDS, ids=repr)
def test_kid_only_looks_up(shared_gateway: AppFixture, kid: Any) -> None:
    """SEC-5: a kid that is not in the table is unknown, whatever it looks like."""
    header = {"typ": "at+jwt", "alg": "EdDSA", "kid": kid}

    assert refused(shared_gateway, hand_made(shared_gateway, header=header)) == "unknown_kid"


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c", "crit", "b64"])
def test_parameters_that_bring_keys_are_refused(shared_gateway: AppFixture, name: str) -> None:
    """SEC-5, SEC-6: a key in the header is never looked at; nothing critical is known."""
    attacker = Ed25519PrivateKey.generate()
    x = b64(attacker.public_key().public_bytes_raw())
    values = {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": x}, "crit": ["exp"], "b64": False}
    header = {name: values.get(name, "https://attacker.example/keys")}
    for key in (attacker, shared_gateway.control.signing_key.private_key):
        good = json.loads(json.dumps({"typ": "at+jwt", "alg": "EdDSA", **header}))
        good["kid"] = shared_gateway.control.signing_key.kid
        signed = f"{b64(good)}.{shared_gateway.token().split('.')[1]}"

        token = f"{signed}.{b64(key.sign(signed.encode()))}"
        assert refused(shared_gateway, token) == "refused_header_parameter"


@pytest.mark.parametrize("typ", ["JWT", "logout+jwt", "at+JWT2", "", None, ["at+jwt"], 1])
def test_typ_must_be_an_access_tokens(shared_gateway: AppFixture, typ: Any) -> None:
    """SEC-7: a token made for another use is no access token."""
    kid = shared_gateway.control.signing_key.kid
    header = {"alg": "EdDSA", "kid": kid} | ({} if typ is None else {"typ": typ})

    assert refused(shared_gateway, hand_made(shared_gateway, header=header)) == "wrong_typ"


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_typ_has_two_forms_in_any_case(shared_gateway: AppFixture, typ: str) -> None:
    """SEC-7, the other side."""
    assert ask(shared_gateway, shared_gateway.token(header={"typ": typ}))[0].status_code == 200


@pytest.mark.parametrize("part", ["header", "payload"])
@pytest.mark.parametrize(
    "text",
    [
        '{"sub": "admin", %s',
        '{"typ": "at+jwt", "typ": "at+jwt", %s',
        "[]",
        '"text"',
        "null",
        "{",
        "\xff",
        '{"a": %s' % ("[" * 1500),
        '{"a":' + "[" * 970 + "]" * 970 + ", %s",
        '{"n": ' + "1" * 5000 + ", %s",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_strict_json_within(shared_gateway: AppFixture, part: str, text: str) -> None:
    """SEC-12, SEC-13: names given twice, nesting and what is no object are refused, never 500."""
    kid = shared_gateway.control.signing_key.kid
    good = claims(shared_gateway) if part == "payload" else {"alg": "EdDSA", "kid": kid}
    if part == "header" and text.startswith('{"sub'):
        text = '{"alg": "none", "typ": "at+jwt", %s'
    raw = text.replace("%s", json.dumps(good)[1:]).encode("latin-1")

    refused(shared_gateway, hand_made(shared_gateway, **{part: raw}))


@pytest.mark.parametrize(
    ("size", "status"), [(8192, 200), (8193, 401), (65_536, 401), (500_000, 401)]
)
def test_size_is_capped_before_parsing(shared_gateway: AppFixture, size: int, status: int) -> None:
    """SEC-13: at the cap a token is read, beyond it none is."""
    padding = size - len(shared_gateway.token(jti="j"))
    tokens = [shared_gateway.token(jti="j" * (padding * 3 // 4 + n)) for n in range(-3, 8)]
    (token, *_) = [t for t in tokens if len(t) == size] or [tokens[5]]
    response, event = ask(shared_gateway, token)

    assert response.status_code == status
    assert (event.get("reason") == "too_long") == (status == 401)


def test_a_weak_or_foreign_key_verifies_nothing(gateway: AppFixture) -> None:
    """SEC-14: a row in the table that is no key of its algorithm refuses, and is no error."""
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505  # Weak is the point.
    curve = {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}
    gateway.control.store.add_key("rsa", "RS256", {"kty": "RSA", "n": "AQ", "e": "AQAB"}, "staged")
    gateway.control.store.add_key("mixed", "EdDSA", curve, "staged")
    gateway.control.store.add_key("off-curve", "ES256", curve, "staged")
    gateway.refresh()
    p256 = ec.generate_private_key(ec.SECP256R1())

    with pytest.warns(jwt.InsecureKeyLengthWarning):
        refused(gateway, gateway.token(key=weak, header={"kid": "rsa", "alg": "RS256"}))
    refused(gateway, gateway.token(header={"kid": "mixed"}))
    refused(gateway, gateway.token(key=p256, header={"kid": "off-curve", "alg": "ES256"}))


def test_a_changed_token_is_refused(shared_gateway: AppFixture) -> None:
    """A claim changed under the old signature, and a good signature by another key."""
    header, _, signature = shared_gateway.token().split(".")
    changed = f"{header}.{b64(claims(shared_gateway, scope='model:*:predict admin'))}.{signature}"

    assert refused(shared_gateway, changed) == "InvalidSignatureError"
    other = shared_gateway.token(key=Ed25519PrivateKey.generate())
    assert refused(shared_gateway, other) == "InvalidSignatureError"
