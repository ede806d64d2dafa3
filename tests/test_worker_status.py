"""What workers say of themselves, and how a write waits for them."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.exc import OperationalError

from gateway.control.database import writing_engine
from gateway.control.status_database import create_status_database, worker_status
from gateway.control.worker_status import (
    DEAD_AFTER_S,
    WorkerReport,
    live_workers,
    wait_until_served,
)

NOW = 1000.0


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    url = f"sqlite:///{tmp_path}/status/status.sqlite3"
    create_status_database(url)
    return writing_engine(url, durable=False)


def _report(engine: Engine, at: float = NOW) -> WorkerReport:
    return WorkerReport(engine, "joined", clock=lambda: at)


def _become(engine: Engine, **columns: object) -> None:
    """Make the one row that of another worker."""
    with engine.begin() as connection:
        connection.execute(update(worker_status).values(**columns))


def _dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_report_is_read_back(engine: Engine) -> None:
    """One row a worker: the last one it wrote."""
    report = _report(engine)
    report.write(1, {}, limits_fallback=False)
    report.write(2, {"wine": {"state": "ready"}}, limits_fallback=True)
    [worker] = live_workers(engine, NOW)

    assert worker.worker == f"{socket.gethostname()}:{os.getpid()}"
    assert (worker.role, worker.pid, worker.revision) == ("joined", os.getpid(), 2)
    assert (worker.models, worker.limits_fallback) == ({"wine": {"state": "ready"}}, True)
    assert (worker.started_at, worker.seen_at) == (NOW, NOW)


def test_a_worker_that_ends_is_off_the_list(engine: Engine) -> None:
    """At once; also one that never reported may end."""
    report = _report(engine)
    report.remove()
    report.write(1, {}, limits_fallback=False)
    report.remove()

    assert live_workers(engine, NOW) == []


def test_a_silent_worker_is_not_waited_for(engine: Engine) -> None:
    """Both sides of five seconds."""
    _report(engine).write(1, {}, limits_fallback=False)

    assert len(live_workers(engine, NOW + DEAD_AFTER_S - 0.1)) == 1
    assert live_workers(engine, NOW + DEAD_AFTER_S) == []


def test_a_killed_worker_of_this_host_is_seen_at_once(engine: Engine) -> None:
    """Its process is gone; of another host only its silence can tell."""
    _report(engine).write(1, {}, limits_fallback=False)
    _become(engine, worker="x", pid=_dead_pid())
    assert live_workers(engine, NOW) == []
    _become(engine, host="elsewhere")

    assert len(live_workers(engine, NOW)) == 1


def test_rows_of_killed_workers_do_not_pile_up(engine: Engine) -> None:
    """The next worker that starts forgets those unseen for an hour, and only those."""
    for name, age in (("old", 3601), ("recent", 3599)):
        _report(engine, NOW - age).write(1, {}, limits_fallback=False)
        with engine.begin() as connection:
            own = worker_status.c.worker.contains(":")
            connection.execute(update(worker_status).where(own).values(worker=name))
    _report(engine).write(1, {}, limits_fallback=False)
    with engine.connect() as connection:
        left = set(connection.execute(select(worker_status.c.worker)).scalars())

    assert left == {"recent", f"{socket.gethostname()}:{os.getpid()}"}


class Patience:
    """A clock that pauses move, and what else happens during the pauses."""

    def __init__(self, during: Callable[[float], object] = lambda _now: None) -> None:
        self.now = NOW
        self._during = during

    def clock(self) -> float:
        return self.now

    def pause(self, duration_s: float) -> None:
        self.now += duration_s
        self._during(self.now)


def test_waiting_ends_when_all_serve_the_revision(engine: Engine) -> None:
    """As soon as the last worker has it, and at once if it had it before."""
    report = _report(engine)
    report.write(4, {}, limits_fallback=False)

    def catch_up(now: float) -> None:
        report.write(5 if now > NOW + 1 else 4, {}, limits_fallback=False)

    patience = Patience(catch_up)
    late = wait_until_served(engine, 5, 3.0, clock=patience.clock, pause=patience.pause)
    assert late == []
    assert 1.0 < patience.now - NOW < 1.2
    patience.now = NOW
    wait_until_served(engine, 5, 3.0, clock=patience.clock, pause=patience.pause)

    assert patience.now == NOW


def test_waiting_ends_with_the_names_of_those_that_lag(engine: Engine) -> None:
    """After the time given."""
    _report(engine).write(4, {}, limits_fallback=False)
    patience = Patience()
    late = wait_until_served(engine, 5, 3.0, clock=patience.clock, pause=patience.pause)

    assert [worker.pid for worker in late] == [os.getpid()]
    assert 3.0 < patience.now - NOW < 3.2


def test_a_worker_that_dies_meanwhile_is_not_waited_for(engine: Engine) -> None:
    """Its successor reads the store anew anyway."""
    report = _report(engine)
    report.write(4, {}, limits_fallback=False)
    patience = Patience(lambda _now: report.remove())

    assert wait_until_served(engine, 5, 3.0, clock=patience.clock, pause=patience.pause) == []


def test_nobody_running_is_nobody_to_wait_for(engine: Engine) -> None:
    """A write with no service returns at once."""
    patience = Patience()

    assert wait_until_served(engine, 5, 3.0, clock=patience.clock, pause=patience.pause) == []
    assert patience.now == NOW


def test_making_the_database_again_keeps_its_rows(engine: Engine, tmp_path: Path) -> None:
    """Every start makes it where it is missing; it is never made by a report."""
    _report(engine).write(1, {}, limits_fallback=False)
    create_status_database(f"sqlite:///{tmp_path}/status/status.sqlite3")
    assert len(live_workers(engine, NOW)) == 1

    with pytest.raises(OperationalError):
        live_workers(writing_engine(f"sqlite:///{tmp_path}/none.sqlite3"), NOW)
    assert not (tmp_path / "none.sqlite3").exists()
