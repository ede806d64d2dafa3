"""Passes on what the children write, while the supervisor waits for news."""

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from fcntl import F_SETPIPE_SZ, fcntl
from typing import IO

from gateway.cli.stack.child_output import OutputOfChild

_PIECE_BYTES = 1 << 18
# A burst of log lines fits, so that no worker waits for us to write them.
_PIPE_BYTES = 1 << 20
# At full load some tens of kilobytes come in this time.
_GATHERED_FOR_S = 0.01


class OutputPump:
    """All children's pipes into one stream.

    Args:
        stdout: file descriptor of the stream.
    """

    def __init__(self, stdout: int) -> None:
        self._stdout = stdout
        self._selector = selectors.DefaultSelector()

    def add(self, name: str, pipe: IO[bytes]) -> None:
        """Pass on what arrives on this pipe, until its end."""
        os.set_blocking(pipe.fileno(), False)
        # Where one user's share of pipe memory is used up, the usual size works, too.
        with suppress(OSError):
            fcntl(pipe.fileno(), F_SETPIPE_SZ, _PIPE_BYTES)
        output = OutputOfChild(name, lambda: datetime.now(UTC))
        self._on_readable(pipe, lambda: self._forward(pipe, output))

    def pump(self, timeout_s: float) -> None:
        """Pass output on. Returns when there was some, at a signal, or after this time."""
        news = self._selector.select(timeout_s)
        for key, _ in news:
            key.data()
        if news:
            # What comes meanwhile is passed on at once: woken for each line, this process took 5 %
            # of the CPU time of a request.
            time.sleep(_GATHERED_FOR_S)

    @contextmanager
    def woken_by_signals(self) -> Iterator[None]:
        """Within this, a signal that has a handler ends the waiting."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.setblocking(False)
            before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
            self._on_readable(ours, lambda: ours.recv(4096))
            try:
                yield
            finally:
                self._selector.unregister(ours)
                signal.set_wakeup_fd(before)

    def _on_readable(self, source: IO[bytes] | socket.socket, do: Callable[[], object]) -> None:
        self._selector.register(source, selectors.EVENT_READ, do)

    def _forward(self, pipe: IO[bytes], output: OutputOfChild) -> None:
        piece = os.read(pipe.fileno(), _PIECE_BYTES)
        self._write(output.feed(piece) if piece else output.end())
        if not piece:
            self._selector.unregister(pipe)
            pipe.close()

    def _write(self, lines: bytes) -> None:
        # Nobody may be reading the log any more, or the disk be full. Requests matter more.
        with suppress(OSError):
            while lines:
                lines = lines[os.write(self._stdout, lines) :]
