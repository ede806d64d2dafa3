"""`RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-10.

Structured Fields (RFC 9651), written by hand: a library costs more than the answer they are in.
"""

from collections.abc import Sequence
from functools import lru_cache

from config.plans import Plan
from gateway.limits.decision import Decision, LimitState
from gateway.limits.grant import LeasedCall
from gateway.limits.store import CONCURRENT_CALLS, WINDOWS, Limit, window_limits


def remaining(decision: Decision | LeasedCall) -> str:
    """The value of `RateLimit`: units remaining (r) and seconds to the reset (t)."""
    if isinstance(decision, LeasedCall):
        # Within a grant only what is left changes: all else is written once.
        grant = decision.grant
        grant.template = grant.template or _template(decision.states)
        return grant.template.format(*decision.left)
    return ", ".join([_member(state, state.remaining) for state in decision.states])


def _template(states: Sequence[LimitState]) -> str:
    places: dict[Limit, str] = {window: f"{{{i}}}" for i, window in enumerate(WINDOWS)}
    return ", ".join([_member(state, places.get(state.limit, state.remaining)) for state in states])


def _member(state: LimitState, left: int | str) -> str:
    reset = "" if state.reset_s is None else f";t={state.reset_s}"
    return f'"{state.limit.name}";r={left}{reset}'


# A plan is a value: the few in use are rendered once each, replaced ones drop out.
@lru_cache(maxsize=256)
def policy(plan: Plan) -> str:
    """The value of `RateLimit-Policy`: quota (q), window in seconds (w) and unit (qu)."""
    windows = [
        f'"{window.name}";q={quota};w={window.window_s};qu="{window.unit}"'
        for window, quota in zip(WINDOWS, window_limits(plan), strict=True)
        if quota
    ]
    name, unit, _ = CONCURRENT_CALLS
    return ", ".join([*windows, f'"{name}";q={plan.max_concurrent_calls};qu="{unit}"'])
