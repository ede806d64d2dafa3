"""Copies of requests, answered by a shadow version off the response path, and compared."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from gateway.control.shadow_statistics import BIN, Pair
from model import Batch, Prediction, ServedModel, aligned, compare

log = structlog.get_logger()

# Beyond these, calls are not compared but counted as dropped. Half a million numbers of 30
# features would wait in 12 MB.
MAX_WAITING_CALLS = 64
MAX_WAITING_ROWS = 20_000

_WRITE_EVERY_S = 1.0

Record = Callable[[Pair, Mapping[str, float]], None]


@dataclass(frozen=True, slots=True)
class _Copy:
    """One answered call, and who is to answer it again."""

    answered_by: ServedModel
    shadow: ServedModel
    batch: Batch
    answer: Prediction
    duration_s: float

    @property
    def pair(self) -> Pair:
        return Pair(self.shadow.name, self.answered_by.version, self.shadow.version)


class Shadowing:
    """One queue and one thread in each worker. Made before the fork, started after it.

    Args:
        record: adds measures of a pair to what is kept of it.
    """

    def __init__(self, record: Record, clock: Callable[[], float] = time.perf_counter) -> None:
        self._record = record
        self._clock = clock
        self._waiting: deque[_Copy] = deque()
        self._waiting_rows = 0
        self._changed = threading.Condition()
        self._sums: dict[Pair, Counter[str]] = {}
        self._stopped = False
        self._failing: set[Pair] = set()
        self._cannot_record = False
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    def start(self) -> None:
        """Begin. To be called after the fork: threads do not survive one."""
        self._thread.start()

    def stop(self) -> None:
        """End after the call in hand; what waits is dropped, what is known is kept."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self.write()

    def offer(
        self,
        answered_by: ServedModel,
        shadow: ServedModel,
        batch: Batch,
        answer: Prediction,
        duration_s: float,
    ) -> None:
        """Let the shadow answer a copy of a call, if there is room. Never waits."""
        with self._changed:
            full = len(self._waiting) >= MAX_WAITING_CALLS
            if full or self._waiting_rows + batch.row_count > MAX_WAITING_ROWS:
                self._add(Pair(shadow.name, answered_by.version, shadow.version), dropped_calls=1)
                return
        # The next request may be parsed into the memory that this batch is a view of.
        copied = _Copy(answered_by, shadow, _copy_of(batch), answer, duration_s)
        with self._changed:
            self._waiting.append(copied)
            self._waiting_rows += batch.row_count
            self._changed.notify()

    def answer_next(self) -> bool:
        """Answer and compare one waiting call, in the calling thread; False if none waits."""
        with self._changed:
            if not self._waiting:
                return False
            copied = self._waiting.popleft()
            self._waiting_rows -= copied.batch.row_count
        try:
            measures = self._compared(copied)
        except Exception as exc:
            measures = {"failed_calls": 1, "failed_rows": copied.batch.row_count}
            self._say_failing(copied.pair, exc)
        with self._changed:
            self._add(copied.pair, **measures)
        return True

    def write(self) -> None:
        """Add what was counted since the last time to what is kept."""
        with self._changed:
            sums, self._sums = self._sums, {}
        for pair, measures in sums.items():
            try:
                self._record(pair, measures)
                self._cannot_record = False
            except Exception as exc:
                # Kept for the next time: nothing is lost while the database is away.
                with self._changed:
                    self._add(pair, **measures)
                if not self._cannot_record:
                    self._cannot_record = True
                    log.warning("shadow_statistics_not_written", error=type(exc).__name__)

    def _run(self) -> None:
        write_at = self._clock() + _WRITE_EVERY_S
        while not self._stopped:
            with self._changed:
                if not self._waiting and not self._stopped:
                    self._changed.wait(_WRITE_EVERY_S)
            while not self._stopped and self._clock() < write_at and self.answer_next():
                pass
            if self._clock() >= write_at:
                self.write()
                write_at = self._clock() + _WRITE_EVERY_S

    def _compared(self, copied: _Copy) -> Mapping[str, float]:
        shadow = copied.shadow
        batch = aligned(copied.batch, copied.answered_by.contract, shadow.contract)
        shadow.contract.check(batch)
        started = self._clock()
        prediction = shadow.predict(batch)
        shadow_s = self._clock() - started
        difference = compare(copied.answer, prediction)
        bins = {f"{BIN}{bound:g}": rows for bound, rows in difference.bins.items()}
        return {
            "calls": 1,
            "rows": difference.rows,
            "disagreeing": difference.disagreeing,
            "answered_s": copied.duration_s,
            "shadow_s": shadow_s,
            **bins,
        }

    def _add(self, pair: Pair, **measures: float) -> None:
        self._sums.setdefault(pair, Counter()).update(measures)

    def _say_failing(self, pair: Pair, exc: Exception) -> None:
        if pair not in self._failing:
            self._failing.add(pair)
            facts = {"model": pair.model, "version": pair.version, "shadow": pair.shadow}
            # Without its text: models quote their input in theirs.
            log.warning("shadow_failed", **facts, error=type(exc).__name__)


def _copy_of(batch: Batch) -> Batch:
    if batch.columns is None:
        return Batch(batch.values.copy())
    return Batch.of_columns({name: column.copy() for name, column in batch.columns.items()})
