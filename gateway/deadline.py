"""Predictions that end in time, or are given up in time."""

import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, TypeVar

import structlog

from gateway.causes import causes_of
from gateway.errors import DeadlineExceeded, Overloaded

log = structlog.get_logger()

T = TypeVar("T")

# A prediction that needs less than this part of its time, as measured when the model was
# loaded, runs in the worker's own thread: handing it to another costs 80 µs.
_INLINE_SHARE = 1 / 20


class DeadlineRunner:
    """Runs a function within a time. What overruns goes on in its thread, and is counted.

    A thread cannot be stopped from outside. So work that is given up is capped: beyond the cap
    slow calls are refused until some of it has ended. Code that never lets go of the
    interpreter is ended by Gunicorn, which replaces the whole worker.
    """

    def __init__(self, max_abandoned: int) -> None:
        self._max_abandoned = max_abandoned
        self._abandoned: list[threading.Thread] = []

    def run(self, function: Callable[[], T], *, estimate_s: float, remaining_s: float) -> T:
        """The function's result.

        Raises:
            DeadlineExceeded: it did not end within `remaining_s`.
            Overloaded: too many earlier ones have not ended yet.
        """
        if remaining_s <= 0:
            raise DeadlineExceeded("No time was left for the prediction.")
        if estimate_s < remaining_s * _INLINE_SHARE:
            return _run_here(function, remaining_s)
        return self._run_in_thread(function, remaining_s)

    def _run_in_thread(self, function: Callable[[], T], remaining_s: float) -> T:
        self._abandoned = [thread for thread in self._abandoned if thread.is_alive()]
        if len(self._abandoned) >= self._max_abandoned:
            raise Overloaded("Earlier predictions have not ended yet.", retry_after_s=5)
        work = _Work(function)
        # What a model logs there carries the id of the request, too. A copy: what is given up
        # never sees the next request.
        run = copy_context().run
        thread = threading.Thread(target=run, args=(work.run,), name="prediction", daemon=True)
        thread.start()
        thread.join(remaining_s)
        if thread.is_alive():
            self._abandoned.append(thread)
            log.warning("prediction_abandoned", abandoned=len(self._abandoned))
            raise DeadlineExceeded("Send fewer rows per call, or try again later.")
        return work.result()


def _run_here(function: Callable[[], T], remaining_s: float) -> T:
    started = time.perf_counter()
    try:
        return function()
    except Exception as exc:
        if time.perf_counter() - started < remaining_s:
            raise
        # Late: most likely Gunicorn, which ends a stuck worker, broke in wherever it stood.
        log.warning("prediction_overran", causes=causes_of(exc))
        raise DeadlineExceeded("Send fewer rows per call, or try again later.") from exc


class _Work(Generic[T]):
    """A function's outcome, carried from its thread to the waiting one."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._results: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._results.append(self._function())
        except BaseException as exc:
            self._error = exc

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._results[0]
