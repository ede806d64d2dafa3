"""The rule of limits, the same in memory and in Redis."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from redis_clock import TIMED_SCRIPT, RedisClock
from redis_server import running_redis

from config.plans import Plan
from gateway.limits import LimitStore, MemoryLimits, RedisLimits, connection_options
from gateway.limits.store import LIMITS, Outcome

SECOND, MINUTE, HOUR, CONCURRENT = range(1, 5)
ROOMY = Plan("roomy", max_rows_per_call=1000, max_concurrent_calls=1000)


class InMemory:
    """The store in memory, with its clock in hand."""

    def __init__(self) -> None:
        self.now = 7200.0
        self.store: LimitStore = self.store_with_leases(30)

    def store_with_leases(self, ttl_s: float) -> LimitStore:
        return MemoryLimits(lambda: self.now, ttl_s)

    def next_second(self) -> None:
        self.now = float(int(self.now) + 1)

    def wait(self, duration_s: float) -> None:
        self.now += duration_s

    def set_clock_back_an_hour(self) -> None:
        self.now -= 3600


class InRedis:
    """The store in a real Redis, with its clock in hand as well."""

    def __init__(self, client: redis.Redis) -> None:
        client.flushall()
        self.client = client
        self.clock = RedisClock(client)
        self.store: LimitStore = self.store_with_leases(30)

    def store_with_leases(self, ttl_s: float) -> LimitStore:
        return RedisLimits(self.client, ttl_s, TIMED_SCRIPT)

    def next_second(self) -> None:
        self.clock.next_second()

    def wait(self, duration_s: float) -> None:
        self.clock.move(duration_s)

    def set_clock_back_an_hour(self) -> None:
        self.clock.move(-3600)


Ground = InMemory | InRedis


@pytest.fixture(scope="module")
def redis_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    with running_redis(tmp_path_factory.mktemp("redis")) as socket_path:
        yield client_of(socket_path)


@pytest.fixture(params=["memory", "redis"])
def ground(request: pytest.FixtureRequest) -> Ground:
    if request.param == "memory":
        return InMemory()
    return InRedis(request.getfixturevalue("redis_client"))


def client_of(socket_path: Path) -> redis.Redis:
    # Slower than in service, so that a busy machine fails no test of the rule.
    return redis.Redis(unix_socket_path=str(socket_path), **connection_options(5.0))


def charge_failed_call(ground: Ground, plan: Plan) -> Outcome:
    outcomes: list[Outcome] = []
    ground.store.charge_failed_call("acme", plan, outcomes.append)
    ground.store.settle()
    return outcomes[0]


@pytest.mark.parametrize(
    ("limit", "window", "window_s"),
    [("requests_per_second", SECOND, 1), ("requests_per_minute", MINUTE, 60)],
)
def test_a_window_admits_exactly_its_requests(ground, limit, window, window_s):
    """Of five calls at a limit of three the first three are admitted."""
    plan = replace(ROOMY, **{limit: 3})

    outcomes = [ground.store.charge("acme", plan, 1) for _ in range(5)]

    assert [outcome.refused for outcome in outcomes] == [0, 0, 0, window, window]
    assert [outcome.remaining[window - 1] for outcome in outcomes] == [2, 1, 0, 0, 0]
    assert all(0 < outcome.reset_ms[window - 1] <= window_s * 1000 for outcome in outcomes)


def test_refused_rows_cost_nothing(ground):
    """Limit 10, costs 4, 8, 1, 1: only the 8 is refused (SEC-48)."""
    plan = replace(ROOMY, rows_per_hour=10)

    outcomes = [ground.store.charge("acme", plan, rows) for rows in (4, 8, 1, 1)]

    assert [outcome.refused for outcome in outcomes] == [0, HOUR, 0, 0]
    assert outcomes[-1].remaining[2] == 4


def test_a_call_may_use_a_window_up_to_its_last_row(ground):
    """Six rows remaining admit six, not seven."""
    plan = replace(ROOMY, rows_per_hour=10)
    ground.store.charge("acme", plan, 4)

    assert ground.store.charge("acme", plan, 7).refused == HOUR
    assert ground.store.charge("acme", plan, 6).refused == 0
    assert ground.store.charge("acme", plan, 1).refused == HOUR


def test_a_refusal_moves_no_other_limit(ground):
    """Rows used up: neither the minute's requests nor the calls in flight change (SEC-47)."""
    plan = replace(ROOMY, requests_per_minute=10, rows_per_hour=5)
    before = ground.store.charge("acme", plan, 5)

    refused = ground.store.charge("acme", plan, 1)

    assert refused.refused == HOUR
    assert refused.lease is None
    after = ground.store.peek("acme", plan)
    assert (after.remaining, after.in_flight) == (before.remaining, before.in_flight)


def test_refused_concurrency_charges_no_window(ground):
    """The third of two concurrent calls costs no request and no row."""
    plan = replace(ROOMY, requests_per_minute=10, rows_per_hour=10, max_concurrent_calls=2)
    for _ in range(2):
        ground.store.charge("acme", plan, 1)

    outcome = ground.store.charge("acme", plan, 1)

    assert outcome.refused == CONCURRENT
    assert outcome.remaining == (-1, 8, 8)
    assert outcome.in_flight == 2


def test_a_lease_given_back_admits_the_next_call(ground):
    """One at a time: released, the next is admitted; released twice, no more than that."""
    plan = replace(ROOMY, max_concurrent_calls=1)
    lease = ground.store.charge("acme", plan, 1).lease
    ground.store.release("acme", lease)
    ground.store.release("acme", lease)

    assert ground.store.charge("acme", plan, 1).refused == 0
    assert ground.store.charge("acme", plan, 1).refused == CONCURRENT


def test_a_lease_never_given_back_expires(ground):
    """A killed worker's call stops counting after the life of a lease (SEC-52)."""
    plan = replace(ROOMY, max_concurrent_calls=1)
    store = ground.store_with_leases(0.1)
    store.charge("acme", plan, 1)
    ground.wait(0.102)

    assert store.peek("acme", plan).in_flight == 0
    assert store.charge("acme", plan, 1).refused == 0


def test_the_next_window_is_whole_again(ground):
    """A limit per second admits as many in the second after."""
    plan = replace(ROOMY, requests_per_second=2)
    first = [ground.store.charge("acme", plan, 1).refused for _ in range(3)]
    ground.next_second()

    assert first == [0, 0, SECOND]
    assert [ground.store.charge("acme", plan, 1).refused for _ in range(3)] == [0, 0, SECOND]


def test_of_several_windows_the_longest_refuses(ground):
    """A caller told to wait for the second would be refused again by the minute."""
    plan = replace(ROOMY, requests_per_second=1, requests_per_minute=1)
    ground.store.charge("acme", plan, 1)

    assert ground.store.charge("acme", plan, 1).refused == MINUTE


def test_a_clock_set_back_opens_no_limit(ground):
    """An hour back, what was used is still used, and the reset is within the window (SEC-53)."""
    plan = replace(ROOMY, requests_per_second=1, requests_per_minute=1, rows_per_hour=1)
    ground.store.charge("acme", plan, 1)
    ground.set_clock_back_an_hour()

    outcome = ground.store.charge("acme", plan, 1)

    assert outcome.refused == HOUR
    assert outcome.remaining == (0, 0, 0)
    assert 0 < outcome.reset_ms[2] <= 3_600_000


def test_looking_costs_nothing(ground):
    """A thousand looks change nothing (SEC-55)."""
    plan = replace(ROOMY, requests_per_minute=10, rows_per_hour=100)
    charged = ground.store.charge("acme", plan, 7)
    looks = {ground.store.peek("acme", plan)._replace(reset_ms=(0, 0, 0)) for _ in range(1000)}

    assert looks == {charged._replace(reset_ms=(0, 0, 0), lease=None)}


def test_a_failed_call_costs_one_request(ground):
    """No rows and no lease: nothing was predicted and nothing runs."""
    plan = replace(ROOMY, requests_per_minute=10, rows_per_hour=10)

    outcome = charge_failed_call(ground, plan)

    assert outcome.remaining == (-1, 9, 10)
    assert ground.store.peek("acme", plan).in_flight == 0


def test_failed_calls_never_go_below_nothing(ground):
    """Three failed calls at a limit of two leave nothing, and other windows are still charged."""
    plan = replace(ROOMY, requests_per_minute=2, requests_per_second=10)

    outcomes = [charge_failed_call(ground, plan) for _ in range(3)]

    assert [outcome.remaining[:2] for outcome in outcomes] == [(9, 1), (8, 0), (7, 0)]
    assert [outcome.refused for outcome in outcomes] == [0, 0, 0]


@pytest.mark.parametrize("other", ["acm", "acme:windows", "{acme}", "acme}", "ACME", "акме"])
def test_partners_do_not_share_limits(ground, other):
    """Whatever the name, another partner's calls are not charged to acme."""
    plan = replace(ROOMY, requests_per_minute=1, max_concurrent_calls=1)
    ground.store.charge(other, plan, 1)

    assert ground.store.charge("acme", plan, 1).refused == 0


def test_a_changed_plan_counts_what_was_used_before(ground):
    """Lowered below what is used it refuses; raised it admits the difference, at once."""
    plan = replace(ROOMY, requests_per_minute=5)
    for _ in range(3):
        ground.store.charge("acme", plan, 1)

    lowered = ground.store.charge("acme", replace(plan, requests_per_minute=2), 1)
    raised = ground.store.charge("acme", replace(plan, requests_per_minute=10), 1)

    assert (lowered.refused, lowered.remaining[1]) == (MINUTE, 0)
    assert (raised.refused, raised.remaining[1]) == (0, 6)


def test_a_plan_without_rates_holds_concurrency_only(ground):
    """`unlimited` is not unlimited in what runs at once."""
    plan = replace(ROOMY, max_concurrent_calls=2)

    outcomes = [ground.store.charge("acme", plan, 1000) for _ in range(3)]

    assert [outcome.refused for outcome in outcomes] == [0, 0, CONCURRENT]
    assert outcomes[0].remaining == (-1, -1, -1)


def test_memory_forgets_partners_that_are_gone():
    """Of a thousand partners seen once, none is left an hour later."""
    ground = InMemory()
    for number in range(1000):
        ground.store.charge(f"partner-{number}", replace(ROOMY, rows_per_hour=10), 1)
    remembered = ground.store.partner_count
    ground.now += 3600
    ground.store.charge("acme", ROOMY, 1)

    assert remembered == 1000
    assert ground.store.partner_count == 1


operations = st.lists(
    st.one_of(
        st.tuples(st.just("charge"), st.integers(0, 12)),
        st.tuples(st.just("failed"), st.just(0)),
        st.tuples(st.just("release"), st.integers(0, 5)),
        st.tuples(st.just("peek"), st.just(0)),
    ),
    max_size=25,
)
small_plans = st.builds(
    Plan,
    name=st.just("small"),
    max_rows_per_call=st.just(10),
    max_concurrent_calls=st.integers(1, 3),
    requests_per_minute=st.none() | st.integers(1, 8),
    rows_per_hour=st.none() | st.integers(1, 20),
)


@settings(max_examples=60)
@given(small_plans, operations)
def test_memory_and_redis_decide_alike(redis_client, plan, steps):
    """Any sequence of operations has the same outcomes in both."""
    grounds: tuple[Ground, Ground] = (InMemory(), InRedis(redis_client))

    in_memory, in_redis = (list(run(ground, plan, steps)) for ground in grounds)

    assert in_memory == in_redis
    assert all(outcome.refused <= len(LIMITS) for outcome in in_memory)


def run(ground: Ground, plan: Plan, steps: list[tuple[str, int]]) -> Iterator[Outcome]:
    leases: list[str] = []
    for step, number in steps:
        if step == "release":
            for lease in leases[number : number + 1]:
                ground.store.release("acme", lease)
            continue
        if step == "failed":
            outcome = charge_failed_call(ground, plan)
        elif step == "peek":
            outcome = ground.store.peek("acme", plan)
        else:
            outcome = ground.store.charge("acme", plan, number)
        leases += [outcome.lease] if outcome.lease else []
        yield outcome._replace(reset_ms=(0, 0, 0), lease=None)
