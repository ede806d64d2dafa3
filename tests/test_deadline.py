"""Predictions end in time or are given up in time. Source: SEC-99."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_fixture import make_app
from fakes import HeldEstimator, LeavingEstimator, SlowEstimator
from structlog.contextvars import bind_contextvars, bound_contextvars, get_contextvars
from structlog.testing import capture_logs

from gateway.deadline import DeadlineRunner
from gateway.errors import DeadlineExceeded, Overloaded


@pytest.fixture
def blocker() -> threading.Event:
    """Work waits for this; whatever was given up ends with the test."""
    return threading.Event()


def fail() -> None:
    raise KeyError("of the function's own")


@pytest.mark.parametrize("estimate_s", [0.0, 60.0], ids=["inline", "in a thread"])
def test_results_and_exceptions_pass_through(estimate_s: float) -> None:
    """What the function returns or raises is what the caller gets, the same object."""
    runner, result = DeadlineRunner(1), object()

    assert runner.run(lambda: result, estimate_s=estimate_s, remaining_s=60) is result
    assert runner.run(lambda: None, estimate_s=estimate_s, remaining_s=60) is None
    with pytest.raises(KeyError, match="of the function's own"):
        runner.run(fail, estimate_s=estimate_s, remaining_s=60)


def test_what_fails_late_was_late(blocker: threading.Event) -> None:
    """Gunicorn ends a stuck worker by an exception, which is no fault of the model's own."""

    def fail_late() -> None:
        blocker.wait(0.02)
        fail()

    with capture_logs() as events, pytest.raises(DeadlineExceeded) as late:
        DeadlineRunner(1).run(fail_late, estimate_s=0, remaining_s=0.01)

    assert isinstance(late.value.__cause__, KeyError)
    assert [event["event"] for event in events] == ["prediction_overran"]
    assert events[0]["causes"][0]["error"] == "KeyError"


def test_what_is_logged_in_another_thread_has_the_requests_id() -> None:
    """And what is noted there reaches nobody else's request."""

    def bound() -> dict[str, object]:
        found = dict(get_contextvars())
        bind_contextvars(request_id="of another")
        return found

    with bound_contextvars(request_id="of this"):
        in_thread = DeadlineRunner(1).run(bound, estimate_s=60, remaining_s=60)

        assert in_thread == get_contextvars() == {"request_id": "of this"}


@pytest.mark.parametrize("duration_s", [0.0, 0.3], ids=["inline", "in a thread"])
def test_a_model_that_would_end_the_worker_fails(tmp_path: Path, duration_s: float) -> None:
    """500 for its caller, with an event that names it; the next call is answered."""
    gateway = make_app(
        tmp_path,
        models={"leaving": LeavingEstimator(duration_s)},
        server={"request_deadline_s": 3.0},
    )
    with capture_logs() as events:
        left = gateway.predict([[101, 1]], "/predict")

    assert (left.status_code, left.json["code"]) == (500, "model_failed")
    assert (events[-1]["event"], events[-1]["model"]) == ("request_finished", "leaving")
    assert gateway.predict([[1, 1]], "/predict").status_code == 200


@pytest.mark.parametrize(("estimate_s", "inline"), [(0.0, True), (2.99, True), (3.0, False)])
def test_what_is_fast_runs_in_the_workers_thread(estimate_s: float, inline: bool) -> None:
    """Below a twentieth of the time that is left no other thread is needed."""
    thread = DeadlineRunner(1).run(threading.current_thread, estimate_s=estimate_s, remaining_s=60)

    assert (thread is threading.current_thread()) == inline


@pytest.mark.parametrize("remaining_s", [0.0, -1.0])
def test_without_time_nothing_is_begun(remaining_s: float) -> None:
    """A request that used up its time before the model gets 504, and the model is not asked."""
    begun: list[int] = []
    with pytest.raises(DeadlineExceeded):
        DeadlineRunner(1).run(lambda: begun.append(1), estimate_s=0, remaining_s=remaining_s)

    assert begun == []


def test_given_up_work_is_counted_and_capped(blocker: threading.Event) -> None:
    """Beyond the cap slow calls are refused at once; when the work has ended they are not."""
    runner = DeadlineRunner(2)
    for _ in range(2):
        with pytest.raises(DeadlineExceeded):
            runner.run(blocker.wait, estimate_s=1, remaining_s=0.01)
    with pytest.raises(Overloaded) as refusal:
        runner.run(blocker.wait, estimate_s=60, remaining_s=60)
    while_busy = runner.run(lambda: "fast", estimate_s=0, remaining_s=60)
    blocker.set()
    for thread in threading.enumerate():
        if thread.name == "prediction":
            thread.join(5)

    assert refusal.value.headers["Retry-After"] == "5"
    assert while_busy == "fast"
    assert runner.run(lambda: "slow", estimate_s=60, remaining_s=60) == "slow"


@pytest.fixture
def held() -> Iterator[str]:
    """The path of a model that answers no row above 100 before the end of the test."""
    HeldEstimator.let_go.clear()
    yield "/v1/models/held/predict"
    HeldEstimator.let_go.set()


def test_an_overrun_is_504_in_time(tmp_path: Path, held: str) -> None:
    """A model that does not answer in the time of a request: 504 while it still works."""
    gateway = make_app(
        tmp_path,
        models={"held": HeldEstimator(0.01)},
        server={"request_deadline_s": 0.1, "max_wait_s": 0.05},
    )
    started = time.perf_counter()
    overrun = gateway.predict([[101, 1]], held)
    took_s = time.perf_counter() - started

    assert overrun.status_code == 504
    assert overrun.json["code"] == "deadline_exceeded"
    assert took_s >= 0.1


def test_what_overran_is_bounded(tmp_path: Path, held: str) -> None:
    """Beyond the cap 503, while what is quick is answered; the model's own deadline counts too."""
    gateway = make_app(tmp_path, server={"max_abandoned_predictions": 1})
    # Its own, so that nothing else of a request on a busy machine can take too long.
    gateway.add_model("held", HeldEstimator(0.01), "[limits]\ndeadline_s = 0.1\n")
    overrun = gateway.predict([[101, 1]], held)
    refused = gateway.predict([[101, 1]], held)
    fast = gateway.predict([[13.0] * 13])
    limits = gateway.client.get("/v1/limits", headers=gateway.bearer()).json["limits"]

    assert overrun.json["code"] == "deadline_exceeded"
    assert refused.status_code == 503
    assert refused.json["code"] == "overloaded"
    assert refused.headers["Retry-After"] == "5"
    assert fast.status_code == 200
    # The call is over for its partner: its lease is back although the model still computes.
    assert limits[-1]["remaining"] == limits[-1]["limit"]


def test_a_slow_model_within_its_time_answers(tmp_path: Path) -> None:
    """In another thread the answer is the same."""
    gateway = make_app(tmp_path, models={"slow": SlowEstimator(0.01)})
    gateway_deadline = make_app(
        tmp_path / "tight",
        models={"slow": SlowEstimator(0.2)},
        server={"request_deadline_s": 3.9},
    )
    answers = [app.predict([[1, 1]], "/predict") for app in (gateway, gateway_deadline)]

    assert {answer.status_code for answer in answers} == {200}
    assert answers[0].data == answers[1].data
