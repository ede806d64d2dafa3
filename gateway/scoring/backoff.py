"""What is tried again, and after how long. A predict call changes nothing, so it always may be."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.scoring.connection import Answer

_FIRST_S, _LONGEST_S = 1.0, 30.0
_AWAY = frozenset({500, 502, 503, 504})
# Waiting for a limit is no failure, but something is wrong where it never ends.
_MOST_LIMITED = 200
_LONGEST_RETRY_AFTER_S = 7200.0


@dataclass
class Backoff:
    """The tries of one call.

    Args:
        clock: seconds, monotonic.
        random: from 0 to 1.
        patience_s: how long a call is tried again after its first failure.
    """

    clock: Callable[[], float]
    random: Callable[[], float]
    patience_s: float
    _failures: int = 0
    _limited: int = 0
    _failed_at: float | None = field(default=None)

    def wait_s(self, answer: Answer | None) -> float | None:
        """How long to wait before the next try; None where the answer stands.

        Args:
            answer: None is none at all.
        """
        if answer is not None and answer.status == 429:
            return self._limited_wait_s(answer)
        if answer is None or answer.status in _AWAY:
            return self._failed_wait_s(answer)
        return None

    def _limited_wait_s(self, answer: Answer) -> float | None:
        self._limited += 1
        if self._limited > _MOST_LIMITED:
            return None
        return (retry_after_s(answer) or _FIRST_S) + self.random()

    def _failed_wait_s(self, answer: Answer | None) -> float | None:
        now = self.clock()
        if self._failed_at is None:
            self._failed_at = now
        wait_s = min(_FIRST_S * 2.0**self._failures, _LONGEST_S)
        self._failures += 1
        if answer is not None:
            wait_s = retry_after_s(answer) or wait_s
        if now + wait_s - self._failed_at > self.patience_s:
            return None
        if answer is not None and answer.status == 500 and not self._once_more(answer):
            return None
        return wait_s + self.random() * min(wait_s, 1.0)

    def _once_more(self, answer: Answer) -> bool:
        """`internal_error` may have been an accident; `model_failed` would fail again."""
        return answer.code == "internal_error" and self._failures == 1


def retry_after_s(answer: Answer) -> float | None:
    """Retry-After in seconds, which is all that the gateway sends (RFC 9110 section 10.2.3)."""
    value = answer.headers.get("Retry-After", "")
    if not value.isascii() or not value.isdigit() or len(value) > 6:
        return None
    return min(max(float(value), 1.0), _LONGEST_RETRY_AFTER_S)
