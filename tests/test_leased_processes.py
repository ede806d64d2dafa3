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

Results = SimpleQueue[tuple[Counter[int], int]]


@pytest.fixture(scope="module")
def limiter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartnerLimiter]:
    """Used once before the fork, so that its processes inherit a connection and a grant."""
    with running_redis(tmp_path_factory.mktemp("redis")) as path:
        client = redis.Redis(unix_socket_path=str(path), **connection_options(10.0))
        store = LeasedLimits(RedisLimits(client), time.monotonic)
        limiter = PartnerLimiter(store, MemoryLimits(time.monotonic), time.monotonic)
        limiter.release(limiter.charge("before", SECONDS, 1))
        yield limiter


def call_until(limiter: PartnerLimiter, plan: Plan, end: float, results: Results) -> None:
    """Call as fast as it goes; how many were admitted in each second, and how many asked nobody.

    A call that began in one second and was decided in the next counts in neither (-1).
    """
    admitted: Counter[int] = Counter()
    leased = refused = 0
    while (begun := time.time()) < end and not (refused and plan is HOUR):
        if limiter.known_exhausted(plan.name, plan) is not None:
            refused += 1
            continue
        decision = limiter.charge(plan.name, plan, 1)
        limiter.release(decision)
        if decision.allowed:
            admitted[int(begun) if int(begun) == int(time.time()) else -1] += 1
            leased += isinstance(decision, LeasedCall)
        else:
            refused += 1
    limiter.stop()
    results.put((admitted, leased))


def call_from_processes(
    limiter: PartnerLimiter, plan: Plan, end: float
) -> tuple[Counter[int], int]:
    context = multiprocessing.get_context("fork")
    results: Results = context.SimpleQueue()
    workers = [
        context.Process(target=call_until, args=(limiter, plan, end, results))
        for _ in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    found = [results.get() for _ in workers]
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    return sum((admitted for admitted, _ in found), Counter()), sum(leased for _, leased in found)


def test_no_second_admits_more_than_its_limit(limiter: PartnerLimiter) -> None:
    """Six processes calling without rest: each second admits at most 2000, and at least that less
    what six grants may strand."""
    first = int(time.time()) + 1
    admitted, leased = call_from_processes(limiter, SECONDS, end=first + 3)

    limit = SECONDS.requests_per_second or 0
    whole_seconds = [admitted[first + number] for number in range(3)]
    stranded = PROCESSES * limit // FIFTIETH
    assert max(admitted[second] for second in admitted if second > 0) <= limit
    assert min(whole_seconds) + admitted[-1] >= limit - stranded
    assert leased > sum(admitted.values()) // 2


def test_an_hour_admits_exactly_its_rows(limiter: PartnerLimiter) -> None:
    """Six processes that each call until they are refused: 20,000 rows, not one more or less."""
    while 3600 - time.time() % 3600 < 30:
        time.sleep(0.5)
    admitted, leased = call_from_processes(limiter, HOUR, end=time.time() + 60)

    assert sum(admitted.values()) == HOUR.rows_per_hour
    assert leased > sum(admitted.values()) // 4
