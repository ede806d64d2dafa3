"""One model in one worker: the versions wanted, those in memory, and who answers whom."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from model.deployment import Deployment, answers_by_version
from model.errors import ArtifactRejected, ModelNotReady, UnknownVersion
from model.served import ServedModel

# In this order versions are loaded.
_ROLES = ("current", "canary", "shadow", "retired")


@dataclass(frozen=True, slots=True)
class Place:
    """Never changed, only replaced; readers hold one for a whole request.

    Attributes:
        wanted: by version, what should be in service.
        loaded: by version, those of them that have answered their example here.
        errors: by version, why one is not loaded.
        serving: what answers whoever names no version: the current version; while that is not
            loaded, what served before it.
    """

    wanted: Mapping[str, Deployment]
    loaded: Mapping[str, ServedModel] = field(default_factory=dict)
    errors: Mapping[str, Exception] = field(default_factory=dict)
    serving: ServedModel | None = None
    canary: ServedModel | None = None
    shadow: ServedModel | None = None
    percent: float = 0.0

    def wanting(self, wanted: Mapping[str, Deployment]) -> "Place":
        """The same memory put to other roles; what is wanted no longer is let go."""
        loaded = {
            version: _deployed(self.loaded[version], deployment)
            for version, deployment in wanted.items()
            if deployment.role != "standby" and self._has(deployment)
        }
        return _arranged(replace(self, wanted=wanted, loaded=loaded, errors={}))

    def holding(self, model: ServedModel) -> "Place":
        """With one more version in memory."""
        version = model.version
        loaded = {**self.loaded, version: _deployed(model, self.wanted[version])}
        errors = {other: error for other, error in self.errors.items() if other != version}
        return _arranged(replace(self, loaded=loaded, errors=errors))

    def lacking(self, version: str, error: Exception) -> "Place":
        """With the reason why a version cannot be loaded."""
        return replace(self, errors={**self.errors, version: error})

    def serving_in_stead(self, model: ServedModel) -> "Place":
        """With an earlier version in place of a current one that cannot be loaded."""
        return replace(self, serving=model.deployed_as("current"))

    def missing(self) -> list[Deployment]:
        """What is wanted and not in memory, in the order of loading. No stand-ins."""
        absent = [d for d in self.wanted.values() if d.role in _ROLES and not self._has(d)]
        return sorted(absent, key=lambda deployment: _ROLES.index(deployment.role))

    def stand_ins(self) -> list[Deployment]:
        """Versions that may serve while the current one cannot, best first."""
        candidates = [deployment for deployment in self.wanted.values() if deployment.stand_in]
        return sorted(candidates, key=lambda deployment: deployment.stand_in)

    def answering(self, name: str, sticky: str) -> ServedModel:
        """Who answers a caller that names no version. Raises: ModelNotReady."""
        if self.canary is not None and sticky and _share(name, sticky) < self.percent:
            return self.canary
        if self.serving is None:
            raise ModelNotReady(name)
        return self.serving

    def named(self, name: str, version: str) -> ServedModel:
        """Who answers a caller that names a version. Raises: UnknownVersion, ModelNotReady."""
        deployment = self.wanted.get(version)
        if deployment is not None and answers_by_version(deployment):
            model = self.loaded.get(version)
            if model is None:
                raise ModelNotReady(f"{name} {version}")
            return model
        if self.serving is not None and self.serving.version == version:
            return self.serving
        raise UnknownVersion(f"{name} {version}")

    def state(self) -> dict[str, Any]:
        """How the model is here, fit for JSON; see `ServedModels.states`."""
        current = next((d for d in self.wanted.values() if d.role == "current"), None)
        error = self.errors.get(current.version) if current is not None else None
        serving = self.serving
        versions = {
            deployment.version: self._version_state(deployment)
            for deployment in self.wanted.values()
            if deployment.role in _ROLES
        }
        return {
            "state": "ready" if serving is not None else "loading" if error is None else "failed",
            "version": serving.version if serving is not None else None,
            "digest": serving.digest if serving is not None else None,
            "wanted_version": current.version if current is not None else None,
            "reason": _reason(error),
            "versions": versions,
        }

    def _version_state(self, deployment: Deployment) -> dict[str, Any]:
        model = self.loaded.get(deployment.version)
        error = self.errors.get(deployment.version)
        return {
            "role": deployment.role,
            "percent": deployment.percent,
            "sunset_at": deployment.sunset_at,
            "state": "ready" if model is not None else "loading" if error is None else "failed",
            "reason": _reason(error),
            "private": model is not None and model.process == os.getpid(),
        }

    def _has(self, deployment: Deployment) -> bool:
        model = self.loaded.get(deployment.version)
        return model is not None and model.digest == deployment.manifest_digest


def _arranged(place: Place) -> Place:
    """Each loaded version where its role puts it."""
    by_role = {model.role: model for model in place.loaded.values()}
    canary = by_role.get("canary")
    return replace(
        place,
        # Until the current version is in memory, whatever served before goes on.
        serving=by_role.get("current", place.serving),
        canary=canary,
        shadow=by_role.get("shadow"),
        percent=place.wanted[canary.version].percent if canary is not None else 0.0,
    )


def _deployed(model: ServedModel, deployment: Deployment) -> ServedModel:
    known = (model.role, model.deprecated_at, model.sunset_at)
    if known == (deployment.role, deployment.deprecated_at, deployment.sunset_at):
        return model
    return model.deployed_as(deployment.role, deployment)


def _share(name: str, sticky: str) -> float:
    """A number from 0 to 100 that is always the same for a model and a caller."""
    digest = blake2b(f"{name}\0{sticky}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64 * 100


def _reason(error: Exception | None) -> str | None:
    if error is None or isinstance(error, ArtifactRejected):
        return error.reason if error is not None else None
    return f"Loading failed ({type(error).__name__})."
