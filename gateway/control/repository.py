"""A model brought into service and taken out of it by a caller who may: two changes, no others.

Only versions that operators added can be loaded, as they were added: a caller sends a name and at
most a version, never bytes or a configuration.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Engine

from gateway.control.change import ControlError
from gateway.control.store import ControlStore
from gateway.control.worker_status import Worker, live_workers

# As long as a change takes to reach every worker. Loading a large model takes longer; whoever asks
# then is told to ask again, because one process answers all who want a token, too.
SETTLED_WITHIN_S = 2.0


class NoSuchVersion(ControlError):
    """The model, or the version of it, was never added."""


class Repository:
    """Writes deployments in the name of a caller, and waits for the workers.

    Args:
        store_of: the control store, writing in the name of an actor.
        status: where workers say how they are.
        keep_s: how long a replaced version answers its own path.
    """

    def __init__(
        self,
        store_of: Callable[[str], ControlStore],
        status: Engine,
        keep_s: float,
        *,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store_of = store_of
        self._status = status
        self._keep_s = keep_s
        self._clock = clock
        self._pause = pause

    def load(self, name: str, version: str | None, actor: str) -> bool:
        """Make a version current; True once it answers in every worker.

        Without a version: a model that is in service stays as it is, because operators may have
        taken back what is newer; else the version that was current last, or was added last.

        Raises: NoSuchVersion.
        """
        store = self._store_of(actor)
        rows = _rows(store, name)
        if version is not None and version not in {row.version for row in rows}:
            raise NoSuchVersion(f"there is no version {version} of model {name}")
        current = next((row.version for row in rows if row.active), None)
        wanted = version or current or store.last_promoted(name) or rows[-1].version
        if wanted != current:
            store.promote_model(name, wanted, self._keep_s)
        return self._await(lambda worker: _answers(worker, name, wanted))

    def unload(self, name: str, actor: str) -> bool:
        """Take a model out of service with all its versions; True once no worker has it.

        Raises: NoSuchVersion.
        """
        store = self._store_of(actor)
        if any(row.role is not None for row in _rows(store, name)):
            store.unload_model(name)
        return self._await(lambda worker: name not in worker.models)

    def _await(self, done: Callable[[Worker], bool]) -> bool:
        deadline = self._clock() + SETTLED_WITHIN_S
        while True:
            workers = [w for w in live_workers(self._status, self._clock()) if w.role != "tokens"]
            if all(map(done, workers)):
                return True
            if self._clock() > deadline:
                return False
            self._pause(0.05)


def _rows(store: ControlStore, name: str) -> list[Any]:
    """The versions of a model, in the order in which they were added. Raises: NoSuchVersion."""
    rows = [row for row in store.model_versions() if row.name == name]
    if not rows:
        raise NoSuchVersion(f"there is no model {name}")
    return rows


def _answers(worker: Worker, name: str, version: str) -> bool:
    model: Mapping[str, Any] = worker.models.get(name, {})
    return bool(model.get("state") == "ready" and model.get("version") == version)
