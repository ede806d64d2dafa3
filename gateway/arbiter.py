"""Gunicorn's master, which replaces workers that hold in memory of their own what they could share.

Gunicorn itself ends the oldest worker while there is one too many, after the request in hand; so
one is started first, Gunicorn is asked once that serves, and never is there a moment without one.
"""

import gc
import signal
import time
from typing import Any

import structlog
from gunicorn.arbiter import Arbiter

log = structlog.get_logger()

# A worker starts in a few hundredths of a second: one serves before the next one is replaced.
_REPLACE_EVERY_S = 1.0

# A worker begins once all that is in service is loaded, for which `gateway model add` grants each
# version as long.
_BEGIN_WITHIN_S = 300.0


class GatewayArbiter(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """Its app is a `gateway.wsgi.service.Service`."""

    begin_within_s = _BEGIN_WITHIN_S
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
        self.WORKERS[pid].forked_at = time.monotonic()
        return pid

    def murder_workers(self) -> None:
        """End workers that show no sign of life any more, or never did. Called every second."""
        for pid, worker in list(self.WORKERS.items()):
            waited_s = time.monotonic() - worker.forked_at
            if _is_beginning(worker) and waited_s > self.begin_within_s:
                log.error("worker_never_began", worker_pid=pid, waited_s=round(waited_s, 1))
                self.kill_worker(pid, signal.SIGKILL)
        super().murder_workers()

    def _replacement_begins(self) -> bool:
        """Whether there is one worker too many that does not serve yet."""
        if len(self.WORKERS) <= self.num_workers:
            return False
        return _is_beginning(max(self.WORKERS.values(), key=lambda worker: worker.age))

    def _replace_one(self, generation: int) -> None:
        outdated = [pid for pid, worker in self.WORKERS.items() if worker.generation < generation]
        if outdated:
            log.info("worker_replaced", worker_pid=outdated[0], left=len(outdated) - 1)
            self.spawn_worker()
            self._replace_at = time.monotonic() + _REPLACE_EVERY_S


def _is_beginning(worker: Any) -> bool:
    """Whether it has shown no sign of life yet.

    Until then its file has the time of day, by which Gunicorn itself takes it for alive forever;
    afterwards monotonic time.
    """
    beginning: bool = worker.tmp.last_update() > time.monotonic()
    return beginning
