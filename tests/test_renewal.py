"""The process that workers are forked from: up to date, and never before its workers."""

from pathlib import Path
from typing import Any

import pytest
from app_fixture import AppFixture, add_version, make_app
from fakes import save_artifact
from sklearn.linear_model import LinearRegression

from gateway.control.worker_status import Worker
from gateway.model_follower import ModelFollower
from gateway.renewal import Renewal
from model import ModelStore, ServedModels


class Master:
    """It, and what its workers have reported."""

    def __init__(self, gateway: AppFixture) -> None:
        self.store = gateway.control.store
        self.models = ServedModels(ModelStore(gateway.control.settings.models_dir))
        self.reports: list[dict[str, Any]] = []
        follower = ModelFollower(gateway.control.watcher, self.models)
        follower.follow()
        self.renewal = Renewal(gateway.control.watcher, follower, self._workers)

    def _workers(self) -> list[Worker]:
        return [
            Worker(f"w{n}", "predictions", "here", n, 1, models, False, 0.0, 0.0)
            for n, models in enumerate(self.reports)
        ]

    def step(self, *states: str, version: str = "2") -> str:
        """One round, with workers in these states of a version; who serves then."""
        self.reports = [{"line": {"versions": {version: {"state": state}}}} for state in states]
        self.renewal.step()
        return self.models.get("line").version


@pytest.fixture
def master(tmp_path: Path) -> Master:
    line = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
    gateway = make_app(tmp_path, models={"line": line})
    for version in ("2", "3"):
        source = save_artifact(tmp_path / "sources" / version, line)
        add_version(gateway.control, "line", version, source)
    return Master(gateway)


@pytest.mark.parametrize("states", [[], ["unknown"], ["loading"], ["ready", "loading"]])
def test_nothing_is_loaded_that_a_worker_has_not_tried(master: Master, states: list[str]) -> None:
    """What crashes or hangs a worker must not take all of them with it."""
    master.store.promote_model("line", "2", 0)

    assert master.step(*states) == "1"
    assert master.renewal.generation == 0


@pytest.mark.parametrize("states", [["ready"], ["ready", "ready"], ["ready", "failed"]])
def test_what_all_workers_have_tried_is_loaded_once(master: Master, states: list[str]) -> None:
    """The generation rises by one: workers forked before are to be replaced, and no others."""
    master.store.promote_model("line", "2", 0)
    served = [master.step(*states) for _ in range(3)]

    assert served == ["2", "2", "2"]
    assert master.renewal.generation == 1


def test_a_version_that_fails_replaces_no_worker(master: Master, tmp_path: Path) -> None:
    """However often it is tried again."""
    (tmp_path / "models" / "line" / "2").rename(tmp_path / "lost")
    master.store.promote_model("line", "2", 0)
    served = [master.step("failed") for _ in range(3)]

    assert served == ["1", "1", "1"]
    assert master.renewal.generation == 0


def test_a_change_of_roles_replaces_no_worker(master: Master) -> None:
    """What is in memory already is only put to another use; at once, whoever has reported."""
    master.store.set_canary("line", "2", 10)
    master.step("ready")
    master.store.promote_model("line", "2", 1000)
    promoted = master.step()
    master.store.rollback_model("line")
    back = master.step()

    assert (promoted, back) == ("2", "1")
    assert master.renewal.generation == 1


def test_a_version_that_left_is_let_go(master: Master) -> None:
    """Its memory is not kept for workers to come."""
    master.store.promote_model("line", "2", 0)
    master.step("ready")
    master.store.promote_model("line", "3", 0)
    master.step("ready", version="3")

    assert [model.version for model in master.models.versions("line")] == ["3"]
    assert master.renewal.generation == 2
