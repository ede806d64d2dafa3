"""Keeps the models in service at what the snapshot says, and logs what became of each."""

import time
from collections.abc import Callable, Mapping

import structlog

from gateway.control.snapshot import DeployedVersion
from gateway.control.watcher import SnapshotWatcher
from model import ArtifactRejected, LoadOutcome, ServedModels

log = structlog.get_logger()

# A version that failed to load is tried again, in case its files were put right.
_RETRY_S = 30.0

Deployments = Mapping[str, Mapping[str, DeployedVersion]]


class ModelFollower:
    """Applies the deployments of each new snapshot, and the sunsets as they come.

    Args:
        now: the time by which sunsets come, in seconds since 1970.
    """

    def __init__(
        self,
        watcher: SnapshotWatcher,
        models: ServedModels,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._watcher = watcher
        self.models = models
        self._monotonic = monotonic
        self._now = now
        self._applied: object = None
        self._retry_at = float("inf")
        self._failed: set[tuple[str, str]] = set()

    def follow(self) -> None:
        """Load what newly came into service, if anything did; takes as long as that takes.

        Lets go of what left service, also because its sunset came.
        """
        wanted = self.wanted()
        if wanted == self._applied and self._monotonic() < self._retry_at:
            return
        outcomes = self.models.apply(wanted)
        for outcome in outcomes:
            self._say(outcome)
        self._applied = wanted
        failed = any(outcome.error is not None for outcome in outcomes)
        self._retry_at = self._monotonic() + _RETRY_S if failed else float("inf")

    def wanted(self) -> Deployments:
        """What is in service by the snapshot and the clock."""
        now = self._now()
        return {
            name: {v: deployed for v, deployed in versions.items() if not deployed.ended(now)}
            for name, versions in self._watcher.current.deployments.items()
            if not any(d.role == "current" and d.ended(now) for d in versions.values())
        }

    def _say(self, outcome: LoadOutcome) -> None:
        which = (outcome.name, outcome.version)
        facts = {"model": outcome.name, "version": outcome.version, "role": outcome.role}
        if outcome.error is None:
            self._failed.discard(which)
            duration_ms = round(outcome.duration_s * 1000, 1)
            log.info("model_loaded", **facts, serving=outcome.serving, duration_ms=duration_ms)
        elif which not in self._failed:
            self._failed.add(which)
            rejected = isinstance(outcome.error, ArtifactRejected)
            log.error(
                "model_not_loaded",
                **facts,
                serving=outcome.serving,
                reason=outcome.error.reason
                if isinstance(outcome.error, ArtifactRejected)
                else None,
                exc_info=None if rejected else outcome.error,
            )
