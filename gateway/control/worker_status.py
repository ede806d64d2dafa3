"""What every worker serves: written by the workers, read by operations.

It lives in a database of its own beside the control store, so that prediction workers, which
run models, need no right to write the control store.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from gateway.control.database import sqlite_path, writing_engine

metadata = MetaData()
worker_status = Table(
    "worker_status",
    metadata,
    Column("worker", String(160), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("host", String(120), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("models", JSON, nullable=False),
    Column("limits_fallback", Boolean, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
)

# A worker that has not reported for this long is not waited for.
DEAD_AFTER_S = 5.0
_FORGOTTEN_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker's last report. `models` maps a name to its version and state."""

    worker: str
    role: str
    host: str
    pid: int
    revision: int
    models: Mapping[str, Any]
    limits_fallback: bool
    started_at: float
    seen_at: float


def create_status_database(url: str) -> None:
    """Make the table where there is none."""
    path = sqlite_path(url)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    engine = writing_engine(url, create=True, durable=False)
    metadata.create_all(engine)
    engine.dispose()


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
