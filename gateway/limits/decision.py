"""What the limiter answers: whether a call may go on, and where its partner's limits stand."""

from dataclasses import dataclass
from typing import NamedTuple

from config.plans import Plan
from gateway.limits.store import CONCURRENT_CALLS, LIMITS, WINDOWS, Limit, Outcome, window_limits

# When a concurrent call will end is unknown: the shortest wait that a client can be told.
CONCURRENCY_RETRY_S = 1


# A tuple: four are made for every call, and frozen dataclasses take three times as long to make.
class LimitState(NamedTuple):
    """One limit of the plan in force. `reset_s` is at least 1, or None without a window."""

    limit: Limit
    quota: int
    remaining: int
    reset_s: int | None

    def describe(self) -> dict[str, str | int]:
        """The state as members of a JSON object; without a window, no window and no reset."""
        facts: dict[str, str | int] = {
            "name": self.limit.name,
            "unit": self.limit.unit,
            "limit": self.quota,
            "remaining": self.remaining,
        }
        if self.reset_s is not None:
            facts |= {"window_s": self.limit.window_s, "reset_s": self.reset_s}
        return facts


@dataclass(frozen=True, slots=True)
class Lease:
    """One concurrent call, held until it is given back or expires."""

    partner: str
    id: str
    of_fallback: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one call.

    Attributes:
        plan: the plan in force, which is tighter than the partner's while the store is away.
        refused_by: name of the limit that refuses, None for an admitted call.
        retry_after_s: 0 for an admitted call, else at least 1 and not before the reset.
        states: every limit of the plan; of a call refused from memory, the refusing one.
    """

    plan: Plan
    refused_by: str | None
    retry_after_s: int
    states: tuple[LimitState, ...]
    lease: Lease | None = None

    @property
    def allowed(self) -> bool:
        return self.refused_by is None


def decide(plan: Plan, outcome: Outcome, lease: Lease | None = None) -> Decision:
    """Say a store's outcome in the terms of the plan it was decided under."""
    states = [
        LimitState(window, quota, remaining, whole_seconds(reset_ms))
        for window, quota, remaining, reset_ms in zip(
            WINDOWS, window_limits(plan), outcome.remaining, outcome.reset_ms, strict=True
        )
        if quota
    ]
    quota = plan.max_concurrent_calls
    states.append(LimitState(CONCURRENT_CALLS, quota, max(0, quota - outcome.in_flight), None))
    if not outcome.refused:
        return Decision(plan, None, 0, tuple(states), lease)
    refused_by = LIMITS[outcome.refused - 1].name
    return Decision(plan, refused_by, _retry_after_s(outcome), tuple(states))


def refuse(plan: Plan, window: int, reset_ms: int) -> Decision:
    """Refuse by a window of `WINDOWS` that is known to be used up."""
    quota, reset_s = window_limits(plan)[window], whole_seconds(reset_ms)
    state = LimitState(WINDOWS[window], quota, 0, reset_s)
    return Decision(plan, state.limit.name, reset_s, (state,))


def whole_seconds(milliseconds: int) -> int:
    """Rounded up, so that a client that waits so long finds the window reset."""
    return -(-milliseconds // 1000)


def _retry_after_s(outcome: Outcome) -> int:
    if outcome.refused > len(WINDOWS):
        return CONCURRENCY_RETRY_S
    return whole_seconds(outcome.reset_ms[outcome.refused - 1])
