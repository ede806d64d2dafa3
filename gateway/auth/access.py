"""The two steps of the pipeline that decide who may pass. Deny by default."""

from collections.abc import Callable, Mapping

import structlog
from flask_limiter import Limiter
from limits import RateLimitItem

from gateway.auth.addresses import counted_address
from gateway.auth.bearer import bearer_token
from gateway.auth.verifier import Verifier
from gateway.errors import InsufficientScope, Problem, RateLimited
from gateway.principal import ANY_TOKEN, PUBLIC
from gateway.request_context import context

log = structlog.get_logger()


class Authorization:
    """Allows what a route needs.

    Args:
        needs: by endpoint, PUBLIC, ANY_TOKEN or the verb that the caller's scopes must allow on the
            model. An endpoint that is not named here, like a path that does not exist, is not
            public.
    """

    def __init__(self, needs: Mapping[str, str], default_model_name: Callable[[], str]) -> None:
        self._needs = needs
        self._default_model_name = default_model_name

    def is_public(self, endpoint: str | None) -> bool:
        """Whether anybody may call it."""
        return self._needs.get(endpoint or "") == PUBLIC

    def authorize(self) -> None:
        """Raises: InsufficientScope."""
        current = context()
        principal, asked = current.principal, current.request
        verb = self._needs.get(asked.endpoint or "", ANY_TOKEN)
        if principal is None or verb == ANY_TOKEN:
            return
        model_name = (asked.view_args or {}).get("model_name") or self._default_model_name()
        if not principal.may(verb, model_name):
            raise InsufficientScope(f"model:{model_name}:{verb}")


class Access(Authorization):
    """Lets a request pass if its token is valid, and allows what its route needs.

    Args:
        token_header: by path, a header other than Authorization that may have the token.
    """

    def __init__(
        self,
        verifier: Verifier,
        failures: "FailureLimit",
        needs: Mapping[str, str],
        default_model_name: Callable[[], str],
        token_header: Callable[[str], str],
    ) -> None:
        super().__init__(needs, default_model_name)
        self._verifier = verifier
        self._failures = failures
        self._token_header = token_header

    def authenticate(self) -> None:
        """Raises: Unauthenticated, MalformedAuthorization, ControlStoreUnavailable, RateLimited."""
        current = context()
        asked = current.request
        if self.is_public(asked.endpoint):
            return
        current.enter("auth")
        try:
            token = bearer_token(asked.environ, self._token_header(asked.path))
            current.principal = self._verifier.verify(token)
        except Problem as problem:
            if problem.status < 500:
                self._failures.count(current.client_address, problem)
            raise
        current.enter("")


class FailureLimit:
    """How many calls without a valid token one address may make. Flask-Limiter keeps the count."""

    def __init__(self, limiter: Limiter, limit: RateLimitItem) -> None:
        self._limiter = limiter
        self._limit = limit

    def count(self, client_address: str, problem: Problem) -> None:
        """Raises: RateLimited, in place of the problem, when there have been too many."""
        try:
            allowed = self._limiter.limiter.hit(self._limit, counted_address(client_address))
        except Exception as exc:
            # The refusal stands either way: without the store it is only not counted.
            log.warning("failed_authentication_not_counted", error=type(exc).__name__)
            return
        if not allowed:
            raise RateLimited(
                "Too many calls without a valid token came from this address.",
                retry_after_s=self._limit.get_expiry(),
                limit="failed_authentications_per_address",
            ) from problem
