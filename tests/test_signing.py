"""Signatures of versions: made and checked by OpenSSF's own package, and by ours."""

import base64
import dataclasses
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from fakes import save_artifact, wine_classifier
from model_signing import hashing, signing, verifying

from model import ArtifactRejected, Manifest, ModelStore
from model.artifact import sha256_hex
from model.signing import SIGNATURE_FILE, SignaturePolicy, read_signature


class Signer:
    """Someone with a key, who signs folders as model-signing does."""

    def __init__(self, folder: Path, curve: ec.EllipticCurve | None = None) -> None:
        key = ec.generate_private_key(curve or ec.SECP256R1())
        self.key = key
        self.private_key = folder / f"{id(self)}.pem"
        self.private_key.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        self.public_key_pem = key.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        self.public_key = folder / f"{id(self)}.pub"
        self.public_key.write_bytes(self.public_key_pem)

    def sign(self, folder: Path) -> bytes:
        """Sign all files of a folder, into its model.sig."""
        path = folder / SIGNATURE_FILE
        hashed = hashing.Config().set_ignored_paths(paths=[path], ignore_git_paths=False)
        config = signing.Config().set_hashing_config(hashed)
        config.use_elliptic_key_signer(private_key=self.private_key).sign(folder, path)
        return path.read_bytes()

    def policy(self, *, required: bool = True) -> SignaturePolicy:
        return SignaturePolicy(self.public_key_pem, required=required)


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "churn"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    (folder / "model.joblib").write_bytes(b"trees")
    return folder


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.name: sha256_hex(path.read_bytes())
        for path in folder.iterdir()
        if path.name != SIGNATURE_FILE
    }


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_signature_of_model_signing_is_accepted(
    tmp_path: Path, folder: Path, curve: ec.EllipticCurve
) -> None:
    """Each of the three curves that it signs with."""
    signer = Signer(tmp_path, curve)

    signer.policy().check(signer.sign(folder), _digests(folder))


def test_signature_of_another_key_is_refused(tmp_path: Path, folder: Path, signer: Signer) -> None:
    """Whoever signed it, it was not the one who is trusted."""
    signature = Signer(tmp_path).sign(folder)
    with pytest.raises(ArtifactRejected, match="not of the configured key"):
        signer.policy().check(signature, _digests(folder))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda files: files.update({"model.joblib": "0" * 64}), "is not the file that was signed"),
        (
            lambda files: files.update({"manifest.json": "0" * 64}),
            "is not the file that was signed",
        ),
        (lambda files: files.update({"code.py": "0" * 64}), "code.py is not covered"),
        (lambda files: files.pop("model.joblib"), "'model.joblib', which is missing"),
    ],
)
def test_files_that_are_not_those_signed_are_refused(
    folder: Path, signer: Signer, change: Callable[[dict[str, str]], Any], reason: str
) -> None:
    """Altered, added or taken away: the reason names the file and the remedy."""
    signature, files = signer.sign(folder), _digests(folder)
    change(files)
    with pytest.raises(ArtifactRejected, match=reason) as refusal:
        signer.policy().check(signature, files)

    assert "sign the version again" in refusal.value.reason


def test_unsigned_version_is_refused_only_where_signatures_are_required(
    folder: Path, signer: Signer
) -> None:
    """With a key alone, what is signed must be right, and the rest may come without."""
    signer.policy(required=False).check(None, _digests(folder))
    with pytest.raises(ArtifactRejected, match="gateway model sign"):
        signer.policy().check(None, _digests(folder))


def test_wrong_signature_is_refused_even_where_none_is_required(
    tmp_path: Path, folder: Path, signer: Signer
) -> None:
    """Somebody meant it to be checked."""
    signature = Signer(tmp_path).sign(folder)
    with pytest.raises(ArtifactRejected, match="not of the configured key"):
        signer.policy(required=False).check(signature, _digests(folder))


def _flipped(signature: bytes, member: str) -> bytes:
    bundle = json.loads(signature)
    envelope = bundle["dsseEnvelope"]
    place = envelope if member == "payload" else envelope["signatures"][0]
    data = bytearray(base64.b64decode(place[member]))
    data[len(data) // 2] ^= 1
    place[member] = base64.b64encode(data).decode()
    return json.dumps(bundle).encode()


@pytest.mark.parametrize("member", ["payload", "sig"])
def test_flipped_bit_in_the_signature_is_refused(folder: Path, signer: Signer, member: str) -> None:
    """In what is signed, and in the signature over it."""
    with pytest.raises(ArtifactRejected, match="was altered"):
        signer.policy().check(_flipped(signer.sign(folder), member), _digests(folder))


def _signed(
    signer: Signer, statement: Any, payload_type: str = "application/vnd.in-toto+json"
) -> bytes:
    """A bundle with a true signature over any statement."""
    payload = json.dumps(statement).encode()
    encoded = b"DSSEv1 %d %s %d %s" % (
        len(payload_type),
        payload_type.encode(),
        len(payload),
        payload,
    )
    sig = base64.b64encode(signer.key.sign(encoded, ec.ECDSA(SHA256()))).decode()
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"sig": sig, "keyid": ""}],
    }
    media_type = "application/vnd.dev.sigstore.bundle.v0.3+json"
    return json.dumps({"mediaType": media_type, "dsseEnvelope": envelope}).encode()


def _statement(signature: bytes) -> Any:
    return json.loads(base64.b64decode(json.loads(signature)["dsseEnvelope"]["payload"]))


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.update(_type="https://in-toto.io/Statement/v2"),
        lambda s: s.update(predicateType="https://slsa.dev/provenance/v1"),
        lambda s: s["predicate"]["serialization"].update(method="shards"),
        lambda s: s["predicate"]["resources"][0].update(algorithm="md5"),
        lambda s: s["predicate"]["resources"].append(s["predicate"]["resources"][0]),
        lambda s: s["predicate"].pop("resources"),
        lambda s: s["subject"][0]["digest"].update(sha256="0" * 64),
        lambda s: s["subject"].append(s["subject"][0]),
    ],
)
def test_statement_about_something_else_is_refused(
    folder: Path, signer: Signer, change: Callable[[Any], Any]
) -> None:
    """The right key signs other things too: what it says must be about the files of a model."""
    statement = _statement(signer.sign(folder))
    signer.policy().check(_signed(signer, statement), _digests(folder))
    change(statement)
    with pytest.raises(ArtifactRejected, match="no signature of a model"):
        signer.policy().check(_signed(signer, statement), _digests(folder))


def test_signature_over_another_type_of_payload_is_refused(folder: Path, signer: Signer) -> None:
    """The type is part of what is signed (DSSE)."""
    statement = _statement(signer.sign(folder))
    with pytest.raises(ArtifactRejected, match="no signature of a model"):
        signer.policy().check(_signed(signer, statement, "text/plain"), _digests(folder))


@pytest.mark.parametrize("signature", [b"", b"\xff", b"[]", b"{}", b"[" * 100_000])
def test_file_that_is_no_signature_is_refused(signer: Signer, signature: bytes) -> None:
    """Whatever lies there under that name."""
    with pytest.raises(ArtifactRejected, match="no signature of a model"):
        signer.policy().check(signature, {})


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (None, "no public key"),
        (b"text", "no PEM"),
        (
            ed25519.Ed25519PrivateKey.generate()
            .public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "elliptic-curve",
        ),
    ],
)
def test_policy_needs_a_key_that_model_signing_knows(pem: bytes | None, reason: str) -> None:
    """Required signatures without a key would mean none."""
    with pytest.raises(ArtifactRejected, match=reason):
        SignaturePolicy(pem, required=True)


class Canary:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def _add(store: ModelStore, source: Path) -> Manifest:
    return store.add(source, "wine", "1", "test")


def test_signed_version_loads_where_signatures_are_required(tmp_path: Path, signer: Signer) -> None:
    """Signed by its trainer it is added; signed as it was added it is loaded."""
    store = ModelStore(tmp_path / "models", signatures=signer.policy())
    source = save_artifact(tmp_path / "source", wine_classifier())
    signer.sign(source)
    manifest = _add(store, source)
    with pytest.raises(ArtifactRejected, match="is not signed"):
        store.load("wine", "1", manifest.digest)
    signer.sign(tmp_path / "models" / "wine" / "1")

    assert store.load("wine", "1", manifest.digest).manifest == manifest


def test_signature_in_the_store_is_accepted_by_model_signing(
    tmp_path: Path, signer: Signer
) -> None:
    """Whoever has that package can check a version without this gateway."""
    store = ModelStore(tmp_path / "models")
    _add(store, save_artifact(tmp_path / "source", wine_classifier()))
    folder = tmp_path / "models" / "wine" / "1"
    store.place_signature("wine", "1", signer.sign(folder))

    verifying.Config().use_elliptic_key_verifier(public_key=signer.public_key).verify(
        folder, folder / SIGNATURE_FILE
    )


@pytest.mark.parametrize("signed_by", ["nobody", "another", "for other bytes"])
def test_pickle_that_is_not_rightly_signed_is_never_opened(
    tmp_path: Path, signer: Signer, signed_by: str
) -> None:
    """A pickle that would leave a file behind is neither added nor loaded."""
    canary = tmp_path / "canary"
    source = tmp_path / "source"
    source.mkdir()
    artifact = source / "model.pkl"
    artifact.write_bytes(b"harmless")
    if signed_by == "another":
        artifact.write_bytes(pickle.dumps(Canary(canary)))
        Signer(tmp_path).sign(source)
    if signed_by == "for other bytes":
        signer.sign(source)
    artifact.write_bytes(pickle.dumps(Canary(canary)))
    with pytest.raises(ArtifactRejected):
        _add(ModelStore(tmp_path / "models", signatures=signer.policy()), source)

    assert not canary.exists()
    assert not (tmp_path / "models" / "wine" / "1").exists()


def _signed_version(tmp_path: Path, signer: Signer) -> tuple[ModelStore, Manifest, Path]:
    store = ModelStore(tmp_path / "models", signatures=signer.policy())
    source = save_artifact(tmp_path / "source", wine_classifier())
    signer.sign(source)
    manifest = _add(store, source)
    folder = tmp_path / "models" / "wine" / "1"
    signer.sign(folder)
    return store, manifest, folder


@pytest.mark.parametrize("name", ["model.joblib", SIGNATURE_FILE])
def test_altered_version_is_never_opened(tmp_path: Path, signer: Signer, name: str) -> None:
    """One byte in the artifact or in the signature."""
    store, manifest, folder = _signed_version(tmp_path, signer)
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(ArtifactRejected):
        store.load("wine", "1", manifest.digest)


def test_manifest_exchanged_together_with_its_pin_is_refused(
    tmp_path: Path, signer: Signer
) -> None:
    """Whoever may write the store and the control store still cannot sign."""
    store, manifest, folder = _signed_version(tmp_path, signer)
    forged = dataclasses.replace(manifest, added_by="someone else")
    (folder / "manifest.json").write_bytes(forged.to_bytes())
    with pytest.raises(ArtifactRejected, match=r"manifest\.json is not the file that was signed"):
        store.load("wine", "1", forged.digest)


def test_folder_without_a_signature_has_none(folder: Path) -> None:
    """Nothing there is not an empty signature."""
    assert read_signature(folder) is None
