"""`gateway logs` on files that grow, and on pipes and terminals."""

import os
import pty
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from log_events import GOOD, event_lines

COMMAND = [sys.executable, "-m", "gateway.cli", "logs"]
DEADLINE_S = 60


class Follower:
    """`gateway logs --follow --json` on a file, its output on a pipe."""

    def __init__(self, log: Path) -> None:
        self._process = subprocess.Popen(
            [*COMMAND, "--follow", str(log)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._seen = b""

    def wait_for_line(self) -> str:
        """The next whole line."""
        assert self._process.stdout is not None
        until = time.monotonic() + DEADLINE_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._seen:
                assert selector.select(until - time.monotonic()), "no line came in time"
                piece = os.read(self._process.stdout.fileno(), 1 << 16)
                assert piece, "the command ended"
                self._seen += piece
        line, _, self._seen = self._seen.partition(b"\n")
        return line.decode()

    def close_pipe(self) -> None:
        assert self._process.stdout is not None
        self._process.stdout.close()

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def wait(self) -> tuple[int, bytes]:
        """Exit code and standard error."""
        code = self._process.wait(DEADLINE_S)
        assert self._process.stderr is not None
        return code, self._process.stderr.read()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture
def follow(tmp_path: Path) -> Iterator[Callable[[], Follower]]:
    """Follow `log` in tmp_path, which has the line `first`."""
    started: list[Follower] = []
    (tmp_path / "log").write_text("first\n")

    def start() -> Follower:
        started.append(Follower(tmp_path / "log"))
        assert started[-1].wait_for_line() == "first"
        return started[-1]

    yield start
    for follower in started:
        follower.close()


def append(log: Path, text: str) -> None:
    with log.open("a") as stream:
        stream.write(text)


def test_follow_shows_what_is_added(follow: Callable[[], Follower], tmp_path: Path) -> None:
    """Lines appear once they are whole, however they were written."""
    follower = follow()
    for piece in ("sec", "ond\nthi", "rd\n"):
        append(tmp_path / "log", piece)

    assert [follower.wait_for_line(), follower.wait_for_line()] == ["second", "third"]


def test_follow_goes_on_after_truncation(follow: Callable[[], Follower], tmp_path: Path) -> None:
    """A file that was emptied is read from its new start."""
    follower = follow()
    (tmp_path / "log").write_text("")
    append(tmp_path / "log", "new\n")

    assert follower.wait_for_line() == "new"


def test_follow_goes_on_after_rotation(follow: Callable[[], Follower], tmp_path: Path) -> None:
    """The old file is read to its end, then the new one of that name."""
    follower = follow()
    log = tmp_path / "log"
    log.rename(tmp_path / "log.1")
    append(tmp_path / "log.1", "late\n")
    assert follower.wait_for_line() == "late"
    append(tmp_path / "log.1", "unfinished")
    (tmp_path / "next").write_text("new\n")
    (tmp_path / "next").rename(log)

    assert [follower.wait_for_line(), follower.wait_for_line()] == ["unfinished", "new"]


def test_interrupt_ends_following_cleanly(follow: Callable[[], Follower]) -> None:
    """Ctrl-C is how following ends: no error, no traceback."""
    follower = follow()
    follower.interrupt()

    assert follower.wait() == (0, b"")


def test_following_ends_when_the_reader_leaves(follow: Callable[[], Follower]) -> None:
    """Even when no further line ever comes."""
    follower = follow()
    follower.close_pipe()

    assert follower.wait() == (0, b"")


def test_head_ends_a_long_output_without_traceback(tmp_path: Path) -> None:
    """Far more lines than a pipe holds, and a reader of one."""
    log = tmp_path / "log"
    log.write_bytes(event_lines(GOOD) * 5000)
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", '"$@" | head -n 1', "-", *COMMAND, str(log)],
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )

    assert done.returncode == 0
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""


def test_lines_of_a_pipe_come_as_they_are_written() -> None:
    """`make stack | gateway logs` does not wait for more than a line."""
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"one\n")
        process.stdin.flush()
        assert selectors_ready(process.stdout)

        assert process.stdout.readline() == b"one\n"


def test_terminal_gets_colours_and_no_control_of_json(tmp_path: Path) -> None:
    """On a screen even `--json` escapes what JSON may hold as it is (C1 controls, bidi marks)."""
    (tmp_path / "log").write_bytes('{"event":"x","a":"\u009b31m\u202e"}\n'.encode())

    assert (
        on_terminal(str(tmp_path / "log"), "--json") == b'{"event":"x","a":"\\x9b31m\\u202e"}\r\n'
    )
    assert b"\x1b[" in on_terminal(str(tmp_path / "log"))


def test_terminal_as_input_is_wrong_usage() -> None:
    """Without a file and a pipe the command says what it wants instead of waiting."""
    ours, theirs = pty.openpty()
    done = subprocess.run(
        COMMAND, stdin=theirs, capture_output=True, timeout=DEADLINE_S, check=False
    )
    os.close(ours)
    os.close(theirs)

    assert done.returncode == 2
    assert b"make stack | gateway logs" in done.stderr


def on_terminal(*args: str) -> bytes:
    """What a terminal is sent."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm"}
    environ.pop("NO_COLOR", None)
    subprocess.run([*COMMAND, *args], stdout=theirs, env=environ, timeout=DEADLINE_S, check=True)
    os.close(theirs)
    shown = b""
    # What was written comes in parts, as the system hands it over; then an error is the end.
    with suppress(OSError):
        while piece := os.read(ours, 1 << 16):
            shown += piece
    os.close(ours)
    return shown


def selectors_ready(stream: Any) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        return bool(selector.select(DEADLINE_S))
