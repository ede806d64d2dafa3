"""What every store of limits answers: the outcome of a charge, by one rule in memory and in Redis.

Windows are fixed: slot n of a window covers [n, n + 1) times its length on the store's clock.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from config.plans import Plan


class StoreUnavailable(Exception):
    """The store did not answer, not in time, or with an error."""


class Limit(NamedTuple):
    """One kind of limit. `unit` is the quota unit of the RateLimit fields."""

    name: str
    unit: str
    window_s: int


WINDOWS = (
    Limit("requests_per_second", "requests", 1),
    Limit("requests_per_minute", "requests", 60),
    Limit("rows_per_hour", "rows", 3600),
)
# Calls in flight are held, not counted over a window.
CONCURRENT_CALLS = Limit("concurrent_calls", "concurrent-requests", 0)
LIMITS = (*WINDOWS, CONCURRENT_CALLS)


class Outcome(NamedTuple):
    """What a store decided; `remaining` and `reset_ms` have one number per window.

    Attributes:
        refused: 0 for none, else the place of the refusing limit in `LIMITS`, from 1.
        in_flight: concurrent calls, with this one if it was admitted.
        remaining: -1 where the plan has no such limit.
        lease: id of the lease this call holds, if it holds one.
    """

    refused: int
    in_flight: int
    remaining: tuple[int, int, int]
    reset_ms: tuple[int, int, int]
    lease: str | None = None


class LimitStore(Protocol):
    """All limits of a partner, charged together or not at all.

    Every method but `release` raises StoreUnavailable.
    """

    def charge(self, partner: str, plan: Plan, rows: int) -> Outcome:
        """Charge one request, its rows and one concurrent call; a refusal charges nothing."""

    def charge_failed_call(
        self, partner: str, plan: Plan, on_outcome: Callable[[Outcome], None]
    ) -> None:
        """Charge one request to each window that has one left. Does not wait for the store.

        `on_outcome` is called once the outcome is known: at the latest in the next `settle`.
        """

    def settle(self) -> None:
        """Wait for the outcomes of failed calls that are still to come."""

    def peek(self, partner: str, plan: Plan) -> Outcome:
        """What is left. Changes nothing."""

    def release(self, partner: str, lease: str) -> None:
        """Give a lease back, later if the store is away. Does not wait for it, never raises."""

    def ping(self) -> None:
        """Return if the store answers; what is still to be given back is given back."""


def window_limits(plan: Plan) -> tuple[int, int, int]:
    """The plan's limits in the order of `WINDOWS`; 0 means no such limit."""
    return (
        plan.requests_per_second or 0,
        plan.requests_per_minute or 0,
        plan.rows_per_hour or 0,
    )
