"""A file scored: chunks are read, several are in flight, and answers are written in order."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.scoring.cells import chunk_of
from gateway.scoring.chunk_call import ChunkCalls
from gateway.scoring.errors import ScoringFailed
from gateway.scoring.inputs import Input
from gateway.scoring.journal import Done, JobFacts, Journal
from gateway.scoring.outputs import Output
from gateway.scoring.refused import RefusedReport
from gateway.scoring.rows import Column, Position, Scored

_SAVE_EVERY_S = 0.25
_LOOK_EVERY_S = 0.5
# So many refused at the beginning are a mistake in the file, not in its rows.
_MANY_ROWS = 100


class Watcher(Protocol):
    """Whoever wants to know how far a job is."""

    def __call__(self, done: Done, size: int) -> None:
        """Called at the start, after each chunk, and at least twice a second.

        Args:
            size: what `done.end.offset` counts up to; see `Input`.
        """


@dataclass(frozen=True)
class Files:
    """All files of a job, open."""

    source: Input
    output: Output
    refused: RefusedReport
    journal: Journal
    facts: JobFacts

    def save(self, done: Done) -> Done:
        """Have everything on the disk before the journal says that it is."""
        output_bytes, refused_bytes = self.output.flush(), self.refused.flush()
        done = replace(done, output_bytes=output_bytes, refused_bytes=refused_bytes)
        self.journal.save(self.facts, done)
        return done

    def close(self) -> None:
        self.source.close()
        self.output.close()
        self.refused.close()


class Job:
    """One run over a file, from where the last one ended.

    Args:
        kept: columns of the file that stand before the answers.
        concurrency: calls in flight.
        stop: makes whatever waits in a thread of this job end.
        clock: seconds, monotonic.
    """

    def __init__(  # noqa: PLR0913  # What a job is made of, each part once.
        self,
        files: Files,
        calls: ChunkCalls,
        *,
        kept: Sequence[str],
        concurrency: int,
        stop: Callable[[], None],
        watcher: Watcher,
        clock: Callable[[], float],
    ) -> None:
        self._files = files
        self._calls = calls
        self._kept = kept
        self._concurrency = concurrency
        self._stop = stop
        self._watcher = watcher
        self._clock = clock
        self._saved_at = clock()
        self._saved_end: Position | None = None

    def run(self, done: Done) -> Done:
        """Score all that is left, and put the output to its place.

        Raises: ScoringFailed; KeyboardInterrupt. What was written until then is kept.
        """
        threads = ThreadPoolExecutor(self._concurrency, thread_name_prefix="score")
        try:
            done = self._score_rest(threads, done)
        finally:
            self._stop()
            threads.shutdown(wait=True, cancel_futures=True)
        self._files.refused.finish(empty=not done.refused)
        self._files.output.finish()
        self._files.journal.remove()
        return done

    def _score_rest(self, threads: ThreadPoolExecutor, done: Done) -> Done:
        if done.end.row:
            self._files.source.seek(done.end)
        self._watcher(done, self._files.source.size)
        in_flight: deque[Future[Scored]] = deque()
        more = True
        try:
            while True:
                # One chunk more than are in flight, so that no call waits for the reader.
                while more and len(in_flight) <= self._concurrency:
                    more = self._send_next(threads, in_flight)
                if not in_flight:
                    return done
                wait([in_flight[0]], timeout=_LOOK_EVERY_S)
                if in_flight[0].done():
                    done = self._write(in_flight.popleft().result(), done)
                done = self._saved_now_and_then(done)
                self._watcher(done, self._files.source.size)
        finally:
            # What is written may be more than the journal says: tell it, whatever happened.
            self._files.save(done)

    def _send_next(self, threads: ThreadPoolExecutor, in_flight: deque[Future[Scored]]) -> bool:
        rows = self._files.source.read(self._calls.sizer.rows)
        if rows is None:
            return False
        chunk = chunk_of(rows, self._calls.contract.features).keeping(self._kept)
        in_flight.append(threads.submit(self._calls.score, chunk))
        return True

    def _write(self, scored: Scored, done: Done) -> Done:
        rows = scored.rows
        kept: Mapping[str, Column] = {name: rows.columns[name] for name in self._kept}
        self._files.output.write({**kept, **scored.columns})
        if scored.refused:
            self._files.refused.add(scored)
        first = done.end.row == 0
        done = replace(done, end=rows.end, refused=done.refused + len(scored.refused))
        if first and done.refused == rows.count >= _MANY_ROWS:
            self._files.save(done)
            raise ScoringFailed(
                f"All of the first {rows.count} rows were refused: see {self._files.refused.path}."
                " If that is as it should be, the same command goes on."
            )
        return done

    def _saved_now_and_then(self, done: Done) -> Done:
        """Called after waits too: what was answered before a long one shall not be asked again."""
        if done.end == self._saved_end or self._clock() - self._saved_at < _SAVE_EVERY_S:
            return done
        self._saved_at = self._clock()
        self._saved_end = done.end
        return self._files.save(done)
