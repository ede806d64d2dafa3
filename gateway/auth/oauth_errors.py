"""Errors of the token service, in OAuth's own shape. Source: RFC 6749 section 5.2.

That section has no error for a service that is busy or is asked too often. As in section 4.1.2.1
`temporarily_unavailable` says so, with 429 or 503 and Retry-After.
"""

from collections.abc import Mapping
from typing import Any

from authlib.oauth2 import OAuth2Error

from gateway.errors import problem_from


class OAuthError(OAuth2Error):  # type: ignore[misc]  # authlib has no types
    """A refusal.

    Args:
        description: one sentence for the caller; what failed exactly is for the log.
        headers: further header fields of the answer.
        facts: what only the log gets.
    """

    error = "invalid_request"

    def __init__(
        self,
        description: str,
        *,
        headers: Mapping[str, str] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(description=description)
        self.facts = dict(facts or {})
        self._headers = dict(headers or {})

    def get_headers(self) -> list[tuple[str, str]]:
        return [*super().get_headers(), *self._headers.items()]


class InvalidRequest(OAuthError):
    pass


class InvalidClient(OAuthError):
    """Always 401 with a challenge: HTTP wants one, and it says which way to authenticate."""

    error = "invalid_client"
    status_code = 401

    def __init__(self, reason: str) -> None:
        challenge = {"WWW-Authenticate": 'Basic realm="gateway", charset="UTF-8"'}
        description = "The client could not be authenticated."
        super().__init__(description, headers=challenge, facts={"reason": reason})


class UnsupportedGrantType(OAuthError):
    error = "unsupported_grant_type"

    def __init__(self) -> None:
        super().__init__("The only grant type here is client_credentials.")


class InvalidScope(OAuthError):
    error = "invalid_scope"


class TemporarilyUnavailable(OAuthError):
    """Neither grant nor refusal: counts, keys or the control store are away. `reason` is logged."""

    error = "temporarily_unavailable"
    status_code = 503

    def __init__(self, *, reason: str, retry_after_s: int = 1) -> None:
        super().__init__(
            "The token service cannot do this at the moment: try again later.",
            headers={"Retry-After": str(retry_after_s)},
            facts={"reason": reason, "retry_after_s": retry_after_s},
        )


def oauth_error_from(exc: Exception) -> OAuth2Error:
    """Any exception of a request in OAuth's shape; one that nobody expected as a constant."""
    if isinstance(exc, OAuth2Error):
        return exc
    problem = problem_from(exc)
    error = OAuthError(problem.detail, headers=problem.headers, facts=problem.facts)
    error.status_code = problem.status
    error.error = _error_code(problem.status)
    return error


def _error_code(status: int) -> str:
    if status in (429, 503):
        return "temporarily_unavailable"
    return "server_error" if status >= 500 else "invalid_request"
