"""Where lines go: written one by one, and no traceback when the reader leaves."""

import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

_POLL_S = 0.2


class LineOutput:
    """Standard output, every line of it out at once, whatever its encoding can show."""

    def __init__(self) -> None:
        self._stream = sys.stdout.buffer
        self._encoding = sys.stdout.encoding or "utf-8"

    def write(self, line: str) -> None:
        """Write text; what the terminal's encoding lacks is escaped."""
        self.write_bytes(line.encode(self._encoding, "backslashreplace"))

    def write_bytes(self, line: bytes) -> None:
        """Write a line as it is."""
        self._stream.write(line + b"\n")
        self._stream.flush()

    def pause(self) -> None:
        """Wait a moment. Raises BrokenPipeError as soon as nobody reads us any more."""
        try:
            descriptor = self._stream.fileno()
        except OSError:
            time.sleep(_POLL_S)
            return
        poll = select.poll()
        # Asked for nothing, it still reports a pipe whose other end was closed.
        poll.register(descriptor, 0)
        if poll.poll(_POLL_S * 1000):
            raise BrokenPipeError


def terminal() -> bool:
    """Whether a person's terminal shows what is written."""
    return sys.stdout.isatty()


def colours_wanted(asked: bool | None) -> bool:
    """As asked, else where a terminal shows them and NO_COLOR is not set."""
    console = Console()
    return terminal() and not console.no_color if asked is None else asked


@contextmanager
def quiet_end() -> Iterator[None]:
    """Ctrl-C and a reader that left (`| head`) end the command like the end of the stream."""
    try:
        yield
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # Python flushes standard output once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
