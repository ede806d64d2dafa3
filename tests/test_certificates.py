"""The stack's certificate authority and server certificate."""

import ipaddress
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gateway.cli.stack.certificates import Certificates, ensure_certificates

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return ensure_certificates(tmp_path, NOW)


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def contents(certificates: Certificates) -> list[bytes]:
    folder = certificates.ca.parent
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def test_certificate_is_for_this_machine(made: Certificates) -> None:
    """It names localhost and both loopback addresses, and nothing else."""
    names = load(made.certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName)

    assert names.value.get_values_for_type(x509.DNSName) == ["localhost"]
    assert names.value.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("127.0.0.1"),
        ipaddress.ip_address("::1"),
    ]


def test_certificate_is_issued_by_the_authority(made: Certificates) -> None:
    """Whoever trusts `ca.pem` can check the server's signature."""
    load(made.certificate).verify_directly_issued_by(load(made.ca))


def test_authority_may_sign_for_this_machine_only(made: Certificates) -> None:
    """Trusting it gives nobody a certificate for another site."""
    extensions = load(made.ca).extensions
    constraints = extensions.get_extension_for_class(x509.NameConstraints)
    basic = extensions.get_extension_for_class(x509.BasicConstraints)

    assert constraints.critical
    assert x509.DNSName("localhost") in (constraints.value.permitted_subtrees or [])
    assert (basic.value.ca, basic.value.path_length) == (True, 0)


def test_private_keys_are_for_their_owner_only(made: Certificates) -> None:
    """Keys have mode 0600; nothing else is left in the folder."""
    folder = made.ca.parent
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}

    assert modes == {"ca.key": 0o600, "ca.pem": 0o644, "server.key": 0o600, "server.pem": 0o644}


def test_second_start_changes_nothing(made: Certificates) -> None:
    """Partners keep the authority they have."""
    before = contents(made)
    ensure_certificates(made.ca.parent, NOW + timedelta(days=300))

    assert contents(made) == before


@pytest.mark.parametrize(("days_left", "renewed"), [(31, False), (29, True)])
def test_certificate_is_renewed_within_30_days_of_its_end(
    made: Certificates, days_left: int, renewed: bool
) -> None:
    """The server gets a new certificate in time, from the same authority."""
    authority, server = made.ca.read_bytes(), made.certificate.read_bytes()
    end = load(made.certificate).not_valid_after_utc
    ensure_certificates(made.ca.parent, end - timedelta(days=days_left))

    assert made.ca.read_bytes() == authority
    assert (made.certificate.read_bytes() != server) == renewed


def test_authority_is_renewed_before_its_end(made: Certificates) -> None:
    """With the authority, the certificate it issued is replaced, too."""
    before = made.ca.read_bytes()
    ensure_certificates(made.ca.parent, load(made.ca).not_valid_after_utc - timedelta(days=29))

    assert made.ca.read_bytes() != before
    load(made.certificate).verify_directly_issued_by(load(made.ca))


@pytest.mark.parametrize("name", ["ca.key", "server.key", "server.pem"])
@pytest.mark.parametrize("content", [b"", b"not PEM"])
def test_damaged_file_is_replaced(made: Certificates, name: str, content: bytes) -> None:
    """A half-written or foreign file never reaches nginx."""
    (made.ca.parent / name).write_bytes(content)
    ensure_certificates(made.ca.parent, NOW)

    load(made.certificate).verify_directly_issued_by(load(made.ca))
    assert (made.ca.parent / name).read_bytes() != content


def test_key_of_another_certificate_is_replaced(made: Certificates, tmp_path: Path) -> None:
    """A crash between two files leaves a pair that does not fit; it is made again."""
    other = ensure_certificates(tmp_path / "other", NOW)
    made.key.write_bytes(other.key.read_bytes())
    before = made.certificate.read_bytes()
    ensure_certificates(made.ca.parent, NOW)

    assert made.certificate.read_bytes() != before
