"""The bearer token of a request. Source: RFC 6750 section 2.1; other ways are refused, but for the
header that clients of one protocol send on its paths."""

from collections.abc import Mapping
from typing import Any

from gateway.errors import MalformedAuthorization, Unauthenticated


def bearer_token(environ: Mapping[str, Any], other_header: str = "") -> str:
    """The token in the one Authorization header.

    Args:
        other_header: one in which the token may be as well, alone or the same.

    Raises:
        Unauthenticated: there is none, or one of another scheme.
        MalformedAuthorization: more than one token, or one in the query.
    """
    if "access_token=" in environ.get("QUERY_STRING", ""):
        raise MalformedAuthorization("Send the token in the Authorization header, not in the URL.")
    other: str = environ.get(_variable(other_header), "") if other_header else ""
    if not other:
        return _token(environ.get("HTTP_AUTHORIZATION", ""))
    _require_one(other)
    if "HTTP_AUTHORIZATION" in environ and _token(environ["HTTP_AUTHORIZATION"]) != other:
        raise MalformedAuthorization(f"Authorization and {other_header} have different tokens.")
    return other


def _token(header: str) -> str:
    if not header:
        raise Unauthenticated(reason="no_credentials", credentials_given=False)
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        # Section 3.1: who tries an unsupported scheme is told ours, without an error code.
        raise Unauthenticated(reason="other_scheme", credentials_given=False)
    _require_one(token)
    return token


def _require_one(token: str) -> None:
    # Servers join repeated headers with a comma, which no token contains.
    if "," in token or " " in token or not token:
        raise MalformedAuthorization("Send exactly one token in one Authorization header.")


def _variable(header: str) -> str:
    """How WSGI names a header."""
    return f"HTTP_{header.upper().replace('-', '_')}"
