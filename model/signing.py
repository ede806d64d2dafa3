"""Signatures of versions, as OpenSSF Model Signing writes them with a key.

That package's own verification reads the files again by their paths. This one compares what was
signed with the digests of the bytes that are loaded, and needs nothing but `cryptography`.
Source: DSSE 1.0.2; in-toto Statement v1; predicate https://model_signing/signature/v1.0.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from model.artifact import read_bytes
from model.errors import ArtifactRejected

SIGNATURE_FILE = "model.sig"

_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://model_signing/signature/v1.0"

# Which digest is signed with which curve, as model-signing has it.
_DIGESTS: Mapping[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


class SignaturePolicy:
    """Which versions may be opened.

    Args:
        public_key_pem: an elliptic-curve key; what it signed is trusted. None: no signature is
            looked at.
        required: whether an unsigned version is refused.

    Raises:
        ArtifactRejected: no such key, or none although signatures are required.
    """

    def __init__(self, public_key_pem: bytes | None, *, required: bool) -> None:
        if required and public_key_pem is None:
            raise ArtifactRejected("Signatures are required, but no public key is configured.")
        self._key = None if public_key_pem is None else _public_key(public_key_pem)
        self._required = required

    def check(self, signature: bytes | None, files: Mapping[str, str]) -> None:
        """Return if these files may be opened.

        Args:
            signature: the bytes of model.sig; None where there is none.
            files: the SHA-256 in hex of each file that will be opened or believed, by name.

        Raises:
            ArtifactRejected: unsigned though it must be; or signed with another key, or for
                other files.
        """
        if self._key is None:
            return
        if signature is not None:
            _compare(_signed_files(signature, self._key), files)
        elif self._required:
            raise ArtifactRejected(
                f"The version is not signed (it has no {SIGNATURE_FILE}), and models must be:"
                " sign it with gateway model sign."
            )


def read_signature(folder: Path) -> bytes | None:
    """The bytes of model.sig in this folder; None where there is none."""
    path = folder / SIGNATURE_FILE
    return read_bytes(path) if path.exists() else None


def _public_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise ArtifactRejected("The public key for signatures is no PEM public key.") from exc
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _DIGESTS:
        raise ArtifactRejected(
            "The public key for signatures must be an elliptic-curve key (P-256, P-384 or P-521)."
        )
    return key


def _signed_files(signature: bytes, key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """What the holder of the key signed: SHA-256 in hex by name."""
    try:
        envelope = _envelope(json.loads(signature))
        payload, signed = _decoded(envelope["payload"]), _decoded(_only(envelope["signatures"]))
        key.verify(signed, _pre_authentication(payload), ec.ECDSA(_DIGESTS[key.curve.name]))
        # Only from here on are these the words of whoever has the key.
        return _resources(json.loads(payload))
    except InvalidSignature as exc:
        raise ArtifactRejected(
            f"{SIGNATURE_FILE} is not of the configured key, or was altered: sign the version"
            " again, or configure its signer's public key."
        ) from exc
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise ArtifactRejected(
            f"{SIGNATURE_FILE} is no signature of a model made with a key: sign the version again."
        ) from exc


def _envelope(bundle: dict[str, Any]) -> dict[str, Any]:
    envelope: dict[str, Any] = bundle["dsseEnvelope"]
    _require(bundle["mediaType"] == _BUNDLE and envelope["payloadType"] == _PAYLOAD)
    return envelope


def _only(signatures: list[dict[str, Any]]) -> Any:
    _require(len(signatures) == 1)
    return signatures[0]["sig"]


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as exc:
        raise ValueError("not base64") from exc


def _pre_authentication(payload: bytes) -> bytes:
    """What is signed instead of the payload alone, so that its type cannot be exchanged."""
    return b"DSSEv1 %d %s %d %s" % (len(_PAYLOAD), _PAYLOAD.encode(), len(payload), payload)


def _resources(statement: dict[str, Any]) -> dict[str, str]:
    predicate = statement["predicate"]
    _require(statement["_type"] == _STATEMENT and statement["predicateType"] == _PREDICATE)
    _require(predicate["serialization"]["method"] == "files")
    resources = predicate["resources"]
    _require(all(resource["algorithm"] == "sha256" for resource in resources))
    files = {str(resource["name"]): str(resource["digest"]) for resource in resources}
    _require(len(files) == len(resources))
    digests = b"".join(bytes.fromhex(resource["digest"]) for resource in resources)
    _require(_only_subject(statement) == hashlib.sha256(digests).hexdigest())
    return files


def _only_subject(statement: dict[str, Any]) -> Any:
    _require(len(statement["subject"]) == 1)
    return statement["subject"][0]["digest"]["sha256"]


def _require(right: bool) -> None:
    if not right:
        raise ValueError("not what model-signing writes")


def _compare(signed: Mapping[str, str], files: Mapping[str, str]) -> None:
    remedy = "put back what was signed, or sign the version again"
    for name in sorted(files):
        if name not in signed:
            raise ArtifactRejected(f"{name} is not covered by {SIGNATURE_FILE}: {remedy}.")
        if signed[name] != files[name]:
            raise ArtifactRejected(f"{name} is not the file that was signed: {remedy}.")
    for name in sorted(signed.keys() - files.keys()):
        raise ArtifactRejected(f"{SIGNATURE_FILE} covers {name!r}, which is missing: {remedy}.")
