"""A circuit breaker: what keeps failing is left alone for a while."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

_FAILURES_TO_OPEN = 3
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 5.0


class BreakerOpen(Exception):
    """The call was not made. `retry_after_s` is when the next one may be."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"left alone for {retry_after_s:.1f} s more")
        self.retry_after_s = retry_after_s


class Breaker:
    """Guards the calls made in its `with` blocks.

    Closed, it lets all calls through. After three failures in a row it opens: calls are refused
    for a pause. Then one call alone is let through; its success closes the breaker, its failure
    opens it again for twice the pause, up to five seconds.

    Args:
        failures: the exceptions that count as failures of the other side; others count as an
            answer from it.
        clock: seconds that never go back.
    """

    def __init__(self, failures: tuple[type[Exception], ...], clock: Callable[[], float]) -> None:
        self._failures = failures
        self._clock = clock
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._pause_s = _FIRST_PAUSE_S
        self._closed = True
        self._trying = False
        self._next_try_at = 0.0

    def __enter__(self) -> Self:
        """Raises BreakerOpen."""
        with self._lock:
            if not self._closed:
                self._begin_trial()
        return self

    def _begin_trial(self) -> None:
        wait_s = self._next_try_at - self._clock()
        if wait_s > 0 or self._trying:
            raise BreakerOpen(wait_s if wait_s > 0 else self._pause_s)
        self._trying = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        failed = kind is not None and issubclass(kind, self._failures)
        with self._lock:
            self._trying = False
            self._fail() if failed else self._close()

    def _close(self) -> None:
        self._closed, self._in_a_row, self._pause_s = True, 0, _FIRST_PAUSE_S

    def _fail(self) -> None:
        self._in_a_row += 1
        if not self._closed:
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        elif self._in_a_row < _FAILURES_TO_OPEN:
            return
        self._closed = False
        self._next_try_at = self._clock() + self._pause_s
