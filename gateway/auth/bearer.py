"""The bearer token of a request. Source: RFC 6750 section 2.1; other ways are refused."""

from collections.abc import Mapping
from typing import Any

from gateway.errors import MalformedAuthorization, Unauthenticated


def bearer_token(environ: Mapping[str, Any]) -> str:
    """The token in the one Authorization header.

    Raises:
        Unauthenticated: there is none, or one of another scheme.
        MalformedAuthorization: more than one token, or one in the query.
    """
    header: str = environ.get("HTTP_AUTHORIZATION", "")
    if "access_token=" in environ.get("QUERY_STRING", ""):
        raise MalformedAuthorization("Send the token in the Authorization header, not in the URL.")
    if not header:
        raise Unauthenticated(reason="no_credentials", credentials_given=False)
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        # Section 3.1: who tries an unsupported scheme is told ours, without an error code.
        raise Unauthenticated(reason="other_scheme", credentials_given=False)
    # Servers join repeated headers with a comma, which no token contains.
    if "," in token or " " in token or not token:
        raise MalformedAuthorization("Send exactly one token in one Authorization header.")
    return token
