"""The supervisor: starts processes in order, looks after them, and stops them all."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from gateway.cli.stack.child import Child, describe_end, start
from gateway.cli.stack.output_pump import OutputPump

READY_WITHIN_S = 60.0
_ASK_AGAIN_AFTER_S = 0.02
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AT_ONCE = 2


class StackFailed(Exception):
    """The stack cannot run, or not any longer; the text says which process failed, and how."""


class _Stopped(Exception):
    """Somebody asked us to stop."""


@dataclass(slots=True)
class _Running:
    child: Child
    process: subprocess.Popen[bytes]
    restart_at: float | None = None

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None


class Supervisor:
    """Runs groups of children: a group starts when the one before it is ready.

    A child that ends is never replaced silently: the stack ends with a vital one, and says so of
    another. (Gunicorn and nginx replace workers of their own, and log it.)

    Args:
        say: tells people something, on stderr.
        stdout: file descriptor of the stream that all output goes to.
        inherited: descriptors that every child keeps open.
        restart_after_s: how long a child that is not vital stays away.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        stdout: int,
        *,
        inherited: Sequence[int] = (),
        restart_after_s: float = 5.0,
    ) -> None:
        self._say = say
        self._output = OutputPump(stdout)
        self._running: list[_Running] = []
        self._inherited = inherited
        self._restart_after_s = restart_after_s
        self._stops_asked = 0

    def run(self, groups: Sequence[Sequence[Child]], announce: Callable[[], None]) -> None:
        """Run until asked to stop by SIGINT, SIGTERM or SIGHUP. All children have ended then.

        Raises:
            StackFailed: a child did not become ready, or one that is vital ended.
        """
        with self._output.woken_by_signals(), self._signals():
            try:
                for group in groups:
                    self._start_group(group)
                announce()
                self._watch()
            except _Stopped:
                self._say("Stopping: requests in flight are finished (again: stop at once)")
            finally:
                self._stop_all(groups)

    def _start_group(self, group: Sequence[Child]) -> None:
        for child in group:
            self._start(child)
        deadline = time.monotonic() + READY_WITHIN_S
        for child in group:
            while not child.ready():
                self._look_after(_ASK_AGAIN_AFTER_S)
                if time.monotonic() > deadline:
                    raise StackFailed(f"{child.name} is not ready after {READY_WITHIN_S:.0f} s")
            child.once_ready()

    def _start(self, child: Child) -> None:
        try:
            process = start(child, self._inherited)
        except OSError as exc:
            raise StackFailed(f"{child.name} cannot be started: {exc.strerror}") from exc
        self._running.append(_Running(child, process))
        if process.stdout is not None:
            self._output.add(child.name, process.stdout)

    def _watch(self) -> NoReturn:
        while True:
            self._look_after(0.5)

    def _look_after(self, timeout_s: float) -> None:
        """Pass output on for a while, and see who ended. Raises: _Stopped, StackFailed."""
        self._output.pump(timeout_s)
        if self._stops_asked:
            raise _Stopped
        for one in [one for one in self._running if one.ended]:
            self._replace(one)

    def _replace(self, one: _Running) -> None:
        end = describe_end(one.child.name, one.process.returncode)
        if one.child.vital:
            raise StackFailed(end)
        if one.restart_at is None:
            one.restart_at = time.monotonic() + self._restart_after_s
            self._say(f"WARNING: {end}. It is started again in {self._restart_after_s:.0f} s.")
        elif time.monotonic() >= one.restart_at:
            self._running.remove(one)
            self._start(one.child)
            self._say(f"{one.child.name} has been started again")

    def _stop_all(self, groups: Sequence[Sequence[Child]]) -> None:
        """End the groups in reverse: nginx finishes its requests while the workers still run."""
        for group in reversed(groups):
            members = [one for one in self._running if one.child in group]
            for one in members:
                if not one.ended:
                    one.process.send_signal(one.child.stop_signal)
            for one in members:
                self._await_end(one)
        self._output.pump(0)

    def _await_end(self, one: _Running) -> None:
        deadline = time.monotonic() + one.child.stop_within_s
        while not one.ended and time.monotonic() < deadline and self._stops_asked < _AT_ONCE:
            self._output.pump(0.1)
        if not one.ended:
            self._say(f"{one.child.name} is killed")
        # In any case, for a worker may outlive its master.
        with suppress(ProcessLookupError):
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._on_stop) for number in _STOP_SIGNALS}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _on_child_end)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_stop(self, _number: int, _frame: Any) -> None:
        self._stops_asked += 1


def _on_child_end(_number: int, _frame: Any) -> None:
    """Nothing is done here: a signal that has a handler ends the waiting."""
