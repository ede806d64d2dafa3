"""Many partners, revocations and models, by the store's own writer; and when all serve them."""

import time
from functools import partial
from pathlib import Path

from bench.ours import Gateway
from bench.processes import NotReady
from gateway.auth.keys import load_pepper, new_client_id, new_client_secret, secret_digest
from gateway.cli.administration import actor, administration
from gateway.cli.model_intake import model_store
from gateway.control.database import writing_engine
from gateway.control.store import ControlStore
from gateway.control.worker_status import Worker, live_workers
from model.engines.record import EngineWish
from model.first_load import load_here

_SCOPES = ("model:*:predict", "model:*:read")
_LOOK_AGAIN_S = 0.1
_SERVED_WITHIN_S = 120.0


class Growth:
    """Adds to what one running stack knows."""

    def __init__(self, own: Gateway, artifact: Path) -> None:
        self._admin = administration(own.data_dir)
        # The commands wait for the disk at each commit; ten thousand need not.
        engine = writing_engine(self._admin.settings.database_url, durable=False)
        self._store = ControlStore(engine, actor=actor(), clock=time.time)
        self._artifact = artifact
        self._models = len({row.name for row in self._store.model_versions()})

    def close(self) -> None:
        self._store.close()
        self._admin.close()

    def partners(self, there: int, wanted: int) -> None:
        pepper = load_pepper(self._admin.settings.keys_dir)
        for number in range(there, wanted):
            name, digest = f"partner-{number}", secret_digest(pepper, new_client_secret())
            self._store.create_partner(name, new_client_id(name), "standard", _SCOPES, digest)

    def revocations(self, there: int, wanted: int) -> None:
        for number in range(there, wanted):
            self._store.revoke_token(f"{number:032x}", time.time() + 3600)

    def models(self, there: int, wanted: int) -> None:
        """Further names for the same artifact, answered by its own library."""
        store = model_store(self._admin)
        load = partial(load_here, wish=EngineWish("native"))
        for number in range(there, wanted):
            name = f"model-{number}"
            manifest = store.place(store.prove(self._artifact, name, "1", actor(), load=load))
            self._store.add_model_version(name, "1", manifest.digest)
            self._store.promote_model(name, "1", 0)
            self._models += 1

    def await_served(self) -> float:
        """Until every live worker serves all of it, with memory shared; the seconds it took.

        Raises: NotReady.
        """
        # A change of its own says which revision is the last one.
        revision = self._store.revoke_token("f" * 32, time.time() + 1)
        began = time.monotonic()
        while not all(self._serves(worker, revision) for worker in self._workers()):
            if time.monotonic() > began + _SERVED_WITHIN_S:
                raise NotReady(f"revision {revision} is not served by every worker")
            time.sleep(_LOOK_AGAIN_S)
        return time.monotonic() - began

    def _workers(self) -> list[Worker]:
        return live_workers(self._admin.status_engine, time.time())

    def _serves(self, worker: Worker, revision: int) -> bool:
        if worker.role != "predictions":
            return worker.revision >= revision
        states = worker.models.values()
        ready = sum(state["state"] == "ready" for state in states) >= self._models
        # A model that came while the worker ran is its own until the worker is replaced.
        private = any(
            version["private"] for state in states for version in state["versions"].values()
        )
        return worker.revision >= revision and ready and not private
