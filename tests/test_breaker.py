"""The circuit breaker: when it opens, when it tries, when it closes."""

import pytest
from clock import Clock

from model.remote.breaker import Breaker, BreakerOpen


@pytest.fixture
def clock() -> Clock:
    return Clock(100.0)


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker((ConnectionError,), clock)


def _call(breaker: Breaker, error: Exception | None = None) -> None:
    with breaker:
        if error is not None:
            raise error


def _fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(ConnectionError):
            _call(breaker, ConnectionError())


def _refused_for(breaker: Breaker) -> float:
    with pytest.raises(BreakerOpen) as refusal:
        _call(breaker)
    return refusal.value.retry_after_s


def test_two_failures_change_nothing_and_three_open(breaker: Breaker) -> None:
    """The third failure in a row is the last call for a second."""
    _fail(breaker, 2)
    _call(breaker)
    _fail(breaker, 3)

    assert _refused_for(breaker) == 1.0


def test_other_errors_are_answers(breaker: Breaker) -> None:
    """An engine that refuses an input is there."""
    _fail(breaker, 2)
    with pytest.raises(ValueError, match="refused"):
        _call(breaker, ValueError("refused"))
    _fail(breaker, 2)

    _call(breaker)


def test_success_after_the_pause_closes(breaker: Breaker, clock: Clock) -> None:
    """One success, and failures are counted from the start again."""
    _fail(breaker, 3)
    clock.now += 1.0
    _call(breaker)
    _fail(breaker, 2)

    _call(breaker)


def test_pause_doubles_up_to_five_seconds(breaker: Breaker, clock: Clock) -> None:
    """Each failed trial doubles the pause; a success brings the first one back."""
    _fail(breaker, 3)
    pauses = []
    for _ in range(4):
        clock.now += 5.0
        _fail(breaker)
        pauses.append(_refused_for(breaker))
    clock.now += 5.0
    _call(breaker)
    _fail(breaker, 3)

    assert pauses == [2.0, 4.0, 5.0, 5.0]
    assert _refused_for(breaker) == 1.0


def test_one_trial_at_a_time(breaker: Breaker, clock: Clock) -> None:
    """While the trial is under way, however long, nobody else waits for the same engine."""
    _fail(breaker, 3)
    clock.now += 1.0
    with breaker:
        clock.now += 60.0

        assert _refused_for(breaker) == 1.0
    _call(breaker)
