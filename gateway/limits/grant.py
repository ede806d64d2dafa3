"""Calls granted to a worker: charged in the store already, and admitted without asking it."""

import sys
from typing import ClassVar

from config.plans import Plan
from gateway.limits.decision import LimitState, decide
from gateway.limits.store import Granted, Outcome, Swap

# What a grant gives up of its end: the store's clock is read in whole milliseconds, and may run
# a little faster than the worker's.
MARGIN_S = 0.005
# A worker asks for twice the calls that came in its last grant: where few come, few are held.
FIRST = Swap(calls=8)
MOST_CALLS = 256


class Grant:
    """Calls like one that was charged, and that call's lease, until the store's second ends.

    Args:
        asked_at: when the charge was sent, so that the grant can only end too early.
        connection_number: of the connection that it came over.

    Attributes:
        outcome: of that charge, as if nothing had been granted on top of it.
        holder: who runs in the lease, or None; at first the call that it was made for.
        template: the RateLimit field with places for what is left, once it was needed.
    """

    __slots__ = (
        "_calls",
        "_calls_left",
        "_connection_number",
        "_ends_at",
        "_granted_at_ms",
        "_lease",
        "_left",
        "_rows_left",
        "holder",
        "outcome",
        "plan",
        "template",
    )

    def __init__(
        self, plan: Plan, rows: int, granted: Granted, asked_at: float, connection_number: int
    ) -> None:
        outcome, calls, self._granted_at_ms = granted
        self.plan = plan
        self._calls = self._calls_left = calls
        self._rows_left = sys.maxsize if plan.rows_per_hour is None else rows * calls
        self._left = outcome.remaining
        self._ends_at = asked_at + outcome.reset_ms[0] / 1000 - MARGIN_S
        self._connection_number = connection_number
        self._lease = outcome.lease or ""
        self.holder: object = outcome.lease
        self.outcome = outcome._replace(remaining=_added(outcome, (calls, calls, rows * calls)))
        self.template = ""

    def is_over(self, now: float) -> bool:
        return now >= self._ends_at

    def take(self, plan: Plan, rows: int, now: float) -> "LeasedCall | None":
        """A call paid from this, if it is in time, of the same plan, alone, and there is enough."""
        if (
            now >= self._ends_at
            or self.holder is not None
            or self.plan is not plan
            or not self._calls_left
            or not 0 <= rows <= self._rows_left
        ):
            return None
        self._calls_left = calls = self._calls_left - 1
        self._rows_left -= rows
        second, minute, hour = self._left
        call = LeasedCall(self, plan, (second + calls, minute + calls, hour + self._rows_left))
        self.holder = call
        return call

    def swap(self, connection_number: int) -> Swap:
        """Give back what is left, and ask for twice what was used.

        Over another connection no units: the store may have begun its windows anew.
        """
        wanted = min(MOST_CALLS, 2 * (1 + self._calls - self._calls_left))
        if connection_number != self._connection_number:
            return Swap(wanted, self._lease)
        calls, rows = self._calls_left, self._rows_left
        # Nothing of windows that the plan did not have.
        second, minute, hour = (left >= 0 for left in self._left)
        units = (calls * second, calls * minute, rows * hour)
        return Swap(wanted, self._lease, self._granted_at_ms, units, self._calls)


class LeasedCall:
    """One call paid from a grant: a decision that admits, made without the store.

    Attributes:
        left: for each window what was left at the grant, less this worker's calls since.
    """

    # A frozen dataclass takes four times as long to make, and this is made for every call.
    __slots__ = ("grant", "left", "plan")

    refused_by: ClassVar[None] = None
    retry_after_s: ClassVar[int] = 0
    allowed: ClassVar[bool] = True

    def __init__(self, grant: Grant, plan: Plan, left: tuple[int, int, int]) -> None:
        self.grant = grant
        self.plan = plan
        self.left = left

    @property
    def states(self) -> tuple[LimitState, ...]:
        """Every limit of the plan; resets and concurrent calls as they were at the grant."""
        return decide(self.plan, self.grant.outcome._replace(remaining=self.left)).states

    def end(self) -> None:
        """The call runs no longer. Ended twice, it frees nothing of another's."""
        if self.grant.holder is self:
            self.grant.holder = None


def _added(outcome: Outcome, units: tuple[int, int, int]) -> tuple[int, int, int]:
    (second, minute, hour), (more_s, more_m, more_h) = outcome.remaining, units
    return (
        second if second < 0 else second + more_s,
        minute if minute < 0 else minute + more_m,
        hour if hour < 0 else hour + more_h,
    )
