"""Quota leased to workers: most calls ask nobody, none is admitted too much, little is stranded."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from redis_clock import TIMED_SCRIPT, RedisClock, timed
from redis_server import running_redis

from config.plans import Plan
from config.sections import LimitSettings
from gateway.control.watcher import Ticker
from gateway.limits import (
    LeasedCall,
    LeasedLimits,
    MemoryLimits,
    PartnerLimiter,
    RedisLimits,
    StoreUnavailable,
    connection_options,
    fields,
)
from gateway.limits.grant import Grant
from gateway.limits.store import Granted, Outcome
from gateway.wsgi.parts import make_flask_limiter, make_partner_limiter

PLAN = Plan("large", 1000, 64, 1_000_000, 1_000_000, 50_000_000)
TRIAL = Plan("trial", 1000, 4, 20, 600, 100_000)
WINDOWS, LEASES = "limits:{acme}:windows", "limits:{acme}:leases"
EARLIER_SCRIPT = Path(__file__).with_name("charge_before_grants.lua")


class Worker:
    """One worker's limiter, and what it has in flight."""

    def __init__(self, socket: Path, clock: RedisClock) -> None:
        client = redis.Redis(unix_socket_path=str(socket), **connection_options(5.0))
        self.clock = clock
        self.exact = RedisLimits(client, script=TIMED_SCRIPT)
        self.leased = LeasedLimits(self.exact, clock)
        self.limiter = PartnerLimiter(self.leased, MemoryLimits(clock), clock)

    def call(self, plan: Plan = PLAN, rows: int = 1) -> bool:
        """One whole call; whether it asked nobody."""
        decision = self.limiter.charge("acme", plan, rows)
        assert decision.allowed
        self.limiter.release(decision)
        return isinstance(decision, LeasedCall)


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with running_redis(tmp_path_factory.mktemp("redis")) as path:
        yield path


@pytest.fixture
def client(socket: Path) -> Iterator[redis.Redis]:
    """Of an empty Redis."""
    with redis.Redis(unix_socket_path=str(socket), decode_responses=True) as admin:
        admin.flushall()
        yield admin


@pytest.fixture
def clock(client: redis.Redis) -> RedisClock:
    return RedisClock(client)


@pytest.fixture
def worker(client: redis.Redis, socket: Path, clock: RedisClock) -> Worker:
    return Worker(socket, clock)


@pytest.fixture
def other(client: redis.Redis, socket: Path, clock: RedisClock) -> Worker:
    """Another worker, of another process in all that counts."""
    return Worker(socket, clock)


def used(client: redis.Redis, *windows: str) -> list[int]:
    """Units that Redis has counted, of the minute (M) and the hour (H) unless told otherwise."""
    return [int(count or 0) for count in client.hmget(WINDOWS, windows or ("M", "H"))]


def questions(client: redis.Redis) -> int:
    """Calls of the script so far."""
    return int(client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"])


def remaining(limiter: PartnerLimiter, rows: int = 1) -> list[int]:
    """What is left of each limit, as a call is told."""
    decision = limiter.charge("acme", PLAN, rows)
    limiter.release(decision)
    return [state.remaining for state in decision.states]


def test_most_calls_ask_nobody(worker: Worker, client: redis.Redis) -> None:
    """A thousand calls of a large plan: under thirty questions, and one slot held in all."""
    before = questions(client)
    leased = sum(worker.call() for _ in range(1000))

    assert leased > 970
    assert questions(client) - before == 1000 - leased
    assert client.zcard(LEASES) == 1


def test_all_that_is_granted_is_counted_already(worker: Worker, client: redis.Redis) -> None:
    """What Redis has counted is never less than what was admitted, in any window."""
    for number in range(1, 501):
        worker.call()
        if number % 7 == 0:
            assert min(used(client)) >= number


def test_small_plans_are_exact(worker: Worker, client: redis.Redis) -> None:
    """Twenty a second: each call asks, and Redis has counted as many as were admitted."""
    leased = [worker.call(TRIAL) for _ in range(20)]

    assert not any(leased)
    assert used(client) == [20, 20]
    assert worker.limiter.charge("acme", TRIAL, 1).refused_by == "requests_per_second"


@pytest.mark.parametrize("limit", ["requests_per_second", "requests_per_minute"])
def test_a_grant_is_at_most_a_fiftieth(worker: Worker, client: redis.Redis, limit: str) -> None:
    """Of 49 calls a window none is granted, of 50 one is."""
    plan = replace(PLAN, requests_per_second=None, requests_per_minute=None)
    small, large = (replace(plan, **{limit: quota}) for quota in (49, 50))

    assert [worker.call(small), worker.call(small)] == [False, False]
    assert [worker.call(large) for _ in range(3)] == [False, True, False]


@pytest.mark.parametrize("limit", ["requests_per_second", "requests_per_minute"])
def test_all_grants_are_at_most_a_tenth(
    socket: Path, client: redis.Redis, clock: RedisClock, limit: str
) -> None:
    """Thirty workers with a call each: counted are these, and a hundred of a thousand at most."""
    plan = Plan("p", 1000, 64, **{limit: 1000})
    window = "S" if limit == "requests_per_second" else "M"
    workers = [Worker(socket, clock) for _ in range(30)]
    for one in workers:
        one.exact.peek("acme", plan)
    for one in workers:
        one.call(plan)

    assert 30 + 50 < used(client, window)[0] <= 30 + 100
    assert sum(one.call(plan) for _ in range(10) for one in workers) > 30
    assert int(client.hget(WINDOWS, "G") or 0) <= 100


def test_rows_of_an_hour_are_granted_sparingly(worker: Worker, client: redis.Redis) -> None:
    """At most 1 of 5000: calls of 10 rows are granted at 50,000 rows an hour, of 11 are not."""
    plan = replace(PLAN, rows_per_hour=50_000)

    assert [worker.call(plan, 11), worker.call(plan, 11)] == [False, False]
    assert [worker.call(plan, 10), worker.call(plan, 10)] == [False, True]
    assert used(client, "H") == [42]


def test_the_end_of_a_window_is_exact(worker: Worker, client: redis.Redis) -> None:
    """Of what is left at most an eighth: seven left are counted one by one, eight not."""
    plan = replace(PLAN, requests_per_second=None, requests_per_minute=1000)
    worker.exact.peek("acme", plan)
    worker.call(plan)
    worker.leased.give_back_unused(ending=True)
    client.hset(WINDOWS, "M", 1000 - 9)

    assert [worker.call(plan), worker.call(plan)] == [False, True]
    assert not any(worker.call(plan) for _ in range(7))
    assert worker.limiter.charge("acme", plan, 1).refused_by == "requests_per_minute"
    assert used(client, "M") == [1000]


def test_what_is_left_falls_by_one_with_each_call(worker: Worker) -> None:
    """Over several grants too, in both windows; rows by the rows of the call."""
    told = [remaining(worker.limiter, rows=2) for _ in range(300)]

    assert [left[1] for left in told] == list(range(999_999, 999_699, -1))
    assert [left[2] for left in told] == list(range(49_999_998, 49_999_398, -2))


def test_fields_of_a_leased_call_are_those_of_its_states(worker: Worker) -> None:
    """The field written from a template says what the states say, for each kind of plan."""
    for plan in (PLAN, replace(PLAN, requests_per_second=None), Plan("bare", 10, 64)):
        worker.call(plan)
        decision = worker.limiter.charge("acme", plan, 1)
        worker.limiter.release(decision)
        states = decision.states

        assert isinstance(decision, LeasedCall)
        assert fields.remaining(decision) == ", ".join(
            f'"{s.limit.name}";r={s.remaining}' + (f";t={s.reset_s}" if s.reset_s else "")
            for s in states
        )


def test_a_grant_ends_with_the_second_on_redis_clock(worker: Worker, clock: RedisClock) -> None:
    """The first call of each second asks: what was granted in one is spent in no other."""
    clock.move(0.6)
    for _ in range(2):
        worker.call()
        assert worker.call()
        clock.next_second()

        assert not worker.call()


def test_a_grant_ends_before_the_second_may() -> None:
    """400 ms before the second's end it holds for 395, from before the question was sent."""
    charged = Granted(Outcome(0, 1, (10, 10, 10), (400, 1, 1), "lease"), 8, at_ms=0)
    grant = Grant(PLAN, 1, charged, asked_at=100.0, connection_number=1)
    grant.holder = None

    assert grant.take(PLAN, 1, 100.396) is None
    assert grant.take(PLAN, 1, 100.394) is not None


def test_an_idle_worker_gives_back_at_the_next_probe(
    worker: Worker, client: redis.Redis, clock: RedisClock
) -> None:
    """Before the second ends all is held; after it, units and slot are given back."""
    for _ in range(40):
        worker.call()
    worker.limiter.probe()
    held = client.zcard(LEASES), used(client)
    clock.next_second()
    worker.limiter.probe()

    assert held[0] == 1
    assert min(held[1]) > 40
    assert worker.exact.peek("acme", PLAN).in_flight == 0
    assert used(client) == [40, 40]


def test_the_background_of_an_idle_worker_gives_back(
    worker: Worker, client: redis.Redis, clock: RedisClock
) -> None:
    """Its next round after the end of the second, with no call that would do it."""
    background = Ticker([worker.limiter.probe], 0.01)
    background.start()
    worker.call()
    held = client.zcard(LEASES)
    clock.next_second()
    until = time.monotonic() + 20
    while client.zcard(LEASES) and time.monotonic() < until:
        time.sleep(0.01)
    background.stop()

    assert held == 1
    assert client.zcard(LEASES) == 0
    assert used(client) == [1, 1]


def test_a_worker_that_ends_gives_back_at_once(worker: Worker, client: redis.Redis) -> None:
    """Renewed workers leave nothing behind, in the second of their grant either."""
    for _ in range(5):
        worker.call()
    worker.limiter.stop()

    assert worker.exact.peek("acme", PLAN).in_flight == 0
    assert used(client, "S", "M", "H") == [5, 5, 5]


def test_the_next_call_gives_back_what_is_over(
    worker: Worker, client: redis.Redis, clock: RedisClock
) -> None:
    """Nothing waits for the background: the charge after the end of a grant swaps it."""
    worker.call()
    clock.next_second()
    worker.call()
    worker.leased.give_back_unused(ending=True)

    assert worker.exact.peek("acme", PLAN).in_flight == 0
    assert used(client) == [2, 2]


def test_units_of_a_window_that_is_over_are_not_given_back(
    worker: Worker, client: redis.Redis, clock: RedisClock
) -> None:
    """The next minute begins with what is used in it, not with less."""
    worker.call()
    minute = int(client.hget(WINDOWS, "m") or 0)
    client.hset(WINDOWS, mapping={"m": minute - 1, "M": 500})
    clock.next_second()
    worker.call()
    worker.leased.give_back_unused(ending=True)

    assert used(client) == [1, 2]


def test_looking_gives_back_and_says_all_that_is_left(worker: Worker) -> None:
    """/v1/limits counts what this worker holds as left, and its slot as free."""
    for _ in range(10):
        worker.call()
    looked = worker.limiter.peek("acme", PLAN)

    assert [state.remaining for state in looked.states][1:] == [999_990, 49_999_990, 64]


def test_a_killed_worker_leaves_no_more_than_its_grant(
    socket: Path, client: redis.Redis, clock: RedisClock
) -> None:
    """kill -9: what it held stays counted, and its slot until the life of a lease."""
    pid = os.fork()
    if pid == 0:
        dying = Worker(socket, clock)
        for _ in range(3):
            dying.call()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    alive = Worker(socket, clock)

    assert used(client) == [9, 9]
    clock.move(29.9)
    assert alive.exact.peek("acme", PLAN).in_flight == 1
    clock.move(0.1)
    assert alive.limiter.charge("acme", replace(PLAN, max_concurrent_calls=1), 1).allowed


def test_grants_hold_at_most_half_of_the_concurrent_calls(
    socket: Path, client: redis.Redis, clock: RedisClock
) -> None:
    """Of four at once two workers may hold one each; a third holds none between its calls."""
    plan = replace(PLAN, max_concurrent_calls=4)
    workers = [Worker(socket, clock) for _ in range(3)]
    for one in workers:
        one.call(plan)
    held = workers[0].exact.peek("acme", plan).in_flight
    running = [workers[2].limiter.charge("acme", plan, 1) for _ in range(3)]

    assert held == 2
    assert [decision.refused_by for decision in running] == [None, None, "concurrent_calls"]


def test_one_call_at_a_time_runs_in_a_grant(worker: Worker) -> None:
    """A second at the same time has a lease of its own; both are counted."""
    worker.call()
    first = worker.limiter.charge("acme", PLAN, 1)
    second = worker.limiter.charge("acme", PLAN, 1)
    both = worker.exact.peek("acme", PLAN).in_flight
    worker.limiter.release(second)
    worker.limiter.release(first)

    assert isinstance(first, LeasedCall)
    assert not isinstance(second, LeasedCall)
    assert both == 2
    assert worker.call()
    assert worker.exact.peek("acme", PLAN).in_flight == 1


def test_a_call_ended_twice_frees_no_other(worker: Worker) -> None:
    """The lease is the next call's by then."""
    worker.call()
    first = worker.limiter.charge("acme", PLAN, 1)
    worker.limiter.release(first)
    second = worker.limiter.charge("acme", PLAN, 1)
    worker.limiter.release(first)

    assert isinstance(second, LeasedCall)
    assert not isinstance(worker.limiter.charge("acme", PLAN, 1), LeasedCall)


def test_a_call_that_outlasts_its_grant_stays_counted(worker: Worker, clock: RedisClock) -> None:
    """Its slot is held until it ends, then given back at the next probe."""
    worker.call()
    running = worker.limiter.charge("acme", PLAN, 1)
    clock.next_second()
    worker.limiter.probe()
    while_running = worker.exact.peek("acme", PLAN).in_flight
    worker.limiter.release(running)
    worker.limiter.probe()

    assert isinstance(running, LeasedCall)
    assert while_running == 1
    assert worker.exact.peek("acme", PLAN).in_flight == 0


def test_failed_calls_are_paid_from_the_grant(worker: Worker, client: redis.Redis) -> None:
    """They ask nobody, and leave one less."""
    left = remaining(worker.limiter)[1]
    before = questions(client)
    for _ in range(5):
        worker.limiter.charge_failed_call("acme", PLAN)

    assert remaining(worker.limiter)[1] == left - 6
    assert questions(client) == before


def test_a_call_of_more_rows_than_are_held_asks(worker: Worker, client: redis.Redis) -> None:
    """Nine rows are held: ten ask, and are counted once."""
    worker.call()

    assert not worker.call(rows=10)
    worker.leased.give_back_unused(ending=True)
    worker.exact.peek("acme", PLAN)
    assert used(client) == [2, 11]


def test_negative_rows_are_no_refund_of_a_grant(worker: Worker) -> None:
    """With a grant in hand too."""
    worker.call()
    with pytest.raises(ValueError, match="negative"):
        worker.limiter.charge("acme", PLAN, -1)

    assert worker.call()


def test_another_plan_is_asked_about(worker: Worker, client: redis.Redis) -> None:
    """A changed plan holds from the next call on, and what was held of the old is given back."""
    worker.call()
    lowered = replace(PLAN, requests_per_minute=2)

    assert not worker.call(lowered)
    assert used(client, "M") == [2]
    assert worker.limiter.charge("acme", lowered, 1).refused_by == "requests_per_minute"


def test_windows_that_the_plan_did_not_have_get_nothing_back(
    worker: Worker, client: redis.Redis
) -> None:
    """Granted without a limit per minute, given back under a plan that has one."""
    worker.call()
    worker.leased.give_back_unused(ending=True)
    worker.call(replace(PLAN, requests_per_minute=None))
    worker.call()
    worker.leased.give_back_unused(ending=True)
    worker.exact.peek("acme", PLAN)

    assert used(client) == [2, 3]


def test_a_forked_worker_takes_nothing_of_its_parents(worker: Worker, client: redis.Redis) -> None:
    """The parent's grant is spent once, by the parent."""
    worker.call()
    pid = os.fork()
    if pid == 0:
        os._exit(int(worker.call()))
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert worker.call()


def test_over_another_connection_only_the_slot_is_given_back(
    worker: Worker, other: Worker, client: redis.Redis
) -> None:
    """It may be another Redis, whose windows began anew and know of no grant."""
    worker.call()
    client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(StoreUnavailable):
        worker.exact.peek("acme", PLAN)
    worker.limiter.stop()
    worker.exact.ping()

    assert used(client) == [9, 9]
    assert other.exact.peek("acme", PLAN).in_flight == 0


def test_a_question_of_unknown_fate_holds_no_slot_in_the_end(
    worker: Worker, other: Worker, client: redis.Redis, clock: RedisClock
) -> None:
    """The slot of the grant and that of the call are given back when Redis answers again."""
    worker.call()
    clock.next_second()
    client.client_kill_filter(_type="normal", skipme=True)
    in_fallback = worker.limiter.charge("acme", PLAN, 1)
    worker.limiter.probe()

    assert in_fallback.plan != PLAN
    assert worker.limiter.charge("acme", PLAN, 1).plan is PLAN
    assert other.exact.peek("acme", PLAN).in_flight == 1


def test_workers_with_the_earlier_script_count_the_same(
    worker: Worker, client: redis.Redis
) -> None:
    """While workers are renewed one by one, those of both kinds keep to one limit."""
    plan = replace(PLAN, requests_per_second=None, requests_per_minute=300)
    earlier = client.register_script(timed(EARLIER_SCRIPT.read_text()))
    limits = (plan.max_concurrent_calls, 0, plan.requests_per_minute, plan.rows_per_hour)
    by_earlier = by_worker = leased = 0
    for _ in range(300):
        decision = worker.limiter.charge("acme", plan, 1)
        worker.limiter.release(decision)
        reply = earlier(keys=[WINDOWS, LEASES], args=["charge", 1, "earlier", 30_000, *limits])
        client.zrem(LEASES, "earlier")
        by_worker += decision.allowed
        by_earlier += reply[0] == 0
        leased += isinstance(decision, LeasedCall)

    assert by_worker + by_earlier == 300
    assert leased > 50
    assert used(client, "M") == [300]


def test_leasing_can_be_switched_off(socket: Path, client: redis.Redis) -> None:
    """`limits.lease_quota` false: every call asks."""
    for lease_quota, asked in ((True, range(1, 20)), (False, range(50, 51))):
        limits = LimitSettings(
            storage=f"redis+unix://{socket}", timeout_s=1, lease_quota=lease_quota
        )
        limiter = make_partner_limiter(make_flask_limiter(limits), limits)
        before = questions(client)
        for _ in range(50):
            limiter.release(limiter.charge("acme", PLAN, 1))

        assert questions(client) - before in asked


def begin(worker: Worker, running: list[Callable[[], None]], rows: int) -> None:
    decision = worker.limiter.charge("acme", PLAN, rows)
    running.append(partial(worker.limiter.release, decision))


# What a worker may do, given the calls that run and a number.
STEPS: dict[str, Callable[[Worker, list[Callable[[], None]], int], object]] = {
    "call": lambda worker, _, rows: worker.call(rows=rows),
    "begin": begin,
    "end": lambda _, running, number: running and running.pop(number % len(running))(),
    "failed": lambda worker, _, __: worker.limiter.charge_failed_call("acme", PLAN),
    "probe": lambda worker, _, __: worker.limiter.probe(),
    "look": lambda worker, _, __: worker.limiter.peek("acme", PLAN),
    "time": lambda worker, _, __: worker.clock.next_second(),
}
steps = st.tuples(st.sampled_from([0, 1]), st.sampled_from([*STEPS, "call"]), st.integers(0, 4))


@settings(max_examples=60)
@given(st.lists(steps, max_size=40))
def test_in_the_end_exactly_what_was_admitted_is_counted(
    socket: Path, taken: list[tuple[int, str, int]]
) -> None:
    """Whatever two workers do: all given back, Redis has counted their calls, no more, no less."""
    with redis.Redis(unix_socket_path=str(socket), decode_responses=True) as client:
        client.flushall()
        clock, running = RedisClock(client), list[Callable[[], None]]()
        workers = [Worker(socket, clock) for _ in range(2)]
        for who, step, number in taken:
            STEPS[step](workers[who], running, number)
        for end in running:
            end()
        for one in workers:
            one.limiter.stop()
            one.exact.peek("acme", PLAN)

        calls = sum(step in {"call", "begin", "failed"} for _, step, _ in taken)
        rows = sum(number for _, step, number in taken if step in {"call", "begin"})
        assert used(client) == [calls, rows]
        assert client.zcard(LEASES) == 0
