"""How far a job is: a bar on a terminal, a line every few seconds elsewhere, or nothing."""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from gateway.scoring.journal import Done
from gateway.scoring.rows import Position

_LINE_EVERY_S = 5.0
_WORTH_SAYING_S = 5.0


class Display(Protocol):
    """What shows it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def show(self, rate: "Rate", *, waits_for: str) -> None:
        """The state now. `waits_for` is empty where calls go on."""

    def say(self, sentence: str) -> None:
        """A sentence that stays."""


class Rate:
    """Rows, their rate and the time left, from what `Job` tells.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._started_at = clock()
        self._from: Done | None = None
        self.done = Done("", Position())
        self.size = 0

    def update(self, done: Done, size: int) -> None:
        """Take in how far the job is in a file of `size` bytes; 0 is unknown."""
        if self._from is None:
            # What an earlier run did was not done at this rate.
            self._from = done
            self._started_at = self._clock()
        self.done, self.size = done, size

    @property
    def seconds(self) -> float:
        return self._clock() - self._started_at

    @property
    def rows_per_s(self) -> float:
        before = self._from.end.row if self._from is not None else 0
        return (self.done.end.row - before) / max(self.seconds, 1e-9)

    @property
    def share(self) -> float | None:
        """How much of the file is done; None where its size is not known."""
        return min(1.0, self.done.end.offset / self.size) if self.size else None

    @property
    def left_s(self) -> float | None:
        """At the rate until now."""
        before = self._from.end.offset if self._from is not None else 0
        advanced = self.done.end.offset - before
        if not self.size or advanced <= 0:
            return None
        return (self.size - self.done.end.offset) / advanced * self.seconds

    def words(self) -> str:
        parts = [f"{self.done.end.row:,} rows", f"{self.rows_per_s:,.0f} rows/s"]
        if self.share is not None:
            parts.insert(0, f"{self.share:.0%}")
        if self.done.refused:
            parts.append(f"{self.done.refused:,} refused")
        if self.left_s is not None and self.left_s >= 1:
            parts.append(f"{duration_words(self.left_s)} left")
        return ", ".join(parts)


def duration_words(seconds: float) -> str:
    """4 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Bar:
    """For a terminal."""

    def __init__(self) -> None:
        self._progress = Progress(
            BarColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("starting", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, rate: Rate, *, waits_for: str) -> None:
        words = rate.words() + (f"; waiting for {waits_for}" if waits_for else "")
        total = 1.0 if rate.share is not None else None
        self._progress.update(
            self._task, completed=rate.share or 0.0, total=total, description=words
        )

    def say(self, sentence: str) -> None:
        self._progress.console.print(sentence, markup=False, highlight=False)


class Lines:
    """For a log, or a pipe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._said_at = clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing is kept open."""

    def show(self, rate: Rate, *, waits_for: str) -> None:
        if self._clock() - self._said_at >= _LINE_EVERY_S:
            self._said_at = self._clock()
            self.say(rate.words() + (f"; waiting for {waits_for}" if waits_for else ""))

    def say(self, sentence: str) -> None:
        click.echo(sentence, err=True)


class Silence(Lines):
    """For those who asked for it."""

    def say(self, sentence: str) -> None:
        """Nothing."""


def display_for(*, quiet: bool, clock: Callable[[], float]) -> Display:
    if quiet:
        return Silence(clock)
    return Bar() if sys.stderr.isatty() else Lines(clock)
