"""`gateway model sign` and `gateway model verify`."""

import sys
from pathlib import Path

import pytest
from cli_fixtures import Shell
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from model_signing import verifying

_MODEL = "breast-cancer"


@pytest.fixture
def shell(prepared: Shell, tmp_path: Path) -> Shell:
    return prepared.copy_to(tmp_path)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with private.pem and public.pem."""
    return _write_keys(tmp_path, ec.generate_private_key(ec.SECP256R1()))


def _write_keys(folder: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> Path:
    (folder / "private.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (folder / "public.pem").write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return folder


def _sign(shell: Shell, keys: Path) -> str:
    return shell.done("model", "sign", _MODEL, "1", "--key", str(keys / "private.pem"))


def _verify(keys: Path) -> tuple[str, ...]:
    return ("model", "verify", _MODEL, "--key", str(keys / "public.pem"))


def test_signed_version_is_verified_here_and_by_model_signing(shell: Shell, keys: Path) -> None:
    """One signature, two programs that check it; signing again replaces it."""
    unsigned = shell.refused(*_verify(keys))
    _sign(shell, keys)
    said = _sign(shell, keys)
    folder = shell.settings.models_dir / _MODEL / "1"
    verifying.Config().use_elliptic_key_verifier(public_key=keys / "public.pem").verify(
        folder, folder / "model.sig"
    )

    assert "is not signed" in unsigned
    assert said.startswith(f"Signed {_MODEL} 1: ")
    assert "as they were added, signed by this key" in shell.done(*_verify(keys))


def test_version_without_a_key_is_compared_with_what_was_added(shell: Shell) -> None:
    """That much is known without a signature; an altered file is named."""
    intact = shell.done("model", "verify", _MODEL, "1")
    artifact = next((shell.settings.models_dir / _MODEL / "1").glob("*.joblib"))
    artifact.write_bytes(artifact.read_bytes() + b"\0")
    altered = shell.refused("model", "verify", _MODEL)

    assert "not checked for a signature" in intact
    assert artifact.name in altered


def test_altered_version_is_not_signed(shell: Shell, keys: Path) -> None:
    """A signature says: this is what was added."""
    folder = shell.settings.models_dir / _MODEL / "1"
    (folder / "model.toml").write_text("")
    refused = shell.refused("model", "sign", _MODEL, "1", "--key", str(keys / "private.pem"))

    assert "model.toml" in refused
    assert not (folder / "model.sig").exists()


def test_unknown_names_and_unusable_keys_are_one_line(shell: Shell, keys: Path) -> None:
    """Each says what is wrong."""
    private, public = str(keys / "private.pem"), str(keys / "public.pem")
    assert "There is no" in shell.refused("model", "sign", _MODEL, "99", "--key", private)
    assert "There is no" in shell.refused("model", "sign", "nobody", "1", "--key", private)
    assert "There is no" in shell.refused("model", "verify", "nobody")
    assert "no PEM private key" in shell.refused("model", "sign", _MODEL, "1", "--key", public)
    assert "no PEM public key" in shell.refused("model", "verify", _MODEL, "--key", private)
    _write_keys(keys, ed25519.Ed25519PrivateKey.generate())

    assert "elliptic-curve" in shell.refused("model", "sign", _MODEL, "1", "--key", private)


def test_signing_without_the_extra_names_it(
    shell: Shell, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package is optional; its absence is one line with the command that adds it."""
    monkeypatch.setitem(sys.modules, "model_signing.signing", None)
    refused = shell.refused("model", "sign", _MODEL, "1", "--key", str(keys / "private.pem"))

    assert "make extras" in refused


def test_required_signature_without_a_key_is_a_fault_of_the_configuration(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would refuse every model, or none."""
    monkeypatch.setenv("GATEWAY_MODELS__REQUIRE_SIGNATURE", "true")

    assert "models.signing_public_key" in shell.refused("model", "list")
