"""All models that one worker serves."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from model.errors import ArtifactRejected, ModelNotReady, UnknownModel, UnknownVersion
from model.served import Clock, ServedModel
from model.store import ModelStore


@dataclass(frozen=True, slots=True)
class Activation:
    """The version of a model that should serve, pinned by the SHA-256 of its manifest."""

    version: str
    manifest_digest: str


class Pinned(Protocol):
    """Anything with the two facts of an Activation."""

    @property
    def version(self) -> str: ...
    @property
    def manifest_digest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class LoadOutcome:
    """One attempt to bring a version into service; `error` is None if it now serves."""

    name: str
    version: str
    duration_s: float
    error: Exception | None


@dataclass(frozen=True, slots=True)
class _Place:
    """One model: the version wanted, the one serving, and why they differ if they do."""

    wanted: Pinned
    serving: ServedModel | None
    error: Exception | None = None

    @property
    def settled(self) -> bool:
        serving, wanted = self.serving, self.wanted
        return serving is not None and (
            (serving.version, serving.digest) == (wanted.version, wanted.manifest_digest)
        )


class ServedModels:
    """Finds the model for a request. Readers see one mapping, swapped whole, never changed."""

    def __init__(self, store: ModelStore, clock: Clock = time.perf_counter) -> None:
        self._store = store
        self._clock = clock
        self._places: Mapping[str, _Place] = {}
        self._applying = threading.Lock()

    def apply(self, activations: Mapping[str, Pinned]) -> list[LoadOutcome]:
        """Serve these and no others; returns what was loaded or failed to, for the log.

        Takes as long as the loading takes, while the models in service go on answering: a version
        is replaced once the next one has answered its example. One that fails leaves the old one
        serving, and is tried again by the next call.
        """
        with self._applying:
            before = self._places
            self._places = {name: _place(before.get(name), a) for name, a in activations.items()}
            unsettled = [name for name, place in self._places.items() if not place.settled]
            return [self._settle(name) for name in unsettled]

    def get(self, name: str, version: str | None = None) -> ServedModel:
        """The model in service under this name, if need be in this version only.

        Raises:
            UnknownModel, UnknownVersion: not in service.
            ModelNotReady: it should be, but nothing of it could be loaded (yet).
        """
        place = self._places.get(name)
        if place is None:
            raise UnknownModel(name)
        if place.serving is None:
            raise ModelNotReady(name)
        if version is not None and version != place.serving.version:
            raise UnknownVersion(f"{name} {version}")
        return place.serving

    def names(self) -> list[str]:
        """All models that should be in service, ready or not."""
        return sorted(self._places)

    @property
    def ready(self) -> bool:
        """Whether at least one model has answered its example here."""
        return any(place.serving is not None for place in self._places.values())

    def states(self) -> dict[str, dict[str, Any]]:
        """How each model is, fit for JSON.

        `state` is ready, failed or loading; `version` and `digest` are those serving. A model may
        be ready with an older version than `wanted_version`: `reason` then says why.
        """
        return {name: _state(place) for name, place in sorted(self._places.items())}

    def _settle(self, name: str) -> LoadOutcome:
        place = self._places[name]
        started, version = self._clock(), place.wanted.version
        try:
            loaded = self._store.load(name, version, place.wanted.manifest_digest)
            settled = _Place(place.wanted, ServedModel(loaded, self._clock))
        except Exception as exc:  # Whatever a model does, the others must come into service.
            settled = _Place(place.wanted, place.serving, exc)
        self._places = {**self._places, name: settled}
        return LoadOutcome(name, version, self._clock() - started, settled.error)


def _place(before: _Place | None, wanted: Pinned) -> _Place:
    return _Place(wanted, before.serving if before is not None else None)


def _state(place: _Place) -> dict[str, Any]:
    serving, error = place.serving, place.error
    return {
        "state": "ready" if serving is not None else "loading" if error is None else "failed",
        "version": serving.version if serving is not None else None,
        "digest": serving.digest if serving is not None else None,
        "wanted_version": place.wanted.version,
        "reason": _reason(error),
    }


def _reason(error: Exception | None) -> str | None:
    if error is None or isinstance(error, ArtifactRejected):
        return error.reason if error is not None else None
    return f"Loading failed ({type(error).__name__})."
