"""Quota leased to many processes: no window admits too much, and little of it is stranded."""

import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.queues import SimpleQueue

import pytest
import redis
from redis_server import running_redis

from config.plans import Plan
from gateway.limits import (
    LeasedCall,
    LeasedLimits,
    MemoryLimits,
    PartnerLimiter,
    RedisLimits,
    connection_options,
)

PROCESSES = 6
FIFTIETH = 50
SECONDS = Plan("seconds", 1000, 64, 2000, None, None)
HOUR = Plan("hour", 1000, 64, None, None, 20_000)

# How many calls were admitted in each second; the seconds in which Redis refused one; and how many
# calls asked nobody.
Found = tuple[Counter[int], set[int], int]
Results = SimpleQueue[Found]


@pytest.fixture(scope="module")
def limiter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartnerLimiter]:
    """Used once before the fork, so that its processes inherit a connection and a grant."""
    with running_redis(tmp_path_factory.mktemp("redis")) as path:
        client = redis.Redis(unix_socket_path=str(path), **connection_options(10.0))
        store = LeasedLimits(RedisLimits(client), time.monotonic)
        limiter = PartnerLimiter(store, MemoryLimits(time.monotonic), time.monotonic)
        limiter.release(limiter.charge("before", SECONDS, 1))
        yield limiter


def call_until(limiter: PartnerLimiter, plan: Plan, windows: int, results: Results) -> None:
    """Call as fast as it goes until the limit was used up so many times.

    A call that began in one second and was decided in the next counts in neither (-1).
    """
    admitted, refusing, leased = Counter[int](), set[int](), 0
    used_up = set[int]()
    while len(used_up) < windows:
        begun = int(time.time())
        if limiter.known_exhausted(plan.name, plan) is not None:
            used_up.add(begun)
            continue
        decision = limiter.charge(plan.name, plan, 1)
        limiter.release(decision)
        second = begun if begun == int(time.time()) else -1
        if decision.allowed:
            admitted[second] += 1
            leased += isinstance(decision, LeasedCall)
        else:
            refusing.add(second)
    limiter.stop()
    results.put((admitted, refusing, leased))


def call_from_processes(limiter: PartnerLimiter, plan: Plan, windows: int) -> list[Found]:
    context = multiprocessing.get_context("fork")
    results: Results = context.SimpleQueue()
    workers = [
        context.Process(target=call_until, args=(limiter, plan, windows, results))
        for _ in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    found = [results.get() for _ in workers]
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    return found


def test_no_second_admits_more_than_its_limit(limiter: PartnerLimiter) -> None:
    """Six processes calling without rest: each second admits at most 2000, and one that refuses
    at least that less what six grants may strand."""
    found = call_from_processes(limiter, SECONDS, windows=4)
    admitted = sum((each for each, _, _ in found), Counter[int]())
    # On a busy machine a second may pass in which they do not call often enough to be refused.
    refusing = set[int]().union(*(each for _, each, _ in found)) - {-1}

    limit = SECONDS.requests_per_second or 0
    stranded = PROCESSES * limit // FIFTIETH
    assert refusing
    assert max(admitted[second] for second in admitted if second > 0) <= limit
    assert min(admitted[second] for second in refusing) + admitted[-1] >= limit - stranded
    assert sum(leased for _, _, leased in found) > sum(admitted.values()) // 2


def test_an_hour_admits_exactly_its_rows(limiter: PartnerLimiter) -> None:
    """Six processes that each call until they are refused: 20,000 rows, not one more or less."""
    while 3600 - time.time() % 3600 < 60:
        time.sleep(0.5)
    found = call_from_processes(limiter, HOUR, windows=1)
    admitted = sum(count for each, _, _ in found for count in each.values())

    assert admitted == HOUR.rows_per_hour
    assert sum(leased for _, _, leased in found) > admitted // 4
