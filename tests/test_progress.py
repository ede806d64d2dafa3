"""Progress is shown where something takes longer than a moment, and nowhere else."""

import threading

import pytest

from gateway.cli.progress import Progress


def test_what_is_quick_is_done_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody reads what is over."""
    with Progress("wine 1", after_s=60) as progress:
        progress("loading")
        progress("measuring")

    assert capsys.readouterr().err == ""


def test_what_takes_long_is_said_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """What is being done when the moment is over, and all that follows."""
    with Progress("wine 1", after_s=0) as progress:
        progress("loading")
        _wait_for_timers()
        progress("measuring")

    assert capsys.readouterr().err == "wine 1: loading …\nwine 1: measuring …\n"


def _wait_for_timers() -> None:
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join()
