"""What every store of limits answers: the outcome of a charge, by one rule in memory and in Redis.

Windows are fixed: slot n of a window covers [n, n + 1) times its length on the store's clock.
"""

from typing import NamedTuple

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


class Swap(NamedTuple):
    """What a worker gives back of an earlier grant in a charge, and how much it would hold next.

    Attributes:
        calls: to be granted, at most.
        lease: given back; "" for none.
        granted_at_ms: the earlier grant, on the store's clock.
        units: given back of each window that they were charged to.
        granted: calls of the earlier grant.
    """

    calls: int = 0
    lease: str = ""
    granted_at_ms: int = 0
    units: tuple[int, int, int] = (0, 0, 0)
    granted: int = 0


class Granted(NamedTuple):
    """A charge, and how many calls like it were charged on top of it, when on the store's clock."""

    outcome: Outcome
    calls: int
    at_ms: int


NO_SWAP = Swap()


def window_limits(plan: Plan) -> tuple[int, int, int]:
    """The plan's limits in the order of `WINDOWS`; 0 means no such limit."""
    return (
        plan.requests_per_second or 0,
        plan.requests_per_minute or 0,
        plan.rows_per_hour or 0,
    )
