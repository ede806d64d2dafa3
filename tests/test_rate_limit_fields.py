"""RateLimit and RateLimit-Policy are Structured Fields and agree with the decision."""

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.plans import Plan
from gateway.limits import fields
from gateway.limits.decision import Decision, decide
from gateway.limits.store import WINDOWS, Outcome

quotas = st.none() | st.integers(min_value=1, max_value=10**12)
plans = st.builds(
    Plan,
    name=st.just("any"),
    max_rows_per_call=st.just(1),
    max_concurrent_calls=st.integers(min_value=1, max_value=10**6),
    requests_per_second=quotas,
    requests_per_minute=quotas,
    rows_per_hour=quotas,
)


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    plan = draw(plans)
    limits = [getattr(plan, window.name) for window in WINDOWS]
    refusing = [i + 1 for i, limit in enumerate(limits) if limit] + [0, 4]
    remaining = [-1 if limit is None else draw(st.integers(0, limit)) for limit in limits]
    reset_ms = [draw(st.integers(1, window.window_s * 1000)) for window in WINDOWS]
    in_flight = draw(st.integers(0, 2 * 10**6))
    refused = draw(st.sampled_from(refusing))
    return decide(plan, Outcome(refused, in_flight, tuple(remaining), tuple(reset_ms)))


def parse(value: str) -> dict[str, dict[str, int | str]]:
    return dict(http_sf.parse(value.encode(), tltype="list"))


@given(decisions())
def test_every_field_parses_and_agrees_with_the_decision(decision):
    """Both are lists of strings with parameters: r and t, q, w and qu, in the same order."""
    policies = parse(fields.policy(decision.plan))
    states = parse(fields.remaining(decision))

    assert list(policies) == list(states) == [state.limit.name for state in decision.states]
    for state in decision.states:
        assert policies[state.limit.name]["q"] == state.quota
        assert policies[state.limit.name]["qu"] == state.limit.unit
        assert states[state.limit.name]["r"] == state.remaining
        assert states[state.limit.name].get("t") == state.reset_s


@given(decisions())
def test_reset_is_within_the_window(decision):
    """t is 1 second at least and never more than the window of its policy (SEC-38)."""
    policies = parse(fields.policy(decision.plan))
    states = parse(fields.remaining(decision))

    for name in states.keys() - {"concurrent_calls"}:
        assert 1 <= states[name]["t"] <= policies[name]["w"]


@given(decisions())
def test_retry_after_is_not_before_the_reset(decision):
    """A refusal says when to come back, an admitted call does not (SEC-37, SEC-38)."""
    resets = {state.limit.name: state.reset_s for state in decision.states}

    if decision.refused_by is None:
        assert decision.allowed
        assert decision.retry_after_s == 0
    else:
        assert not decision.allowed
        assert decision.retry_after_s >= (resets[decision.refused_by] or 1)


def test_fields_are_written_as_the_draft_shows_them():
    """Without a limit on rows there is nothing about rows in either field."""
    plan = Plan("trial", 1000, 4, requests_per_second=20, requests_per_minute=600)
    decision = decide(plan, Outcome(0, 1, (19, 599, -1), (400, 59_001, 5)))

    assert fields.policy(plan) == (
        '"requests_per_second";q=20;w=1;qu="requests", '
        '"requests_per_minute";q=600;w=60;qu="requests", '
        '"concurrent_calls";q=4;qu="concurrent-requests"'
    )
    assert fields.remaining(decision) == (
        '"requests_per_second";r=19;t=1, "requests_per_minute";r=599;t=60, "concurrent_calls";r=3'
    )


@pytest.mark.parametrize(("reset_ms", "reset_s"), [(1, 1), (1000, 1), (1001, 2), (60_000, 60)])
def test_reset_is_rounded_up(reset_ms, reset_s):
    """A client that waits t seconds finds the window open."""
    plan = Plan("p", 1, 1, requests_per_minute=5)

    decision = decide(plan, Outcome(2, 0, (-1, 0, -1), (1, reset_ms, 1)))

    assert decision.retry_after_s == decision.states[0].reset_s == reset_s


def test_a_limit_describes_itself_for_json():
    """A window has a length and a reset; concurrent calls have neither."""
    plan = Plan("p", 1, 2, requests_per_minute=5)

    per_minute, concurrent = decide(plan, Outcome(0, 1, (-1, 3, -1), (1, 2000, 1))).states

    assert per_minute.describe() == {
        "name": "requests_per_minute",
        "unit": "requests",
        "limit": 5,
        "remaining": 3,
        "window_s": 60,
        "reset_s": 2,
    }
    assert concurrent.describe() == {
        "name": "concurrent_calls",
        "unit": "concurrent-requests",
        "limit": 2,
        "remaining": 1,
    }
