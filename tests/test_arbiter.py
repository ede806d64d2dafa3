"""Gunicorn's master as ours: workers are renewed one by one, and somebody always serves."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

TESTS = Path(__file__).parent


@dataclass(frozen=True)
class Master:
    """A running master with two workers, and what its workers have told."""

    folder: Path
    process: "subprocess.Popen[bytes]"

    def set_generation(self, number: int) -> None:
        """Let workers forked from now on share more; written in one step."""
        fresh = self.folder / "generation.new"
        fresh.write_text(str(number))
        fresh.replace(self.folder / "generation")

    def history(self) -> list[tuple[str, int]]:
        """ "start" and "stop" of each worker by its pid, in order."""
        file = self.folder / "history"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(what, int(pid)) for what, _, pid in (line.partition(" ") for line in lines)]

    def count(self, what: str) -> int:
        return sum(1 for each, _ in self.history() if each == what)

    def pids(self) -> list[int]:
        """The workers alive, oldest first."""
        stopped = {pid for what, pid in self.history() if what == "stop"}
        return [pid for what, pid in self.history() if what == "start" and pid not in stopped]

    def call_until(self, condition: Callable[[], bool]) -> set[int]:
        """Call without a pause until it holds; who answered. Each call must be answered 200."""
        transport = httpx.HTTPTransport(uds=str(self.folder / "socket"))
        answered, until = set(), time.monotonic() + 60
        while not condition():
            assert time.monotonic() < until, (self.folder / "log").read_text()
            with httpx.Client(
                transport=transport, base_url="http://localhost", timeout=30
            ) as client:
                response = client.get("/")
            assert response.status_code == 200
            answered.add(int(response.text))
            transport = httpx.HTTPTransport(uds=str(self.folder / "socket"))
        return answered


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Master]:
    with running(tmp_path) as master:
        yield master


@contextmanager
def running(tmp_path: Path, *arguments: str) -> Iterator[Master]:
    """A master that serves; `arguments` are further ones of `arbiter_app`."""
    (tmp_path / "generation").write_text("0")
    (tmp_path / "open").touch()
    command = [sys.executable, str(TESTS / "arbiter_app.py"), str(tmp_path), *arguments]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, cwd=TESTS.parent, stdout=log, stderr=log) as process,
    ):
        master = Master(tmp_path, process)
        try:
            until = time.monotonic() + 60
            while master.count("start") < 2 or not (tmp_path / "socket").exists():
                assert process.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < until, (tmp_path / "log").read_text()
            yield master
        finally:
            process.terminate()
            process.wait(60)


def test_a_new_generation_replaces_every_worker_one_by_one(master: Master) -> None:
    """Each new one serves before an old one goes; no call fails; then there is rest."""
    old = master.pids()
    master.set_generation(1)
    answered = master.call_until(lambda: master.count("stop") == 2)
    history = master.history()
    new = master.pids()

    assert [what for what, _ in history] == ["start", "start", "start", "stop", "start", "stop"]
    assert {pid for what, pid in history if what == "stop"} == set(old)
    assert len(new) == 2
    assert answered <= {*old, *new}
    tended = master.folder / "tended"
    (master.folder / "broken").touch()
    master.call_until(tended.exists)
    tended.unlink()
    master.call_until(tended.exists)
    assert master.pids() == new


def test_one_that_has_not_begun_replaces_nobody(master: Master) -> None:
    """However long it takes: the old ones serve until then, and not one more is forked."""
    old = master.pids()
    (master.folder / "open").unlink()
    master.set_generation(1)
    master.call_until(lambda: "worker_replaced" in (master.folder / "log").read_text())
    tended = master.folder / "tended"
    for _ in range(2):
        (master.folder / "broken").touch()
        tended.unlink(missing_ok=True)
        master.call_until(tended.exists)
    meanwhile = master.pids()
    (master.folder / "open").touch()
    answered = master.call_until(lambda: master.count("stop") == 2)

    assert meanwhile == old
    assert set(master.pids()).isdisjoint(old)
    assert answered <= {*old, *master.pids()}


def test_one_that_never_begins_is_ended(tmp_path: Path) -> None:
    """It hangs before its first sign of life: another is tried in its place; the old ones serve."""
    with running(tmp_path, "4.0") as master:
        old = master.pids()
        (tmp_path / "open").unlink()
        master.set_generation(1)
        log = tmp_path / "log"
        answered = master.call_until(lambda: log.read_text().count("worker_replaced") >= 2)
        meanwhile = master.pids()
        (tmp_path / "open").touch()
        master.call_until(lambda: master.count("stop") == 2)

        assert log.read_text().count("worker_never_began") == 1
        assert meanwhile == old
        assert answered == set(old)
        assert set(master.pids()).isdisjoint(old)


def test_a_worker_that_dies_is_replaced_by_one_of_the_generation(master: Master) -> None:
    """Killed in the middle of its life; the new one shares what there is, and is left alone."""
    killed, left = master.pids()
    master.set_generation(1)
    os.kill(killed, signal.SIGKILL)
    # The one that was left is outdated, and goes; the one that took the place of the dead stays.
    master.call_until(lambda: ("stop", left) in master.history())

    assert master.count("start") == 4
    assert len(set(master.pids()) - {killed}) == 2


def test_trouble_while_tending_ends_no_worker(master: Master) -> None:
    """What the master does beside its workers may fail, again and again: they go on serving."""
    before = master.pids()
    tended = master.folder / "tended"
    (master.folder / "broken").touch()
    master.call_until(tended.exists)
    tended.unlink()
    answered = master.call_until(tended.exists)

    assert master.process.poll() is None
    assert master.pids() == before
    assert answered <= set(before)
