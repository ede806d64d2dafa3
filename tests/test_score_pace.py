"""How `gateway score` keeps to a plan, and what it tries again; the clock is turned by hand."""

from collections.abc import Callable

import pytest
from clock import Clock
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.scoring.backoff import Backoff
from gateway.scoring.connection import Answer
from gateway.scoring.pace import Pace
from gateway.scoring.sizing import ChunkSizer


def limit(name: str, quota: int, window_s: int, *, unit: str = "requests", **state: int) -> dict:
    state = {"remaining": quota, "reset_s": window_s, **state}
    return {"name": name, "unit": unit, "limit": quota, "window_s": window_s, **state}


ROWS = limit("rows_per_hour", 100, 3600, unit="rows")


def fields(*items: str) -> dict[str, str]:
    return {"RateLimit": ", ".join(items)}


def test_calls_go_until_a_window_is_used_up_and_again_after_it():
    """Three a second: the fourth waits for the second to end."""
    clock = Clock()
    pace = Pace([limit("requests_per_second", 3, 1)], 1.0, clock)

    assert [pace.reserve(10) for _ in range(3)] == [(0.0, "")] * 3
    assert pace.reserve(10) == (1.0, "requests_per_second")
    clock.now += 1.0
    assert pace.reserve(10)[0] == 1.0  # What is in flight may be counted in the new window.
    for _ in range(3):
        pace.settle(10, None)
    clock.now += 1.0
    assert pace.reserve(10) == (0.0, "")


def test_rows_are_counted_by_their_cost():
    """A row that costs 1.5 is charged so, the sum rounded up; both sides of the limit."""
    pace = Pace([ROWS], 1.5, Clock())

    assert pace.most_rows() == 66
    assert pace.reserve(66) == (0.0, "")
    assert pace.reserve(1)[1] == "rows_per_hour"
    assert Pace([ROWS], 1.5, Clock()).reserve(50) == (0.0, "")


def test_what_others_use_is_learnt_from_the_answers():
    """Another process of the same partner takes part of the plan."""
    pace = Pace([ROWS], 1.0, Clock())
    pace.reserve(10)
    pace.settle(10, fields('"rows_per_hour";r=15;t=1200', '"concurrent_calls";r=3'))

    assert pace.reserve(15) == (0.0, "")
    assert pace.reserve(1) == (1200.0, "rows_per_hour")


def test_a_new_window_of_the_gateway_begins_here_too():
    """More is left than this client thought: then the gateway's window is a new one."""
    clock = Clock()
    pace = Pace([limit("requests_per_second", 3, 1, remaining=1)], 1.0, clock)
    assert pace.reserve(1) == (0.0, "")
    pace.settle(1, fields('"requests_per_second";r=2;t=1'))

    assert [pace.reserve(1)[0] for _ in range(2)] == [0.0, 0.0]
    assert pace.reserve(1)[0] > 0


def test_a_refusal_stops_all_threads_until_its_end():
    """One is told; the others do not have to be."""
    clock = Clock()
    pace = Pace([ROWS], 1.0, clock)
    pace.reserve(10)
    pace.settle(10, {})
    pace.refused("rows_per_hour", 30.0)

    assert pace.reserve(10) == (30.0, "rows_per_hour")
    clock.now += 30.0
    assert pace.reserve(10) == (0.0, "")


@given(
    st.lists(st.tuples(st.integers(1, 40), st.floats(0, 0.4)), min_size=1, max_size=200),
    st.integers(1, 5),
    st.integers(40, 200),
)
@settings(max_examples=60)
def test_no_window_of_this_clock_admits_more_than_the_plan(
    calls: list[tuple[int, float]], per_second: int, per_minute_rows: int
) -> None:
    """Whatever the calls and their times, reservations within a window keep to its quota."""
    clock = Clock()
    pace = Pace(
        [
            limit("requests_per_second", per_second, 1),
            limit("rows_per_hour", per_minute_rows, 60, unit="rows"),
        ],
        1.0,
        clock,
    )
    sent: list[tuple[float, int]] = []
    for rows, later_s in calls:
        clock.now += later_s
        wait_s, _ = pace.reserve(rows)
        while wait_s:
            clock.now += wait_s
            wait_s, _ = pace.reserve(rows)
        sent.append((clock.now, rows))
        pace.settle(rows, None)

    for at, _ in sent:
        assert sum(at - 60 < then <= at for then, _ in sent) <= 2 * 60 * per_second
        assert sum(rows for then, rows in sent if at - 60 < then <= at) <= 2 * per_minute_rows


def answer(status: int, code: str = "", **headers: str) -> Answer:
    sent = {"Gateway-Error-Code": code, **{k.replace("_", "-"): v for k, v in headers.items()}}
    return Answer(status, sent, b"")


def waits(
    answers: list[Answer | None],
    patience_s: float = 1000.0,
    random: Callable[[], float] = lambda: 0.5,
) -> list[float | None]:
    clock = Clock()
    backoff = Backoff(clock, random, patience_s)
    found: list[float | None] = []
    for each in answers:
        wait_s = backoff.wait_s(each)
        found.append(wait_s)
        clock.now += wait_s or 0.0
    return found


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 413, 415, 422])
def test_answers_that_stand_are_not_tried_again(status):
    """The same call would be answered the same."""
    assert waits([answer(status)]) == [None]


@pytest.mark.parametrize("failure", [None, answer(502), answer(503), answer(504)])
def test_failures_are_tried_again_ever_later(failure):
    """1, 2, 4 … 30 s, each with a random part of up to a second."""
    assert waits([failure] * 7) == [1.5, 2.5, 4.5, 8.5, 16.5, 30.5, 30.5]


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_waited_for(status):
    """Never earlier; a value that is no number of seconds is no answer to when."""
    assert waits([answer(status, Retry_After="7")]) == [7.5]
    assert waits([answer(status, Retry_After="Wed, 25 Nov 2026 16:00:00 GMT")]) == [1.5]
    assert waits([answer(status, Retry_After="0")]) == [1.5]


def test_patience_ends():
    """Just within it, and just beyond it."""
    assert waits([None] * 3, patience_s=6.9) == [1.5, 2.5, None]
    assert waits([None] * 3, patience_s=8.0) == [1.5, 2.5, 4.5]


def test_limits_are_no_failures():
    """A plan that is used up is waited for longer than any failure, but not for ever."""
    limited = answer(429, Retry_After="60")

    assert waits([limited] * 201, patience_s=1.0) == [60.5] * 200 + [None]


def test_internal_errors_are_tried_once_more():
    """A failing model would fail again."""
    assert waits([answer(500, "internal_error")] * 2) == [1.5, None]
    assert waits([answer(500, "model_failed")]) == [None]


def test_calls_grow_while_they_are_fast():
    """Doubling, up to what the plan allows and what is a good size of a body."""
    sizer = ChunkSizer(10_000)
    sizes = [sizer.rows]
    for _ in range(5):
        sizer.learn(sizer.rows, sizer.rows * 240, 0.1)
        sizes.append(sizer.rows)

    assert sizes == [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]
    sizer.learn(10_000, 5_000_000, 0.1)
    assert sizer.rows == 5_000


def test_calls_shrink_when_they_are_slow_or_too_much():
    """Halved; what was too much once is never tried again."""
    sizer = ChunkSizer(8_000)
    sizer.learn(1_000, 1_000, 1.0)
    assert sizer.rows == 1_000
    sizer.learn(1_000, 1_000, 2.1)
    assert sizer.rows == 500
    sizer.too_much(400)
    for _ in range(3):
        sizer.learn(sizer.rows, 1_000, 0.1)
    assert sizer.rows == 200
    for _ in range(10):
        sizer.too_much(1)
    assert sizer.rows == 1
