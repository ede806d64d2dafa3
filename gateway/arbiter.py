"""Gunicorn's master, which replaces workers that hold in memory of their own what they could share.

Gunicorn itself ends the oldest worker while there is one too many, after the request in hand; so
one is started first, Gunicorn is asked once that serves, and never is there a moment without one.
"""

import gc
import time
from typing import Any

import structlog
from gunicorn.arbiter import Arbiter

log = structlog.get_logger()

# A worker starts in a few hundredths of a second: one serves before the next one is replaced.
_REPLACE_EVERY_S = 1.0


class GatewayArbiter(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """Its app is a `gateway.wsgi.service.Service`."""

    _replace_at = 0.0

    def manage_workers(self) -> None:
        """Keep as many workers as wanted, and those up to date. Called every second."""
        service = self.app.wsgi()
        service.tend()
        if len(self.WORKERS) == self.num_workers and time.monotonic() >= self._replace_at:
            self._replace_one(service.generation)
        if not self._replacement_begins():
            super().manage_workers()

    def spawn_worker(self) -> Any:
        """Fork a worker, and remember which models it shares with this process."""
        # The collector of a worker would write to every object it looks at, and so copy its page.
        gc.freeze()
        generation = self.app.wsgi().generation
        pid = super().spawn_worker()
        self.WORKERS[pid].generation = generation
        return pid

    def _replacement_begins(self) -> bool:
        """Whether there is one worker too many that does not serve yet."""
        if len(self.WORKERS) <= self.num_workers:
            return False
        youngest = max(self.WORKERS.values(), key=lambda worker: worker.age)
        # Its file has the time of day until the first sign of life, which is monotonic time.
        beginning: bool = youngest.tmp.last_update() > time.monotonic()
        return beginning

    def _replace_one(self, generation: int) -> None:
        outdated = [pid for pid, worker in self.WORKERS.items() if worker.generation < generation]
        if outdated:
            log.info("worker_replaced", worker_pid=outdated[0], left=len(outdated) - 1)
            self.spawn_worker()
            self._replace_at = time.monotonic() + _REPLACE_EVERY_S
