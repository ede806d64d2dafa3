"""Going as fast as the plan allows, and no faster: calls wait here rather than be refused.

The gateway says where each window stands in `GET /v1/limits` and in every answer's RateLimit
field. Between two answers this client counts for itself what it sends.

Source: draft-ietf-httpapi-ratelimit-headers-10, as the gateway writes it.
"""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ITEM = re.compile(r'"(\w+)";r=(\d+);t=(\d+)')


@dataclass
class _Window:
    """One limit over time. `in_flight` was sent, and no answer has counted it yet."""

    rows: bool
    quota: int
    remaining: int
    length_s: float
    resets_at: float
    in_flight: int = 0

    def roll(self, now: float) -> None:
        if now >= self.resets_at:
            self.remaining = self.quota - self.in_flight
            self.resets_at = now + self.length_s

    def learn(self, remaining: int, reset_s: int, now: float) -> None:
        """What an answer said. `reset_s` is rounded up, so the earliest end that was said holds."""
        if remaining - self.in_flight > self.remaining:
            # More than there was: on the gateway's clock, a new window has begun.
            self.remaining = remaining - self.in_flight
            self.resets_at = now + reset_s
        else:
            self.remaining = min(self.remaining, remaining)
            self.resets_at = min(self.resets_at, now + reset_s)


class Pace:
    """The windows of the caller's plan, for all threads.

    Args:
        limits: `limits` of GET /v1/limits.
        row_cost: what a row of the model is charged.
        clock: seconds, monotonic.
    """

    def __init__(
        self, limits: Sequence[Mapping[str, Any]], row_cost: float, clock: Callable[[], float]
    ) -> None:
        now = clock()
        self._clock = clock
        self._row_cost = row_cost
        self._lock = threading.Lock()
        self._windows = {
            limit["name"]: _Window(
                limit["unit"] == "rows",
                limit["limit"],
                limit["remaining"],
                limit["window_s"],
                now + limit["reset_s"],
            )
            for limit in limits
            if "window_s" in limit
        }

    def reserve(self, rows: int) -> tuple[float, str]:
        """Count a call that is about to be sent; or say how long to wait first, and for what.

        The wait is 0.0 where the call may go.
        """
        with self._lock:
            now = self._clock()
            for name, window in self._windows.items():
                window.roll(now)
                cost = self._cost(window, rows)
                # One that is larger than the quota is the gateway's to refuse.
                if window.remaining < min(cost, window.quota):
                    return max(window.resets_at - now, 0.01), name
            for window in self._windows.values():
                window.remaining -= self._cost(window, rows)
                window.in_flight += self._cost(window, rows)
            return 0.0, ""

    def settle(self, rows: int, headers: Mapping[str, str] | None) -> None:
        """A call is over: what it reserved is counted by the gateway now, or never was."""
        said = _ITEM.findall(headers.get("RateLimit", "")) if headers is not None else []
        with self._lock:
            now = self._clock()
            for window in self._windows.values():
                window.in_flight -= self._cost(window, rows)
            for name, remaining, reset_s in said:
                if name in self._windows:
                    self._windows[name].learn(int(remaining), int(reset_s), now)

    def refused(self, limit: str, retry_after_s: float) -> None:
        """A limit was used up by others, or sooner than counted here: all threads wait for it."""
        with self._lock:
            window = self._windows.get(limit)
            if window is not None:
                window.remaining = min(window.remaining, 0)
                window.resets_at = self._clock() + retry_after_s

    def most_rows(self) -> int | None:
        """The rows that a window admits at most; a call with more waits for ever."""
        quotas = [window.quota for window in self._windows.values() if window.rows]
        return max(1, int(min(quotas) / self._row_cost)) if quotas else None

    def _cost(self, window: _Window, rows: int) -> int:
        return -int(-rows * self._row_cost // 1) if window.rows else 1
