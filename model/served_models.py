"""All models that one worker serves."""

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from model.deployment import Deployment
from model.errors import UnknownModel
from model.memory import release_free_memory
from model.place import Place
from model.served import Clock, ServedModel
from model.store import ModelStore


@dataclass(frozen=True, slots=True)
class LoadOutcome:
    """One attempt to bring a version into service; `error` is None if it now is.

    `serving` is the version that answers whoever names none, after the attempt.
    """

    name: str
    version: str
    role: str
    duration_s: float
    error: Exception | None
    serving: str | None


class ServedModels:
    """Finds the model for a request. Readers see one mapping, swapped whole, never changed."""

    def __init__(self, store: ModelStore, clock: Clock = time.perf_counter) -> None:
        self._store = store
        self._clock = clock
        self._places: Mapping[str, Place] = {}
        self._applying = threading.Lock()

    def apply(self, deployments: Mapping[str, Mapping[str, Deployment]]) -> list[LoadOutcome]:
        """Serve these and no others; returns what was loaded or failed to, for the log.

        Takes as long as the loading takes, while the models in service go on answering: the
        current version is replaced once the next one has answered its example. One that fails
        leaves the old one serving, and is tried again by the next call.
        """
        with self._applying:
            before = self._places
            self._places = {
                name: before.get(name, Place({})).wanting(wanted)
                for name, wanted in deployments.items()
            }
            outcomes = [outcome for name in deployments for outcome in self._settle(name)]
        if outcomes:
            release_free_memory()
        return outcomes

    def get(self, name: str, version: str | None = None, *, sticky: str = "") -> ServedModel:
        """The model in service under this name, if need be in this version only.

        Args:
            sticky: who calls. Of all callers a canary answers its share, always the same ones;
                it answers nobody who is not named.
        Raises:
            UnknownModel, UnknownVersion: not in service.
            ModelNotReady: it should be, but nothing of it could be loaded (yet).
        """
        place = self._place(name)
        return place.answering(name, sticky) if version is None else place.named(name, version)

    def shadow(self, name: str) -> ServedModel | None:
        """The version that answers copies of the model's requests, if there is one."""
        place = self._places.get(name)
        return place.shadow if place is not None else None

    def names(self) -> list[str]:
        """All models that should be in service, ready or not."""
        return sorted(self._places)

    def versions(self, name: str) -> list[ServedModel]:
        """The versions that callers may name, the current one first. Raises: UnknownModel."""
        place = self._place(name)
        answering = [model for model in place.loaded.values() if model.role != "shadow"]
        return sorted(answering, key=lambda model: (model.role != "current", model.version))

    @property
    def ready(self) -> bool:
        """Whether at least one model has answered its example here."""
        return any(place.serving is not None for place in self._places.values())

    def states(self) -> dict[str, dict[str, Any]]:
        """How each model is, fit for JSON.

        `state` is ready, failed or loading; `version` and `digest` are those serving. A model may
        be ready with an older version than `wanted_version`: `reason` then says why. `versions`
        has each version's own role, percent, sunset_at, state and reason, and whether its memory
        is `private` to this process.
        """
        return {name: place.state() for name, place in sorted(self._places.items())}

    def missing(self, deployments: Mapping[str, Mapping[str, Deployment]]) -> set[tuple[str, str]]:
        """Name and version of what `apply` would have to load."""
        return {
            (name, deployment.version)
            for name, wanted in deployments.items()
            for deployment in self._places.get(name, Place({})).wanting(wanted).missing()
        }

    def _place(self, name: str) -> Place:
        place = self._places.get(name)
        if place is None:
            raise UnknownModel(name)
        return place

    def _settle(self, name: str) -> Iterator[LoadOutcome]:
        for deployment in self._places[name].missing():
            yield self._load(name, deployment)
            if deployment.role == "current" and self._places[name].serving is None:
                yield from self._stand_in(name)

    def _stand_in(self, name: str) -> Iterator[LoadOutcome]:
        """Bring the last version that was current before, and can be loaded, into its place."""
        for deployment in self._places[name].stand_ins():
            started = self._clock()
            try:
                model = self._loaded(name, deployment)
            except Exception as exc:
                yield self._outcome(name, deployment, started, exc)
                continue
            self._replace(name, self._places[name].serving_in_stead(model))
            yield self._outcome(name, deployment, started, None)
            return

    def _load(self, name: str, deployment: Deployment) -> LoadOutcome:
        started = self._clock()
        try:
            model = self._loaded(name, deployment)
        except Exception as exc:  # Whatever a model does, the others must come into service.
            self._replace(name, self._places[name].lacking(deployment.version, exc))
            return self._outcome(name, deployment, started, exc)
        self._replace(name, self._places[name].holding(model))
        return self._outcome(name, deployment, started, None)

    def _loaded(self, name: str, deployment: Deployment) -> ServedModel:
        # A version that stands in may be wanted in a role of its own as well, and the other way
        # round: its memory is the same.
        place = self._places[name]
        for known in (place.loaded.get(deployment.version), place.serving):
            if known is not None and (known.version, known.digest) == (
                deployment.version,
                deployment.manifest_digest,
            ):
                return known
        loaded = self._store.load(name, deployment.version, deployment.manifest_digest)
        return ServedModel(loaded, self._clock)

    def _replace(self, name: str, place: Place) -> None:
        self._places = {**self._places, name: place}

    def _outcome(
        self, name: str, deployment: Deployment, started: float, error: Exception | None
    ) -> LoadOutcome:
        serving = self._places[name].serving
        return LoadOutcome(
            name=name,
            version=deployment.version,
            role=deployment.role,
            duration_s=self._clock() - started,
            error=error,
            serving=serving.version if serving is not None else None,
        )
