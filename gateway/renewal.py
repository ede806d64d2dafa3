"""Keeps the models of the process that workers are forked from at what is in service.

A worker loads a promoted version into memory of its own. The process it was forked from loads it
too, a little later, and then replaces its workers: they share one copy again.
"""

import gc
from collections.abc import Callable, Sequence

from gateway.control.watcher import SnapshotWatcher
from gateway.control.worker_status import Worker
from gateway.model_follower import ModelFollower

Missing = set[tuple[str, str]]


class Renewal:
    """Brings this process up to date, once its workers have shown that it can be done.

    A version that crashes or hangs whoever loads it must not take this process with it, for all
    workers would go, too. So it loads nothing that the workers have not loaded before it.

    Args:
        workers: those alive that serve models here.
    """

    def __init__(
        self,
        watcher: SnapshotWatcher,
        follower: ModelFollower,
        workers: Callable[[], Sequence[Worker]],
    ) -> None:
        self._watcher = watcher
        self._follower = follower
        self._workers = workers
        self.generation = 0

    def step(self) -> None:
        """Look for changes, and apply them. `generation` rises when something was loaded."""
        self._watcher.refresh()
        models, wanted = self._follower.models, self._follower.wanted()
        missing = models.missing(wanted)
        if missing and not self._tried_by_workers(missing):
            return
        self._follower.follow()
        if missing - models.missing(wanted):
            # The workers are about to be replaced. Collecting at any other time would write to
            # every object, and so end the sharing of its page with them.
            gc.unfreeze()
            gc.collect()
            self.generation += 1

    def _tried_by_workers(self, missing: Missing) -> bool:
        workers = [worker for worker in self._workers() if worker.models]
        return bool(workers) and all(
            _state(worker, name, version) in {"ready", "failed"}
            for worker in workers
            for name, version in missing
        )


def _state(worker: Worker, name: str, version: str) -> str:
    versions = worker.models.get(name, {}).get("versions", {})
    state: str = versions.get(version, {}).get("state", "unknown")
    return state
