"""What a caller sees of the running composition: its TLS, its certificate, its headers."""

import socket
import ssl
import warnings
from collections.abc import Mapping
from typing import Any

from composition import Composition
from cryptography import x509

VERSIONS = {
    "TLS 1.0": ssl.TLSVersion.TLSv1,
    "TLS 1.1": ssl.TLSVersion.TLSv1_1,
    "TLS 1.2": ssl.TLSVersion.TLSv1_2,
    "TLS 1.3": ssl.TLSVersion.TLSv1_3,
}
# Asked for in earnest: this side would refuse old versions and weak ciphers by itself.
_ALL = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"


def look(composition: Composition) -> dict[str, Any]:
    warnings.simplefilter("ignore", DeprecationWarning)  # Old versions are what is asked for.
    return {
        "tls": {name: _handshake(composition, version) for name, version in VERSIONS.items()},
        "ciphers of TLS 1.2": _ciphers(composition),
        "handshake for another name": _handshake(composition, VERSIONS["TLS 1.3"], "other.example"),
        "plain HTTP": _plain(composition),
        "certificate": _certificate(composition),
        "answers": _answers(composition),
    }


def _handshake(
    composition: Composition,
    version: ssl.TLSVersion,
    name: str = "localhost",
    ciphers: str = _ALL,
) -> str:
    context = ssl.create_default_context(cafile=str(composition.data_dir / "tls/ca.pem"))
    context.set_ciphers(ciphers)
    context.minimum_version = context.maximum_version = version
    try:
        with (
            socket.create_connection(("127.0.0.1", composition.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=name) as connection,
        ):
            return f"accepted: {(connection.cipher() or ('',))[0]}"
    except ssl.SSLError as exc:
        return f"refused: {exc.reason}"
    except OSError as exc:
        return f"refused: {type(exc).__name__}"


def _ciphers(composition: Composition) -> list[str]:
    """All that are accepted, of all that this machine's OpenSSL knows."""
    context = ssl.create_default_context()
    context.set_ciphers(_ALL)
    names = [c["name"] for c in context.get_ciphers() if c["protocol"] != "TLSv1.3"]
    version = VERSIONS["TLS 1.2"]
    return [
        name
        for name in names
        if _handshake(composition, version, ciphers=f"{name}:@SECLEVEL=0").startswith("accepted")
    ]


def _plain(composition: Composition) -> str:
    with socket.create_connection(("127.0.0.1", composition.port), timeout=10) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return connection.recv(4096).partition(b"\r\n")[0].decode("ascii")


def _certificate(composition: Composition) -> dict[str, Any]:
    text = ssl.get_server_certificate(
        ("localhost", composition.port), ca_certs=str(composition.data_dir / "tls/ca.pem")
    )
    certificate = x509.load_pem_x509_certificate(text.encode("ascii"))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {
        "note": "The self-signed one of a first look; partners meet the operator's own.",
        "names": [str(name.value) for name in names],
        "key": type(certificate.public_key()).__name__,
        "signature": certificate.signature_algorithm_oid.dotted_string,
        "until": certificate.not_valid_after_utc.isoformat(),
    }


def _answers(composition: Composition) -> dict[str, Any]:
    """By what was asked: status and headers, from the applications and from nginx itself."""
    authorization = {
        "Authorization": f"Bearer {composition.token(composition.create_partner('reviewer'))}"
    }
    calls: dict[str, tuple[str, str, Mapping[str, str]]] = {
        "models, with a token": ("GET", "/v1/models", authorization),
        "models, without": ("GET", "/v1/models", {}),
        "nothing there": ("GET", "/nothing", authorization),
        "documentation": ("GET", "/docs", {}),
        "token, without a secret": ("POST", "/oauth/token", {}),
        "another host's name (nginx answers)": ("GET", "/v1/models", {"Host": "other.example"}),
    }
    with composition.client() as client:
        return {
            asked: _of_answer(client.request(method, path, headers=dict(headers)))
            for asked, (method, path, headers) in calls.items()
        }


def _of_answer(answer: Any) -> dict[str, Any]:
    return {"status": answer.status_code, "headers": dict(answer.headers)}
