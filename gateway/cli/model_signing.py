"""`gateway model sign` and `gateway model verify`: who vouches for a version."""

import tempfile
from importlib import import_module
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from gateway.cli.administration import AdminCommand, Administration, administration
from model import ArtifactRejected, ModelStore
from model.manifest import MANIFEST_FILE
from model.signing import SIGNATURE_FILE, SignaturePolicy

_KEY = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(cls=AdminCommand)
@click.argument("name")
@click.argument("version")
@click.option("--key", type=_KEY, required=True, help="Private key: PEM, P-256, P-384 or P-521.")
@click.pass_obj
def sign(data_dir: Path | None, name: str, version: str, key: Path) -> None:
    """Sign a version as it was added, into its model.sig (OpenSSF Model Signing)."""
    admin = administration(data_dir)
    policy = SignaturePolicy(_public_key(key), required=True)
    store = ModelStore(admin.settings.models_dir)
    try:
        files = _files(admin, store, name, version)
        signature = _sign(admin.settings.models_dir / name / version, key)
        # The signer read the folder anew: it must have signed what was added, and nothing else.
        policy.check(signature, files)
        store.place_signature(name, version, signature)
    except ArtifactRejected as exc:
        raise click.ClickException(f"{name} {version}: {exc.reason}") from exc
    click.echo(f"Signed {name} {version}: {len(files)} files.")


@click.command(cls=AdminCommand)
@click.argument("name")
@click.argument("version", required=False)
@click.option("--key", type=_KEY, help="Public key, PEM; default: models.signing_public_key.")
@click.pass_obj
def verify(data_dir: Path | None, name: str, version: str | None, key: Path | None) -> None:
    """Check the files of a version, or of each version of a model, and who signed them.

    With a key, an unsigned version fails. Nothing of a model is opened.
    """
    admin = administration(data_dir)
    configured = admin.settings.models.signing_public_key
    path = key or (Path(configured) if configured else None)
    try:
        policy = None if path is None else SignaturePolicy(path.read_bytes(), required=True)
    except ArtifactRejected as exc:
        raise click.ClickException(exc.reason) from exc
    store = ModelStore(admin.settings.models_dir, signatures=policy)
    versions = [version] if version is not None else store.versions(name)
    if not versions:
        raise click.ClickException(f"There is no model {name} (see: gateway model list)")
    signed = "not checked for a signature (--key)" if policy is None else "signed by this key"
    failed = False
    for each in versions:
        try:
            count = len(_files(admin, store, name, each))
            click.echo(f"{name} {each}: {count} files as they were added, {signed}.")
        except ArtifactRejected as exc:
            failed = True
            click.echo(f"Error: {name} {each}: {exc.reason}", err=True)
    if failed:
        click.get_current_context().exit(1)


def _files(admin: Administration, store: ModelStore, name: str, version: str) -> dict[str, str]:
    """The SHA-256 of each file of a version, once all are those that were added.

    Raises: ArtifactRejected, where one is not.
    """
    digests = {(row.name, row.version): row.manifest_digest for row in admin.store.model_versions()}
    digest = digests.get((name, version))
    if digest is None:
        raise click.ClickException(f"There is no {name} {version} (see: gateway model list)")
    manifest, _ = store.read(name, version, digest)
    return {MANIFEST_FILE: digest, **manifest.files}


def _public_key(private_key: Path) -> bytes:
    try:
        key = load_pem_private_key(private_key.read_bytes(), password=None)
    except (ValueError, TypeError) as exc:
        raise click.ClickException(
            f"{private_key} is no PEM private key without a password."
        ) from exc
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise click.ClickException(f"{private_key} must be an elliptic-curve key, as P-256.")
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _sign(folder: Path, private_key: Path) -> bytes:
    """What model-signing writes about a folder."""
    try:
        # Optional, and half a second: only who signs needs it.
        signing, hashing = map(import_module, ("model_signing.signing", "model_signing.hashing"))
    except ImportError as exc:
        raise click.ClickException("Signing needs model-signing, an extra: make extras") from exc
    with tempfile.TemporaryDirectory() as elsewhere:
        path = Path(elsewhere) / SIGNATURE_FILE
        hashed = hashing.Config().set_ignored_paths(
            paths=[folder / SIGNATURE_FILE], ignore_git_paths=False
        )
        config = signing.Config().set_hashing_config(hashed)
        config.use_elliptic_key_signer(private_key=private_key).sign(folder, path)
        return path.read_bytes()
