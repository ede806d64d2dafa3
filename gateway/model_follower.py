"""Keeps the models in service at what the snapshot says, and logs what became of each."""

import time
from collections.abc import Callable

import structlog

from gateway.control.watcher import SnapshotWatcher
from model import ArtifactRejected, LoadOutcome, ServedModels

log = structlog.get_logger()

# A version that failed to load is tried again, in case its files were put right.
_RETRY_S = 30.0


class ModelFollower:
    """Applies the active versions of each new snapshot."""

    def __init__(
        self,
        watcher: SnapshotWatcher,
        models: ServedModels,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watcher = watcher
        self.models = models
        self._monotonic = monotonic
        self._applied: object = None
        self._retry_at = float("inf")
        self._failed: set[tuple[str, str]] = set()

    def follow(self) -> None:
        """Load what is newly active, if anything is. Takes as long as the loading takes."""
        active = self._watcher.current.active_versions
        if active == self._applied and self._monotonic() < self._retry_at:
            return
        outcomes = self.models.apply(active)
        for outcome in outcomes:
            self._say(outcome)
        self._applied = active
        failed = any(outcome.error is not None for outcome in outcomes)
        self._retry_at = self._monotonic() + _RETRY_S if failed else float("inf")

    def _say(self, outcome: LoadOutcome) -> None:
        which = (outcome.name, outcome.version)
        if outcome.error is None:
            self._failed.discard(which)
            duration_ms = round(outcome.duration_s * 1000, 1)
            log.info("model_loaded", model=which[0], version=which[1], duration_ms=duration_ms)
        elif which not in self._failed:
            self._failed.add(which)
            known = isinstance(outcome.error, ArtifactRejected)
            log.error(
                "model_not_loaded",
                model=which[0],
                version=which[1],
                reason=outcome.error.reason
                if isinstance(outcome.error, ArtifactRejected)
                else None,
                exc_info=None if known else outcome.error,
            )
