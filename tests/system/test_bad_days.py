"""Stores that go away, artifacts that rot, workers that hang: what works on, and what is said."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from load import Load
from stack_process import EXAMPLE_BODY, PREDICT, ROOT, Stack, bearer, running


@pytest.fixture(scope="module")
def fragile(folder: Path, plans: Path) -> Iterator[Stack]:
    """A stack that refuses tokens after 3 s without its database."""
    home = folder / "fragile"
    home.mkdir(mode=0o755)
    environment = {
        "GATEWAY_PLANS": str(plans),
        "GATEWAY_AUTH__REFUSE_TOKENS_AFTER_S": "3",
        "GATEWAY_LIMITS__TIMEOUT_S": "0.2",
    }
    yield from running(Stack(home, environment))


@pytest.fixture(scope="module")
def fragile_token(fragile: Stack) -> str:
    return fragile.token(fragile.create_partner("steady"))


def redis_pid(stack: Stack) -> int:
    """The Redis that this stack started, and no other."""
    assert stack.process is not None
    children = ["pgrep", "-P", str(stack.process.pid), "redis-server"]
    return int(subprocess.run(children, capture_output=True, text=True, check=True).stdout)


def test_redis_hangs_and_comes_back(fragile: Stack, fragile_token: str) -> None:
    """Predictions go on under the local fallback, tokens are refused; then all is as before."""
    pid = redis_pid(fragile)
    before = len(fragile.events("limits_fallback_started"))
    with fragile.client() as client:
        os.kill(pid, signal.SIGSTOP)
        try:
            away = [
                client.post(PREDICT, content=EXAMPLE_BODY, headers=bearer(fragile_token))
                for _ in range(20)
            ]
            credentials = fragile.demo_credentials()
            refused = client.post(
                "/oauth/token",
                data={"grant_type": "client_credentials"},
                auth=(credentials["client_id"], credentials["client_secret"]),
            )
            fragile.wait_until(
                lambda: bool(fragile.cli_json("status", check=False)["limits_in_fallback"]),
                30,
                "seen in gateway status",
            )
            started = fragile.events("limits_fallback_started")[before:]
        finally:
            os.kill(pid, signal.SIGCONT)

    assert {answer.status_code for answer in away} == {200}
    # A retry of redis-py's own would take 4.7 s.
    assert max(answer.elapsed.total_seconds() for answer in away) < 3.0
    assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")
    assert "Retry-After" in refused.headers
    fragile.wait_until(lambda: fragile.cli_json("status", check=False)["healthy"], 30, "healthy")
    assert 1 <= len(started) <= 2  # Once in each worker that met it.
    assert fragile.token(fragile.demo_credentials())


def test_redis_dies_and_is_started_again(fragile: Stack, fragile_token: str) -> None:
    """Nothing fails in between; the stack itself starts it again."""
    with Load(fragile, lambda: fragile_token, callers=2) as load:
        load.wait_for_answers(20)
        os.kill(redis_pid(fragile), signal.SIGKILL)
        load.wait_for_answers(60)
        fragile.wait_until(
            lambda: fragile.cli_json("status", check=False)["healthy"], 30, "healthy"
        )

    assert set(load.statuses) == {200}, load.bodies[:3]
    assert not load.broken


def test_database_away(fragile: Stack, fragile_token: str) -> None:
    """Service goes on from the last snapshot; after the stated age tokens are refused with 503."""
    control = fragile.data_dir / "control"
    hidden = fragile.data_dir / "control.hidden"
    with fragile.client() as client:
        answers: list[httpx.Response] = []

        def status() -> int:
            answers.append(
                client.post(PREDICT, content=EXAMPLE_BODY, headers=bearer(fragile_token))
            )
            return answers[-1].status_code

        control.rename(hidden)
        try:
            at_once = status()
            fragile.wait_until(
                lambda: {status() for _ in range(8)} == {503}, 30, "refusing tokens in every worker"
            )
            refusal = answers[-1]
            live = client.get("/readyz").status_code
        finally:
            hidden.rename(control)
        fragile.wait_until(lambda: {status() for _ in range(6)} == {200}, 30, "back")

    assert at_once == 200
    assert refusal.json()["code"] == "control_store_unavailable"
    assert int(refusal.headers["Retry-After"]) >= 1
    assert live == 200
    assert fragile.events("control_store_away")
    # Tokens are accepted again before the worker has said so, and its line takes a moment.
    fragile.wait_until(lambda: bool(fragile.events("control_store_back")), 30, "told of")


_ADD_MODELS = """
import sys
sys.path.insert(0, "tests")
import time
from pathlib import Path
import hostile_models
from gateway.cli.administration import administration
from model import ModelStore
admin = administration(Path(sys.argv[1]))
store = ModelStore(admin.settings.models_dir)
for name, source in hostile_models.sources(Path(sys.argv[2])).items():
    manifest = store.add(source, name, "1", "test", trust=True)
    admin.store.add_model_version(name, "1", manifest.digest)
    revision = admin.store.promote_model(name, "1", 0)
admin.await_served(revision)
"""


@pytest.fixture(scope="module")
def hostile(folder: Path, plans: Path) -> Iterator[Stack]:
    """A stack with a short deadline, and models that hang or are corrupt."""
    home = folder / "hostile"
    home.mkdir(mode=0o755)
    environment = {
        "GATEWAY_PLANS": str(plans),
        "GATEWAY_SERVER__REQUEST_DEADLINE_S": "3.0",
        "PYTHONPATH": str(ROOT / "tests"),
    }
    for stack in running(Stack(home, environment)):
        subprocess.run(
            [sys.executable, "-c", _ADD_MODELS, str(stack.data_dir), str(home / "sources")],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
            check=True,
            timeout=60,
        )
        yield stack


@pytest.fixture(scope="module")
def hostile_token(hostile: Stack) -> str:
    return hostile.token(hostile.create_partner("steady"))


def answered(stack: Stack, call: Callable[[], httpx.Response], *statuses: int) -> httpx.Response:
    """The first answer with one of these statuses; before it the model may not be loaded yet."""
    answers: list[httpx.Response] = []

    def asked() -> bool:
        answers.append(call())
        return answers[-1].status_code in statuses

    stack.wait_until(asked, 60, f"answered with {statuses}")
    return answers[-1]


def test_slow_model_ends_at_its_deadline(hostile: Stack, hostile_token: str) -> None:
    """A model that takes 0.6 s is answered with 504 at 0.3 s, and the workers are free again."""
    headers = bearer(hostile_token)
    with hostile.client() as client:
        slow = answered(
            hostile,
            lambda: client.post("/v1/models/slow/predict", content="[[0]]", headers=headers),
            504,
        )
        answered(hostile, lambda: client.post(PREDICT, content=EXAMPLE_BODY, headers=headers), 200)

    assert slow.json()["code"] == "deadline_exceeded"
    assert slow.elapsed.total_seconds() > 0.25


def stuck_call(hostile: Stack, token: str) -> tuple[httpx.Response, dict[str, dict[str, Any]]]:
    """What a call is answered that takes a worker's life, and what was logged of it by name."""
    headers = bearer(token)
    before = set(hostile.worker_pids())
    with hostile.client() as client:
        stuck = answered(
            hostile,
            lambda: client.post("/v1/models/stuck/predict", content="[[1]]", headers=headers),
            *(502, 504),
        )
        hostile.wait_until(
            lambda: len(hostile.worker_pids()) == 2 and set(hostile.worker_pids()) != before,
            60,
            "replaced",
        )
        answered(hostile, lambda: client.post(PREDICT, content=EXAMPLE_BODY, headers=headers), 200)
    request_id = stuck.headers["X-Request-ID"]
    return stuck, {e["event"]: e for e in hostile.events() if e.get("request_id") == request_id}


def test_stuck_worker_is_replaced(hostile: Stack, hostile_token: str) -> None:
    """Code that never ends costs its caller a 5xx, and one worker its life."""
    # It has a second for its last words; on a busy machine it may be killed without any.
    calls = (stuck_call(hostile, hostile_token) for _ in range(3))
    stuck, told = next(call for call in calls if "request_finished" in call[1])

    assert stuck.json()["code"] in ("bad_gateway", "deadline_exceeded")
    # Whoever is called at night learns which partner and model it was, and where it stood.
    event = told["request_finished"]
    assert (event["status"], event["code"]) == (504, "deadline_exceeded")
    assert (event["partner"], event["model"]) == ("steady", "stuck")
    assert "hostile_models.py" in str(told["prediction_overran"]["causes"])


def test_corrupt_artifact_fails_alone(hostile: Stack, hostile_token: str) -> None:
    """A version whose bytes changed answers 503, shows in status, and leaves the others alone."""
    artifact = hostile.data_dir / "models" / "breast-cancer" / "1" / "model.joblib"
    original = artifact.read_bytes()
    artifact.chmod(0o644)
    artifact.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    try:
        hostile.stop()
        hostile.start()
        with hostile.client() as client:
            corrupt = client.post(PREDICT, content=EXAMPLE_BODY, headers=bearer(hostile_token))
            other = client.get("/v1/models", headers=bearer(hostile_token))
    finally:
        artifact.write_bytes(original)
    status = hostile.cli_json("status", check=False)

    assert (corrupt.status_code, corrupt.json()["code"]) == (503, "model_unavailable")
    assert other.status_code == 200
    assert {failure["model"] for failure in status["failed_models"]} == {"breast-cancer"}
    assert hostile.events("model_not_loaded")
