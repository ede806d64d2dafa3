"""The limiter: what it knows without asking, and what it does while its store is away."""

from dataclasses import replace
from pathlib import Path

import pytest
import redis
from clock import Clock
from structlog.testing import capture_logs

from config.plans import Plan
from gateway.limits import (
    CostExceedsLimit,
    MemoryLimits,
    PartnerLimiter,
    RedisLimits,
    connection_options,
)
from gateway.limits.limiter import tightened

PLAN = Plan("p", max_rows_per_call=100, max_concurrent_calls=8, requests_per_minute=3)


@pytest.fixture
def clock() -> Clock:
    return Clock(7200.0)


@pytest.fixture
def limiter(clock: Clock) -> PartnerLimiter:
    return PartnerLimiter(MemoryLimits(clock), MemoryLimits(clock), clock)


@pytest.fixture
def cut_off_limiter(clock: Clock, tmp_path: Path) -> PartnerLimiter:
    """Its Redis has no server: every connection is refused."""
    path = str(tmp_path / "nobody.sock")
    client = redis.Redis(unix_socket_path=path, **connection_options(0.05))
    return PartnerLimiter(RedisLimits(client), MemoryLimits(clock), clock)


def test_an_admitted_call_knows_its_limits(limiter):
    """The decision has the states after the charge and a lease to give back."""
    decision = limiter.charge("acme", PLAN, 1)

    assert decision.allowed
    assert decision.plan is PLAN
    assert [(s.limit.name, s.quota, s.remaining, s.reset_s) for s in decision.states] == [
        ("requests_per_minute", 3, 2, 60),
        ("concurrent_calls", 8, 7, None),
    ]
    assert decision.lease is not None


def test_a_refused_call_is_told_why_and_for_how_long(limiter, clock):
    """The fourth of three a minute, 18.5 s into the minute, waits for 42 s and holds nothing."""
    clock.now += 18.5
    for _ in range(3):
        limiter.charge("acme", PLAN, 1)

    decision = limiter.charge("acme", PLAN, 1)

    assert decision.refused_by == "requests_per_minute"
    assert decision.retry_after_s == 42
    assert decision.lease is None


def test_refused_concurrency_may_retry_in_a_second(limiter):
    """When another call will end is unknown; released, the next is admitted."""
    plan = replace(PLAN, max_concurrent_calls=1, requests_per_minute=None)
    first = limiter.charge("acme", plan, 1)
    refused = limiter.charge("acme", plan, 1)
    limiter.release(first)

    assert (refused.refused_by, refused.retry_after_s) == ("concurrent_calls", 1)
    assert limiter.charge("acme", plan, 1).allowed


def test_releasing_a_refusal_frees_nothing(limiter):
    """Only who holds a lease can give it back."""
    plan = replace(PLAN, max_concurrent_calls=1)
    limiter.charge("acme", plan, 1)
    limiter.release(limiter.charge("acme", plan, 1))

    assert limiter.charge("acme", plan, 1).refused_by == "concurrent_calls"


@pytest.mark.parametrize(
    "operation",
    [
        lambda limiter: limiter.charge("", PLAN, 1),
        lambda limiter: limiter.charge_failed_call("", PLAN),
        lambda limiter: limiter.peek("", PLAN),
        lambda limiter: limiter.known_exhausted("", PLAN),
    ],
)
def test_a_call_without_a_partner_is_never_admitted(limiter, operation):
    """An empty name is an error, not a limit skipped (SEC-45)."""
    with pytest.raises(ValueError, match="without a partner"):
        operation(limiter)


def test_negative_rows_are_no_refund(limiter):
    """Rows cannot be handed back through a charge."""
    with pytest.raises(ValueError, match="negative"):
        limiter.charge("acme", PLAN, -1)


def test_rows_beyond_an_hours_are_not_told_to_retry(limiter):
    """The hour's rows in one call are admitted; one more can never be (SEC-49)."""
    plan = replace(PLAN, rows_per_hour=50)
    with pytest.raises(CostExceedsLimit):
        limiter.charge("acme", plan, 51)

    assert limiter.charge("acme", plan, 50).allowed


def test_what_is_used_up_is_refused_without_the_store(limiter, clock):
    """Known from the last admitted call on, told in whole seconds, forgotten at the reset."""
    for _ in range(2):
        limiter.charge("acme", PLAN, 1)
    before = limiter.known_exhausted("acme", PLAN)
    limiter.charge("acme", PLAN, 1)
    clock.now += 10.2
    known = limiter.known_exhausted("acme", PLAN)
    clock.now = 7260.0

    assert before is None
    assert (known.refused_by, known.retry_after_s) == ("requests_per_minute", 50)
    assert [(state.remaining, state.reset_s) for state in known.states] == [(0, 50)]
    assert limiter.known_exhausted("acme", PLAN) is None


def test_what_another_partner_used_up_is_not_held_against_this_one(limiter):
    """Knowledge is per partner."""
    for _ in range(3):
        limiter.charge("acme", PLAN, 1)

    assert limiter.known_exhausted("acme", PLAN) is not None
    assert limiter.known_exhausted("other", PLAN) is None


def test_a_new_plan_is_asked_about_again(limiter):
    """A raised plan takes effect at once, whatever this worker knew of the old one."""
    for _ in range(3):
        limiter.charge("acme", PLAN, 1)
    raised = replace(PLAN, requests_per_minute=10)

    assert limiter.known_exhausted("acme", raised) is None
    assert limiter.charge("acme", raised, 1).allowed


def test_rows_that_remain_are_not_called_used_up(limiter):
    """A call too large for what remains is refused, a smaller one is not."""
    plan = replace(PLAN, rows_per_hour=100, requests_per_minute=None)
    limiter.charge("acme", plan, 60)
    refused = limiter.charge("acme", plan, 60)
    known = limiter.known_exhausted("acme", plan)

    assert refused.refused_by == "rows_per_hour"
    assert known is None
    assert limiter.charge("acme", plan, 40).allowed


def test_concurrency_is_never_taken_as_known(limiter):
    """A call in flight may end at any moment: only the store knows."""
    plan = replace(PLAN, max_concurrent_calls=1)
    limiter.charge("acme", plan, 1)
    limiter.charge("acme", plan, 1)

    assert limiter.known_exhausted("acme", plan) is None


def test_failed_calls_are_limited_too(limiter):
    """After three failed calls at three a minute the fourth is refused before it is read."""
    known = []
    for _ in range(4):
        known.append(limiter.known_exhausted("acme", PLAN))
        limiter.charge_failed_call("acme", PLAN)

    assert [decision is None for decision in known] == [True, True, True, False]


def test_own_limits_can_be_looked_at_when_used_up(limiter):
    """A look is admitted, charges nothing and holds nothing (SEC-55)."""
    for _ in range(3):
        limiter.charge("acme", PLAN, 1)

    decision = limiter.peek("acme", PLAN)

    assert decision.allowed
    assert decision.lease is None
    assert [state.remaining for state in decision.states] == [0, 5]


def test_without_its_store_a_worker_admits_a_share(cut_off_limiter):
    """A quarter of every limit, and the plan in the decision is the one in force."""
    plan = Plan("p", 10, 8, requests_per_second=8, requests_per_minute=100, rows_per_hour=400)

    decisions = [cut_off_limiter.charge("acme", plan, 1) for _ in range(3)]

    assert [decision.refused_by for decision in decisions] == [None, None, "requests_per_second"]
    assert decisions[0].plan == Plan("p", 10, 2, 2, 25, 100)
    assert cut_off_limiter.in_fallback


def test_a_share_is_at_least_one_call():
    """A small plan is not shut out, and the largest call it allows stays possible."""
    plan = Plan("p", max_rows_per_call=100, max_concurrent_calls=2, rows_per_hour=150)

    assert tightened(plan, 0.25) == Plan("p", 100, 1, rows_per_hour=100)
    assert tightened(replace(plan, requests_per_second=1), 0.25).requests_per_second == 1


def test_leases_of_the_fallback_are_given_back_to_it(cut_off_limiter):
    """One at a time while the store is away: released, the next is admitted."""
    plan = replace(PLAN, max_concurrent_calls=1, requests_per_minute=None)
    first = cut_off_limiter.charge("acme", plan, 1)
    refused = cut_off_limiter.charge("acme", plan, 1)
    cut_off_limiter.release(first)

    assert refused.refused_by == "concurrent_calls"
    assert cut_off_limiter.charge("acme", plan, 1).allowed


def test_the_fallback_knows_what_is_used_up(cut_off_limiter):
    """Its share used up, a worker refuses under the plan in force, not the partner's."""
    plan = replace(PLAN, requests_per_minute=4)
    cut_off_limiter.charge("acme", plan, 1)

    known = cut_off_limiter.known_exhausted("acme", plan)

    assert known.refused_by == "requests_per_minute"
    assert known.plan.requests_per_minute == 1


@pytest.mark.parametrize(
    "operation",
    [
        lambda limiter: limiter.charge("acme", PLAN, 1),
        lambda limiter: limiter.charge_failed_call("acme", PLAN),
        lambda limiter: limiter.peek("acme", PLAN),
    ],
)
def test_the_fallback_is_logged_once(cut_off_limiter, operation):
    """However many calls it takes, and however many probes go unanswered."""
    with capture_logs() as events:
        for _ in range(3):
            operation(cut_off_limiter)
            cut_off_limiter.probe()

    assert events == [
        {"event": "limits_fallback_started", "log_level": "warning", "cause": "ConnectionError"}
    ]
