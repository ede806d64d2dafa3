"""Lines of a log: from a pipe or a file, to its end or for as long as it grows."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

STDIN = "-"
MAX_LINE_BYTES = 1 << 20


class LineReader:
    """Whole lines of a stream that may still grow, without their newline.

    A line beyond `MAX_LINE_BYTES` is cut there and its rest skipped, so memory stays bounded.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._unfinished = b""

    def lines(self) -> Iterator[bytes]:
        """Every line that is whole by now; the start of the next one is kept for later."""
        while piece := self._stream.readline(MAX_LINE_BYTES):
            room = MAX_LINE_BYTES - len(self._unfinished)
            self._unfinished += piece.removesuffix(b"\n")[:room]
            if piece.endswith(b"\n"):
                yield self.take_unfinished()

    def rest(self) -> Iterator[bytes]:
        """The last line, when the stream ended without a newline."""
        if self._unfinished:
            yield self.take_unfinished()

    def take_unfinished(self) -> bytes:
        line, self._unfinished = self._unfinished, b""
        return line


def read_lines(path: str) -> Iterator[bytes]:
    """The lines there are; `-` is standard input, whose lines come as they are written."""
    if path == STDIN:
        yield from _lines_to_end(sys.stdin.buffer)
        return
    with Path(path).open("rb") as stream:
        yield from _lines_to_end(stream)


def follow_lines(path: str, pause: Callable[[], None]) -> Iterator[bytes]:
    """The lines there are and those still to come, through truncation and rotation.

    Args:
        pause: called when there is nothing new; returns when it is time to look again.
    """
    if not Path(path).is_file():
        # A pipe or standard input waits for its writer by itself and ends with it.
        yield from read_lines(path)
        return
    while True:
        with _open_once_there(path, pause) as stream:
            yield from _lines_until_replaced(stream, path, pause)


def _lines_to_end(stream: BinaryIO) -> Iterator[bytes]:
    reader = LineReader(stream)
    yield from reader.lines()
    yield from reader.rest()


def _lines_until_replaced(
    stream: BinaryIO, path: str, pause: Callable[[], None]
) -> Iterator[bytes]:
    reader = LineReader(stream)
    while True:
        # Looked at before reading, so that a replaced file is still read to its end.
        replaced = _replaced(stream, path)
        if os.fstat(stream.fileno()).st_size < stream.tell():
            stream.seek(0)
            reader.take_unfinished()
        yield from reader.lines()
        if replaced:
            yield from reader.rest()
            return
        pause()


def _replaced(stream: BinaryIO, path: str) -> bool:
    try:
        return not os.path.samestat(Path(path).stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        # Moved away and its successor not made yet: the writer may still use the old one.
        return False


def _open_once_there(path: str, pause: Callable[[], None]) -> BinaryIO:
    while True:
        try:
            return Path(path).open("rb")
        except FileNotFoundError:
            pause()
