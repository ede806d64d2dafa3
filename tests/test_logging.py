"""The log: one JSON object a line on stdout, whatever is in it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from config.logging import render

TESTS = Path(__file__).parent
SCENARIO = TESTS / "log_scenario.py"


def _run(program: str | Path, **streams: Any) -> subprocess.CompletedProcess[bytes]:
    arguments = [str(program)] if isinstance(program, Path) else ["-c", program]
    return subprocess.run([sys.executable, *arguments], check=True, timeout=60, **streams)


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    """What the scenario writes, by newline."""
    done = _run(SCENARIO, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.stdout.endswith(b"\n")
    return done.stdout[:-1].split(b"\n")


@pytest.fixture(scope="module")
def events(lines: list[bytes]) -> list[dict[str, Any]]:
    """The same, parsed strictly."""
    return [json.loads(line, parse_constant=pytest.fail) for line in lines]


def test_every_event_is_one_line(lines: list[bytes], events: list[dict[str, Any]]) -> None:
    """No line break, control or escape of a terminal in any form gets out (SEC-83)."""
    for line in lines:
        text = line.decode("ascii")
        assert text.splitlines() == [text]
        assert text.isprintable() or "\x7f" in text
        assert "\x1b" not in text

    assert events[-1]["event"] == "last"


def test_nothing_that_can_be_logged_is_lost(events: list[dict[str, Any]]) -> None:
    """Foreign keys, huge numbers, surrogates, what fails when looked at (SEC-84)."""
    cases = {event["case"]: event for event in events if event["event"] == "hard"}

    assert set(cases) == {
        *("text", "key", "keys", "huge", "enormous", "not_numbers", "bytes", "set", "exception"),
        *("unprintable", "endless", "deep"),
    }
    assert cases["text"]["value"].startswith("x\r\ny\x1b[31mz\u2028")
    assert cases["huge"]["value"] == 10**30
    assert cases["keys"]["value"] == {"1": "a", "null": "c"}
    for name in ("enormous", "not_numbers", "unprintable", "endless", "deep"):
        assert "not_rendered" in cases[name]


def test_what_people_look_for_is_first(lines: list[bytes], events: list[dict[str, Any]]) -> None:
    """Time, level and event lead every line, of ours and of the standard library."""
    assert {tuple(event)[:3] for event in events} == {("timestamp", "level", "event")}
    assert all(event["timestamp"].endswith("Z") for event in events)
    assert {event["level"] for event in events} == {"info", "error", "warning"}


def test_the_first_three_come_from_the_event_itself() -> None:
    """Ordering renames and loses nothing, and leaves the caller's event alone."""
    event = {"b": 1, "event": "e", "level": "info", "a": 2, "timestamp": "t"}
    line = render(None, "", event)

    assert line == b'{"timestamp":"t","level":"info","event":"e","b":1,"a":2}'
    assert list(event) == ["b", "event", "level", "a", "timestamp"]


def test_what_is_not_ascii_is_escaped_and_nothing_else_changes() -> None:
    """Other scripts stay readable for programs, and NaN is null there too."""
    event = {"event": "e", "text": "ü\u2028😀", "number": float("nan"), "count": 2**63}

    assert json.loads(render(None, "", event)) == {
        "timestamp": None,
        "level": None,
        **event,
        "number": None,
    }


def test_gunicorn_and_libraries_join_the_stream(events: list[dict[str, Any]]) -> None:
    """Their messages are events with the logger's name; levels hold."""
    by_logger = [event for event in events if "logger" in event]

    assert [event["logger"] for event in by_logger] == [
        *("gunicorn.error", "gunicorn.error", "sqlalchemy")
    ]
    assert by_logger[0]["event"].startswith("Booting worker with pid: 1x\r\n")
    # What a library or a model logs within a request carries its id, as ours does.
    assert [event.get("request_id") for event in by_logger] == [None, None, "r"]
    assert not [event for event in events if "not" in event["event"]]


def test_long_events_stay_whole_in_a_pipe(lines: list[bytes], events: list[dict[str, Any]]) -> None:
    """4,096 bytes at most, newline included; of a traceback the end is kept (POSIX PIPE_BUF)."""
    failed = next(event for event in events if event["event"] == "failed")

    assert max(map(len, lines)) <= 4095
    assert failed["request_id"] == "r"
    assert failed["exception"].startswith("… ")
    assert failed["exception"].endswith("\u2028")


def test_a_full_disk_loses_lines_and_raises_nothing() -> None:
    """Everything goes on, and Python's own exit is clean."""
    with Path("/dev/full").open("wb") as full:
        done = _run(SCENARIO, stdout=full, stderr=subprocess.PIPE)

    assert b"Traceback" not in done.stderr.split(b"--- Logging error ---")[0]
    assert b"ENOSPC" not in done.stderr


@pytest.mark.parametrize("close", ["os.close(1)", "sys.stdout.close()", "sys.stdout = None"])
def test_a_lost_stdout_raises_nothing(close: str) -> None:
    """Closed below Python or in it."""
    _run(
        "import os, sys, structlog, config.logging as logging\n"
        "logging.configure_logging('info')\n"
        f"{close}\n"
        "structlog.get_logger().info('unheard')\n"
        "os._exit(0)\n",
        stdout=subprocess.DEVNULL,
    )


def test_lost_lines_are_counted_once_there_is_room() -> None:
    """After a pipe without reader: the next line comes with the number of those lost."""
    reading, writing = os.pipe()
    os.close(reading)
    later, replacement = os.pipe()
    program = (
        "import os, signal, structlog, config.logging as logging\n"
        "signal.signal(signal.SIGPIPE, signal.SIG_IGN)\n"
        "logging.configure_logging('info')\n"
        "log = structlog.get_logger()\n"
        "log.info('one')\nlog.info('two')\n"
        f"os.dup2({replacement}, 1)\n"
        "log.info('three')\nlog.info('four')\n"
    )
    _run(program, stdout=writing, pass_fds=(replacement,))
    os.close(writing)
    os.close(replacement)
    with os.fdopen(later, "rb") as stream:
        events = [json.loads(line) for line in stream]

    assert [event["event"] for event in events] == ["log_lines_lost", "three", "four"]
    assert (events[0]["count"], events[0]["level"]) == (2, "error")
    assert events[0]["timestamp"]


def test_a_torn_line_does_not_spoil_the_next(tmp_path: Path) -> None:
    """Where the disk fills up in the middle of a line, the next one begins on its own."""
    path = tmp_path / "log"
    program = (
        "import os, resource, signal, structlog, config.logging as logging\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "logging.configure_logging('info')\n"
        "log = structlog.get_logger()\n"
        "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))\n"
        "log.info('one', text='x' * 150)\nlog.info('torn', text='x' * 150)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
        "log.info('three')\n"
    )
    with path.open("wb") as file:
        _run(program, stdout=file)
    lines = path.read_bytes().splitlines()

    assert json.loads(lines[-1])["event"] == "three"
    assert json.loads(lines[-2])["event"] == "log_lines_lost"


def test_threads_do_not_mix_their_lines() -> None:
    """Lines of 8 threads come out whole."""
    program = (
        "import threading, structlog, config.logging as logging\n"
        "logging.configure_logging('info')\n"
        "def write(n):\n"
        "    for _ in range(200): structlog.get_logger().info('e', text=str(n) * 3000)\n"
        "threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
    )
    done = _run(program, stdout=subprocess.PIPE)
    texts = [json.loads(line)["text"] for line in done.stdout.splitlines()]

    assert len(texts) == 1600
    assert all(len(set(text)) == 1 and len(text) == 3000 for text in texts)
