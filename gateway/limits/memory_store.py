"""The rule of `charge.lua` in this process's memory: for one worker, and for when Redis is away."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from config.plans import Plan
from gateway.limits.store import WINDOWS, Outcome, window_limits

LENGTHS_MS = tuple(window.window_s * 1000 for window in WINDOWS)
SWEEP_EVERY_MS = 60_000


@dataclass(slots=True)
class _Usage:
    """One partner's slots, the units used in them, and leases by id with their expiry in ms."""

    slots: list[int] = field(default_factory=lambda: [0] * len(WINDOWS))
    used: list[int] = field(default_factory=lambda: [0] * len(WINDOWS))
    leases: dict[str, int] = field(default_factory=dict)

    def is_over(self, now_ms: int) -> bool:
        """No window and no lease of this partner reaches into the present."""
        ends = ((slot + 1) * length for slot, length in zip(self.slots, LENGTHS_MS, strict=True))
        return all(end <= now_ms for end in (*ends, *self.leases.values()))


class MemoryLimits:
    """Exact for this process only.

    Args:
        clock: seconds; a monotonic clock, so that setting the time of day opens no window.
        lease_ttl_s: how long a concurrent call counts that is never given back.
    """

    def __init__(self, clock: Callable[[], float], lease_ttl_s: float = 30.0) -> None:
        self.unsettled = False
        self._clock = clock
        self._lease_ttl_ms = round(lease_ttl_s * 1000)
        self._lease_ids = count(1)
        self._partners: dict[str, _Usage] = {}
        self._next_sweep_ms = 0
        self._lock = threading.Lock()

    def take(self, partner: str, plan: Plan, rows: int) -> None:
        """Every call is charged here."""

    def charge(self, partner: str, plan: Plan, rows: int) -> Outcome:
        with self._lock:
            now_ms = self._now_ms()
            usage = self._current(partner, now_ms)
            limits, costs = window_limits(plan), (1, 1, rows)
            refused = _refusing(usage, limits, costs, plan.max_concurrent_calls)
            if refused:
                return _outcome(usage, limits, now_ms, refused=refused)
            _add(usage, limits, costs)
            lease = str(next(self._lease_ids))
            usage.leases[lease] = now_ms + self._lease_ttl_ms
            return _outcome(usage, limits, now_ms, lease=lease)

    def charge_failed_call(
        self, partner: str, plan: Plan, on_outcome: Callable[[Outcome], None]
    ) -> None:
        with self._lock:
            now_ms = self._now_ms()
            usage, limits = self._current(partner, now_ms), window_limits(plan)
            second, minute, _ = (int(u < q) for u, q in zip(usage.used, limits, strict=True))
            _add(usage, limits, (second, minute, 0))
            outcome = _outcome(usage, limits, now_ms)
        on_outcome(outcome)

    def settle(self) -> None:
        """Outcomes are known at once."""

    def peek(self, partner: str, plan: Plan) -> Outcome:
        with self._lock:
            now_ms = self._now_ms()
            return _outcome(self._current(partner, now_ms), window_limits(plan), now_ms)

    def release(self, partner: str, lease: str) -> None:
        with self._lock:
            usage = self._partners.get(partner)
            if usage is not None:
                usage.leases.pop(lease, None)

    def give_back_unused(self, *, ending: bool = False) -> None:
        """Nothing was taken from here beforehand."""

    def ping(self) -> None:
        """Memory is never away."""

    @property
    def partner_count(self) -> int:
        """Partners remembered: those with a window or a lease that is not over, within a minute."""
        return len(self._partners)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _current(self, partner: str, now_ms: int) -> _Usage:
        self._sweep(now_ms)
        usage = self._partners.setdefault(partner, _Usage())
        for i, length_ms in enumerate(LENGTHS_MS):
            slot = now_ms // length_ms
            if usage.slots[i] < slot:
                usage.used[i] = 0
            # A clock that was set back starts no new window: what was used stays used.
            usage.slots[i] = slot
        for lease in [id_ for id_, expiry_ms in usage.leases.items() if expiry_ms <= now_ms]:
            del usage.leases[lease]
        return usage

    def _sweep(self, now_ms: int) -> None:
        if now_ms < self._next_sweep_ms:
            return
        self._next_sweep_ms = now_ms + SWEEP_EVERY_MS
        self._partners = {
            partner: usage for partner, usage in self._partners.items() if not usage.is_over(now_ms)
        }


def _refusing(
    usage: _Usage, limits: Sequence[int], costs: Sequence[int], max_concurrent: int
) -> int:
    # Of several refusing windows the longest counts: a caller that waits for a shorter one
    # would be refused again.
    for i in reversed(range(len(WINDOWS))):
        if limits[i] and costs[i] and usage.used[i] + costs[i] > limits[i]:
            return i + 1
    return len(WINDOWS) + 1 if len(usage.leases) >= max_concurrent else 0


def _add(usage: _Usage, limits: Sequence[int], costs: Sequence[int]) -> None:
    for i, (limit, cost) in enumerate(zip(limits, costs, strict=True)):
        if limit:
            usage.used[i] += cost


def _outcome(
    usage: _Usage,
    limits: tuple[int, int, int],
    now_ms: int,
    refused: int = 0,
    lease: str | None = None,
) -> Outcome:
    used, (second, minute, hour) = usage.used, LENGTHS_MS
    remaining = (_left(limits[0], used[0]), _left(limits[1], used[1]), _left(limits[2], used[2]))
    reset_ms = (second - now_ms % second, minute - now_ms % minute, hour - now_ms % hour)
    return Outcome(refused, len(usage.leases), remaining, reset_ms, lease)


def _left(limit: int, used: int) -> int:
    return max(0, limit - used) if limit else -1
