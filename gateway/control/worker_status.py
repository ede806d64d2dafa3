"""What every worker serves: written by the workers, read by operations."""

import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, delete, insert, select, update

from gateway.control.status_database import worker_status

# A worker that has not reported for this long is not waited for.
DEAD_AFTER_S = 5.0
_FORGOTTEN_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker's last report. `models` maps a name to its state, as `ServedModels` says it."""

    worker: str
    role: str
    host: str
    pid: int
    revision: int
    models: Mapping[str, Any]
    limits_fallback: bool
    started_at: float
    seen_at: float


class WorkerReport:
    """One worker's own row."""

    def __init__(self, engine: Engine, role: str, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._role = role
        self._clock = clock
        self._host = socket.gethostname()
        self._started_at = 0.0
        self._worker = ""

    def write(self, revision: int, models: Mapping[str, Any], *, limits_fallback: bool) -> None:
        """Say which revision this worker serves, and how its models are."""
        facts: dict[str, Any] = {
            "revision": revision,
            "models": dict(models),
            "limits_fallback": limits_fallback,
            "seen_at": self._clock(),
        }
        if not self._worker:
            # Not when this object was made: that may have been in the process this one forked from.
            self._worker, self._started_at = f"{self._host}:{os.getpid()}", self._clock()
        with self._engine.begin() as connection:
            own = worker_status.c.worker == self._worker
            if connection.execute(update(worker_status).where(own).values(facts)).rowcount == 0:
                connection.execute(insert(worker_status).values(self._identity() | facts))
                # Workers that were killed leave their rows behind.
                forgotten = worker_status.c.seen_at < facts["seen_at"] - _FORGOTTEN_AFTER_S
                connection.execute(delete(worker_status).where(forgotten))

    def remove(self) -> None:
        """Say that this worker ends."""
        with self._engine.begin() as connection:
            connection.execute(delete(worker_status).where(worker_status.c.worker == self._worker))

    def _identity(self) -> dict[str, Any]:
        return {
            "worker": self._worker,
            "role": self._role,
            "host": self._host,
            "pid": os.getpid(),
            "started_at": self._started_at,
        }


def live_workers(engine: Engine, now: float) -> list[Worker]:
    """Workers that reported lately and, where that can be seen from here, still run."""
    query = select(worker_status).where(worker_status.c.seen_at > now - DEAD_AFTER_S)
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(worker_status.c.worker)).mappings().all()
    host = socket.gethostname()
    workers = [Worker(**row) for row in rows]
    return [worker for worker in workers if worker.host != host or _runs(worker.pid)]


def workers_here(engine: Engine, now: float) -> list[Worker]:
    """Those of them that run on this host."""
    host = socket.gethostname()
    return [worker for worker in live_workers(engine, now) if worker.host == host]


def wait_until_served(
    engine: Engine,
    revision: int,
    timeout_s: float,
    *,
    clock: Callable[[], float] = time.time,
    pause: Callable[[float], None] = time.sleep,
) -> list[Worker]:
    """Wait until every live worker serves a revision; those that still do not, after the time."""
    deadline = clock() + timeout_s
    while True:
        late = [worker for worker in live_workers(engine, clock()) if worker.revision < revision]
        if not late or clock() > deadline:
            return late
        pause(0.05)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
