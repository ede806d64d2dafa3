"""Loading and unloading models over HTTP: the token service's app, and what the store then says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from app_fixture import AppFixture, FinishingClient, add_version, make_app
from control_fixtures import make_repository
from fakes import save_artifact, wine_classifier
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from gateway.control.database import writing_engine
from gateway.control.repository import Repository
from gateway.control.worker_status import WorkerReport
from gateway.token_app import create_token_app
from gateway.wsgi.parts import make_flask_limiter

ADMIN = "model:wine:admin"


class Operations:
    """Two versions of `wine`, the first of them in service, and a partner that may change that."""

    def __init__(
        self,
        folder: Path,
        make: Callable[[AppFixture], Repository] = lambda gateway: make_repository(gateway.control),
    ) -> None:
        self.gateway = make_app(folder)
        self.control = self.gateway.control
        source = save_artifact(folder / "second", wine_classifier())
        add_version(self.control, "wine", "2", source)
        self.control.set_partner("acme", scopes=(ADMIN, "model:wine:read"))
        app = create_token_app(
            self.control.settings,
            self.control.watcher,
            self.control.store,
            flask_limiter=make_flask_limiter(self.control.settings.limits),
            pepper=self.control.pepper,
            repository=make(self.gateway),
        )
        self.client = FinishingClient(app, app.response_class)

    def ask(
        self, call: str, body: Any = None, *, scope: str = ADMIN, **options: Any
    ) -> TestResponse:
        model = options.pop("model", "wine")
        headers = self.gateway.bearer(scope=scope)
        path = f"/v2/repository/models/{model}/{call}"
        return self.client.post(path, json={} if body is None else body, headers=headers, **options)

    @property
    def current(self) -> str | None:
        rows = self.control.store.model_versions()
        return next((row.version for row in rows if row.active), None)

    def actions(self) -> list[tuple[str, str]]:
        """Who did what, as the audit has it."""
        return [(entry.actor, entry.action) for entry in self.control.store.audit_entries(100)]


@pytest.fixture
def operations(tmp_path: Path) -> Operations:
    return Operations(tmp_path)


def test_a_version_is_loaded_by_its_name(operations: Operations) -> None:
    """It is current afterwards, and the audit says which partner asked."""
    response = operations.ask("load", {"parameters": {"version": "2"}})

    assert (response.status_code, response.json) == (200, {})
    assert operations.current == "2"
    assert operations.actions()[-1] == ("partner acme", "model_promoted")
    assert operations.ask("load", query_string={"version": "1"}).status_code == 200
    assert operations.current == "1"


def test_a_model_in_service_stays_as_it_is(operations: Operations) -> None:
    """What is newer may have been taken back; and nothing is written where nothing changes."""
    before = operations.actions()

    assert operations.ask("load").status_code == 200
    assert operations.ask("load", {"parameters": {"version": "1"}}).status_code == 200
    assert operations.current == "1"
    assert operations.actions() == before


def test_unloading_and_loading_again_gives_back_what_was_there(operations: Operations) -> None:
    """Not what was added last. Unloading twice is unloading once."""
    assert operations.ask("unload").status_code == 200
    assert operations.current is None
    assert operations.actions()[-1] == ("partner acme", "model_unloaded")
    before = operations.actions()
    body = {"parameters": {"unload_dependents": False}}
    assert operations.ask("unload", body).status_code == 200
    assert operations.actions() == before
    operations.gateway.refresh()
    assert operations.gateway.models.names() == []

    assert operations.ask("load").status_code == 200
    assert operations.current == "1"


def test_what_never_served_begins_with_its_newest_version(operations: Operations) -> None:
    """As Triton's policy has it."""
    source = operations.control.settings.data_dir / "second"
    for version in ("7", "8"):
        add_version(operations.control, "beer", version, source)

    assert operations.ask("load", model="beer", scope="model:beer:admin").status_code == 403
    operations.control.set_partner("acme", scopes=("model:beer:admin",))
    assert operations.ask("load", model="beer", scope="model:beer:admin").status_code == 200
    assert operations.current in {"1", "8"}
    serving = {
        row.name: row.version for row in operations.control.store.model_versions() if row.active
    }
    assert serving["beer"] == "8"


@pytest.mark.parametrize("call", ["load", "unload"])
@pytest.mark.parametrize(
    "scope", ["model:wine:read", "model:*:predict", "model:*:admin", "model:beer:admin", "x"]
)
def test_only_the_scope_for_this_model_will_do(
    operations: Operations, call: str, scope: str
) -> None:
    """By name: not another verb, nor another model, nor all of them."""
    operations.control.set_partner(
        "acme", scopes=("model:*:predict", "model:*:read", "model:*:admin", "model:beer:admin")
    )
    before = operations.actions()
    response = operations.ask(call, scope=scope)

    assert response.status_code == 403
    assert response.json["error"] == "This call needs the scope model:wine:admin."
    assert response.headers["Gateway-Error-Code"] == "insufficient_scope"
    assert operations.actions() == before


@pytest.mark.parametrize("call", ["load", "unload"])
def test_without_a_token_nothing_happens(operations: Operations, call: str) -> None:
    """401 in Triton's shape."""
    response = operations.client.post(f"/v2/repository/models/wine/{call}", json={})

    assert response.status_code == 401
    assert response.json["error"].startswith("Send an access token")
    assert operations.current == "1"


@pytest.mark.parametrize(
    ("call", "body", "status", "code"),
    [
        ("load", {"parameters": {"config": "{}"}}, 400, "bad_request"),
        ("load", {"parameters": {"file:1/model.joblib": "AAAA"}}, 400, "bad_request"),
        ("load", {"parameters": {"version": 2}}, 400, "bad_request"),
        ("load", {"parameters": {"version": ""}}, 400, "bad_request"),
        ("load", {"parameters": []}, 400, "bad_request"),
        ("load", {"other": 1}, 400, "bad_request"),
        ("load", [], 400, "bad_request"),
        ("unload", {"parameters": {"version": "1"}}, 400, "bad_request"),
        ("load", {"parameters": {"version": "9"}}, 404, "unknown_model"),
        ("load", {"parameters": {"version": "../1"}}, 404, "unknown_model"),
    ],
)
def test_what_cannot_be_loaded_is_refused(
    operations: Operations, call: str, body: Any, status: int, code: str
) -> None:
    """No bytes and no configuration come from callers; nothing was written."""
    before = operations.actions()
    response = operations.ask(call, body)

    assert (response.status_code, response.json["code"]) == (status, code)
    assert response.json["error"]
    assert operations.actions() == before


def test_a_body_that_is_no_json_is_refused(operations: Operations) -> None:
    """An empty one is none at all."""
    path, headers = "/v2/repository/models/wine/load", operations.gateway.bearer(scope=ADMIN)

    assert operations.client.post(path, data=b"{", headers=headers).status_code == 400
    assert operations.client.post(path, data=b"", headers=headers).status_code == 200


# What the workers say


class Clock:
    """Time that passes only while somebody waits, when something else may happen."""

    def __init__(self, on_pause: Callable[[], None]) -> None:
        self.now_s = 1000.0
        self._on_pause = on_pause

    def pause(self, duration_s: float) -> None:
        self.now_s += duration_s
        self._on_pause()


def waiting(gateway: AppFixture, on_pause: Callable[[Engine, Clock], None]) -> Repository:
    """A repository beside one worker, which does something each time it is waited for."""
    make_repository(gateway.control)
    engine = writing_engine(gateway.control.settings.status_url, durable=False)
    clock = Clock(lambda: on_pause(engine, clock))
    report(engine, clock, "1")
    return Repository(
        gateway.control.store.written_by,
        engine,
        keep_s=60.0,
        clock=lambda: clock.now_s,
        pause=clock.pause,
    )


def report(engine: Engine, clock: Clock, version: str | None) -> None:
    """Say what the worker serves."""
    models = {} if version is None else {"wine": {"state": "ready", "version": version}}
    report = WorkerReport(engine, "predictions", clock=lambda: clock.now_s)
    report.write(1, models, limits_fallback=False)


def test_loading_waits_until_every_worker_answers(tmp_path: Path) -> None:
    """True only once the version that is wanted answers; the same for letting it go."""
    gateway = make_app(tmp_path)
    source = save_artifact(tmp_path / "second", wine_classifier())
    add_version(gateway.control, "wine", "2", source)
    loading = waiting(gateway, lambda engine, clock: report(engine, clock, "2"))
    going = waiting(gateway, lambda engine, clock: report(engine, clock, None))

    assert loading.load("wine", "2", "partner acme")
    assert going.unload("wine", "partner acme")


def test_a_worker_that_is_late_is_told(tmp_path: Path) -> None:
    """After two seconds the caller hears that it should ask again; the change is kept."""
    gateway = make_app(tmp_path)
    add_version(gateway.control, "wine", "2", save_artifact(tmp_path / "two", wine_classifier()))
    stuck = waiting(gateway, lambda engine, clock: report(engine, clock, "1"))

    assert not stuck.load("wine", "2", "partner acme")
    assert not stuck.unload("wine", "partner acme")


def test_asking_too_early_is_503_with_retry_after(tmp_path: Path) -> None:
    """In Triton's shape, with the time to wait."""
    operations = Operations(
        tmp_path,
        lambda gateway: waiting(gateway, lambda engine, clock: report(engine, clock, "old")),
    )
    for call in ("load", "unload"):
        response = operations.ask(call, {"parameters": {"version": "2"}} if call == "load" else {})

        assert (response.status_code, response.json["code"]) == (503, "model_unavailable")
        assert response.headers["Retry-After"] == "1"
        assert response.json["error"].endswith("ask again.")
