"""The composition root: three apps, each from a prepared folder."""

import json
import os
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_fixtures import Shell
from control_fixtures import make_control_store
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs
from werkzeug.test import Client

from config.settings import InvalidSettings
from gateway.control.database import writing_engine
from gateway.control.worker_status import Worker, live_workers
from gateway.wsgi.joined import joined_app
from gateway.wsgi.predictions import app
from gateway.wsgi.service import Reporter, Service
from gateway.wsgi.tokens import token_app

EXAMPLE = Path("examples/breast_cancer/request.json")
PREDICT = "/v1/models/breast-cancer/predict"


@pytest.fixture
def shell(prepared: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A copy, in which this process is to serve."""
    shell = prepared.copy_to(tmp_path)
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(shell.data_dir))
    monkeypatch.setenv("GATEWAY_CONTROL__POLL_S", "0.01")
    return shell


@pytest.fixture
def start() -> Iterator[Callable[[Callable[[], Service]], Client]]:
    """Builds and starts a service as a worker does; all are stopped at the end."""
    started: list[Service] = []

    def start(factory: Callable[[], Service]) -> Client:
        service = factory()
        service.start()
        started.append(service)
        return Client(service)

    yield start
    for service in started:
        service.stop()


def _live(shell: Shell) -> list[Worker]:
    return live_workers(writing_engine(shell.settings.status_url), time.time())


def _predict(client: Client, token: str) -> tuple[int, str]:
    response = client.post(
        PREDICT,
        data=EXAMPLE.read_bytes(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    return response.status_code, response.get_data(as_text=True)


def _ask_token(client: Client, shell: Shell) -> tuple[int, str]:
    credentials = json.loads((shell.data_dir / "demo-credentials.json").read_text())
    response = client.post(
        "/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=(credentials["client_id"], credentials["client_secret"]),
    )
    return response.status_code, response.get_data(as_text=True)


def test_joined_gives_tokens_and_predictions(shell: Shell, start: Callable[..., Client]) -> None:
    """Both in one process, and the log says that they share it."""
    with capture_logs() as events:
        client = start(joined_app)
    status, body = _ask_token(client, shell)
    assert status == 200, body
    status, prediction = _predict(client, json.loads(body)["access_token"])

    assert status == 200, prediction
    assert json.loads(prediction)["model"] == "breast-cancer"
    assert client.get("/.well-known/jwks.json").status_code == 200
    assert client.get("/readyz").status_code == 200
    assert "models_and_private_keys_share_a_process" in [event["event"] for event in events]


def test_apart_each_knows_its_own_paths_only(shell: Shell, start: Callable[..., Client]) -> None:
    """What one gives the other takes; neither answers for the other."""
    predictions, tokens = start(app), start(token_app)
    status, body = _ask_token(tokens, shell)
    assert status == 200, body
    token = json.loads(body)["access_token"]

    assert _predict(predictions, token)[0] == 200
    assert _predict(tokens, token)[0] == 404
    assert _ask_token(predictions, shell)[0] in {401, 404}


def test_the_prediction_app_needs_no_private_key(
    shell: Shell, start: Callable[..., Client]
) -> None:
    """With the folder of keys gone it starts, is ready and accepts tokens; the other does not."""
    token = shell.done("token", "issue", "demo").strip()
    shutil.rmtree(shell.settings.keys_dir)
    client = start(app)

    assert client.get("/readyz").status_code == 200
    assert _predict(client, token)[0] == 200
    for factory in (token_app, joined_app):
        with pytest.raises(ValueError, match="pepper cannot be read"):
            factory()


def test_the_prediction_app_opens_no_private_key(shell: Shell) -> None:
    """Where it could, it does not look: no file or folder of keys is opened while it serves."""
    program = """
        import os, sys
        opened = []
        watched = {"open", "os.listdir", "os.scandir", "glob.glob"}
        sys.addaudithook(lambda event, args: event in watched and opened.append(str(args[0])))
        from gateway.wsgi.predictions import app
        from werkzeug.test import Client
        service = app()
        service.start()
        assert Client(service).get("/readyz").status_code == 200
        service.stop()
        assert [path for path in opened if "model.joblib" in path], opened
        keys = os.environ["GATEWAY_DATA_DIR"] + "/keys"
        print([path for path in opened if path.startswith(keys)])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, "GATEWAY_DATA_DIR": str(shell.data_dir)},
    )

    assert done.stdout.splitlines()[-1] == "[]"


def test_the_token_service_imports_no_model(shell: Shell) -> None:
    """Its process has nothing that could unpickle one."""
    program = (
        "import sys\nfrom gateway.wsgi.tokens import token_app\ntoken_app()\n"
        "print({'model', 'sklearn', 'joblib', 'numpy'} & set(sys.modules) or 'none')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, "GATEWAY_DATA_DIR": str(shell.data_dir)},
    )

    assert done.stdout.splitlines()[-1] == "none"


def test_a_started_worker_is_on_the_list_until_it_stops(shell: Shell) -> None:
    """With its role, revision and models: a write can wait for it from its first request on."""
    service = app()
    assert _live(shell) == []
    service.start()
    [worker] = _live(shell)
    service.stop()

    assert (worker.role, worker.pid) == ("predictions", os.getpid())
    assert worker.revision == shell.audited().revision
    assert worker.models["breast-cancer"]["state"] == "ready"
    assert _live(shell) == []


def test_a_worker_begins_with_what_is_decided_by_then(shell: Shell) -> None:
    """What it inherits by its fork may be old: a revocation since then counts at once (SEC-31)."""
    token = shell.done("token", "issue", "demo").strip()
    service = app()
    shell.done("token", "revoke", "--token", token)
    service.start()
    status, _ = _predict(Client(service), token)
    service.stop()

    assert status == 401


def test_a_change_is_served_when_the_command_returns(
    shell: Shell, start: Callable[..., Client]
) -> None:
    """The command waits for the live worker, and ends with 0 because that one has it."""
    token = shell.done("token", "issue", "demo").strip()
    client = start(app)
    assert _predict(client, token)[0] == 200
    shell.done("partner", "disable", "demo")

    assert _predict(client, token)[0] == 401


def test_changes_are_logged_once_by_the_token_service(
    shell: Shell, start: Callable[..., Client]
) -> None:
    """Each with who did what; not by workers that only predict."""
    shell.done("partner", "disable", "demo")
    with capture_logs() as events:
        start(app)
        start(token_app)
    logged = [event["action"] for event in events if event["event"] == "control_changed"]

    assert logged == [entry.action for entry in shell.store.audit_entries(100)]
    assert shell.store.claim_unlogged_audit() == []


def test_stopping_survives_a_lost_status_database(shell: Shell) -> None:
    """A worker must always be able to end."""
    service = token_app()
    service.start()
    shutil.rmtree(shell.data_dir / "status")
    with capture_logs() as events:
        service.stop()

    allowed = {"worker_status_not_removed", "background_task_failed"}
    assert {event["event"] for event in events} <= allowed


def test_stopping_does_not_wait_for_a_lost_status_database(tmp_path: Path) -> None:
    """Where the last report could not be written, none is taken back: that would take as long."""
    watcher = make_control_store(tmp_path).watcher
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"postgresql+psycopg://nobody@127.0.0.1:{silent.getsockname()[1]}/none"
        report = Reporter(writing_engine(url, durable=False), "tokens", watcher)
        with pytest.raises(OperationalError):
            report.write()
        # From now on it takes calls, and answers none.
        silent.listen()
        before = time.monotonic()
        with capture_logs() as events:
            report.remove()
        took_s = time.monotonic() - before

    assert took_s < 1
    assert [event["event"] for event in events] == ["worker_status_not_removed"]


def test_unsafe_settings_stop_the_start(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is built (SEC-97)."""
    monkeypatch.setenv("GATEWAY_SERVER__WORKERS", "2")
    for factory in (app, token_app, joined_app):
        with pytest.raises(InvalidSettings, match="memory:// with server"):
            factory()
