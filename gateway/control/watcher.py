"""The thread in each worker that keeps its snapshot up to date."""

import threading
import time
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy.exc import SQLAlchemyError

from config.plans import InvalidPlans
from gateway.control.snapshot import Snapshot, SnapshotReader

log = structlog.get_logger()


class SnapshotWatcher:
    """Holds the current snapshot, and swaps in a new one when the revision moved.

    Readers take `current` once per request: it is one frozen object, never changed in place.
    """

    def __init__(
        self, reader: SnapshotReader, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._reader = reader
        self._monotonic = monotonic
        self._plans_version: tuple[int, int] | None = reader.plans_version()
        self.current: Snapshot = reader.read()
        self._checked_at = monotonic()
        self._trouble: str | None = None

    def age_s(self) -> float:
        """Seconds since the control store last answered."""
        return self._monotonic() - self._checked_at

    def refresh(self) -> None:
        """Look for a new revision or new plans.

        Keeps the last plans if the new ones are wrong, and all of the last snapshot if the
        control store is away.
        """
        try:
            self._read_if_changed()
        except InvalidPlans as exc:
            self._say_once("plans_refused", problems=exc.problems)
        except (SQLAlchemyError, OSError) as exc:
            self._say_once("control_store_away", error=type(exc).__name__, cause=str(exc)[:300])
        else:
            self._say_recovered()

    def _read_if_changed(self) -> None:
        asked_at = self._monotonic()
        plans_version = self._reader.plans_version()
        moved = self._reader.revision() != self.current.revision
        if plans_version != self._plans_version:
            self._plans_version = None
            self._read(asked_at, moved=moved)
            self._plans_version = plans_version
        elif moved:
            self.current = self._reader.read_since(self.current)
        self._checked_at = asked_at

    def _read(self, asked_at: float, *, moved: bool) -> None:
        try:
            self.current = self._reader.read()
        except InvalidPlans:
            # A revocation must not wait until somebody corrects the plans file, nor must an error
            # in that file refuse all tokens: the store itself answered.
            if moved:
                self.current = self._reader.read(self.current.plans)
            self._checked_at = asked_at
            raise

    def _say_once(self, event: str, **facts: object) -> None:
        if self._trouble != event:
            self._trouble = event
            log.error(event, serving_revision=self.current.revision, **facts)

    def _say_recovered(self) -> None:
        if self._trouble is not None:
            log.info("control_store_back", revision=self.current.revision, after=self._trouble)
            self._trouble = None


class Ticker:
    """Runs tasks in a thread, one round every `period_s`, until stopped."""

    def __init__(self, tasks: Sequence[Callable[[], object]], period_s: float) -> None:
        self._tasks = tasks
        self._period_s = period_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)
        self._failing: set[str] = set()

    def start(self) -> None:
        """Begin. To be called after the fork: threads do not survive one."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round in progress, unless what it waits for does not answer."""
        self._stopped.set()
        self._thread.join(timeout=2)

    def run_round(self) -> None:
        """Run every task once, in the calling thread."""
        for task in self._tasks:
            self._run_task(task)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.run_round()
            self._stopped.wait(self._period_s)

    def _run_task(self, task: Callable[[], object]) -> None:
        # Nothing a task meets (a full disk, a lost database) may end the thread.
        name = getattr(task, "__qualname__", repr(task))
        try:
            task()
        except Exception:
            if name not in self._failing:
                self._failing.add(name)
                log.exception("background_task_failed", task=name)
        else:
            self._failing.discard(name)
