"""How often the token service may be asked. Flask-Limiter keeps the counts."""

import hashlib
import time
from collections.abc import Callable
from math import ceil

import structlog
from flask_limiter import Limiter
from limits import RateLimitItem, parse

from config.sections import LimitSettings
from gateway.auth.addresses import counted_address
from gateway.errors import LimitsUnavailable, RateLimited

log = structlog.get_logger()


class TokenLimits:
    """The limits of one endpoint of the token service.

    Args:
        endpoint: whose requests are counted per address; wrong secrets are counted for all.
        required: refuse with 503 when the counts are away; else go on without them.
    """

    def __init__(
        self,
        limiter: Limiter,
        settings: LimitSettings,
        *,
        endpoint: str,
        required: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._limiter = limiter
        self._endpoint = endpoint
        self._required = required
        self._clock = clock
        self._per_address = parse(settings.tokens_per_address)
        self._in_all = parse(settings.tokens_in_all)
        self._wrong_secrets = parse(settings.failed_secrets_per_client_and_address)

    def count_request(self, address: str) -> None:
        """Raises: RateLimited, LimitsUnavailable."""
        self._count(
            "tokens_per_address", self._per_address, self._endpoint, counted_address(address)
        )

    def count_issuance(self) -> None:
        """Raises: RateLimited, LimitsUnavailable."""
        self._count("tokens_in_all", self._in_all)

    def refuse_guessing(self, client_id: str, address: str) -> None:
        """Raises: RateLimited, LimitsUnavailable."""
        key = _WRONG_SECRETS, _digest(client_id), counted_address(address)
        if not self._ask(lambda: self._limiter.limiter.test(self._wrong_secrets, *key)):
            raise self._refusal(_WRONG_SECRETS, self._wrong_secrets, *key)

    def count_wrong_secret(self, client_id: str, address: str) -> None:
        """Raises: LimitsUnavailable."""
        key = _WRONG_SECRETS, _digest(client_id), counted_address(address)
        self._ask(lambda: self._limiter.limiter.hit(self._wrong_secrets, *key))

    def _count(self, name: str, limit: RateLimitItem, *key: str) -> None:
        if not self._ask(lambda: self._limiter.limiter.hit(limit, name, *key)):
            raise self._refusal(name, limit, name, *key)

    def _refusal(self, name: str, limit: RateLimitItem, *key: str) -> RateLimited:
        reset_at = self._clock() + limit.get_expiry()
        try:
            reset_at = self._limiter.limiter.get_window_stats(limit, *key).reset_time
        except self._limiter.storage.base_exceptions as exc:
            log.warning("token_limits_away", error=type(exc).__name__)
        return RateLimited(
            "Too many requests: try again later.",
            retry_after_s=max(1, ceil(reset_at - self._clock())),
            limit=name,
        )

    def _ask(self, question: Callable[[], bool]) -> bool:
        try:
            return question()
        # Each kind of storage has exceptions of its own, and all mean the same here.
        except Exception as exc:
            log.warning("token_limits_away", error=type(exc).__name__, required=self._required)
            if self._required:
                raise LimitsUnavailable(facts={"reason": "limits_unavailable"}) from exc
            return True


_WRONG_SECRETS = "failed_secrets_per_client_and_address"


def _digest(client_id: str) -> str:
    # The caller chose this text: as a digest it is short, and cannot name another's count.
    return hashlib.sha256(client_id.encode("utf-8")).hexdigest()[:32]
