"""`RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-10.

Structured Fields (RFC 9651), written by hand: a library costs more than the answer they are in.
"""

from functools import lru_cache

from config.plans import Plan
from gateway.limits.decision import Decision
from gateway.limits.store import CONCURRENT_CALLS, WINDOWS, window_limits


def remaining(decision: Decision) -> str:
    """The value of `RateLimit`: units remaining (r) and seconds to the reset (t)."""
    return ", ".join(
        [
            f'"{state.limit.name}";r={state.remaining}'
            if state.reset_s is None
            else f'"{state.limit.name}";r={state.remaining};t={state.reset_s}'
            for state in decision.states
        ]
    )


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
