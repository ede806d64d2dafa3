"""The stack's own certificate authority, and the certificate nginx shows."""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.cli.stack.authority import NAMES, Pair, make_authority, make_server

RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: the authority callers trust, the server's certificate, and its private key."""

    ca: Path
    certificate: Path
    key: Path


def ensure_certificates(directory: Path, now: datetime) -> Certificates:
    """Make what is missing, unreadable or ends within 30 days; keep the rest as it is.

    Private keys are files of mode 0600.
    """
    directory.mkdir(parents=True, exist_ok=True)
    authority = _read(directory, "ca")
    if authority is None or _ends_soon(authority.certificate, now):
        authority = make_authority(now)
        _write(directory, "ca", authority)
    server = _read(directory, "server")
    if server is None or not _serves(server.certificate, authority.certificate, now):
        _write(directory, "server", make_server(authority, now))
    return Certificates(
        ca=directory / "ca.pem",
        certificate=directory / "server.pem",
        key=directory / "server.key",
    )


def _read(directory: Path, name: str) -> Pair | None:
    try:
        certificate = x509.load_pem_x509_certificate((directory / f"{name}.pem").read_bytes())
        key = load_pem_private_key((directory / f"{name}.key").read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    # A crash between the two files leaves a certificate of another key.
    return Pair(certificate, key) if certificate.public_key() == key.public_key() else None


def _ends_soon(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_after_utc - now < RENEW_BEFORE


def _serves(certificate: x509.Certificate, authority: x509.Certificate, now: datetime) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return names == NAMES and not _ends_soon(certificate, now)


def _write(directory: Path, name: str, pair: Pair) -> None:
    key = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _replace(directory / f"{name}.key", key, 0o600)
    _replace(directory / f"{name}.pem", pair.certificate.public_bytes(Encoding.PEM), 0o644)


def _replace(path: Path, content: bytes, mode: int) -> None:
    # Never readable for others, not even before the mode is set, and never half written.
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)
    new.replace(path)
