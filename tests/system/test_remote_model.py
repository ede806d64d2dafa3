"""A model on a real MLServer behind the whole stack: its answers, its absence, its return."""

import os
from collections.abc import Iterator
from pathlib import Path

import mlserver
import pytest
from mlserver import MLServer
from stack_process import EXAMPLE_BODY, PREDICT, Stack, bearer, running

_PREDICT_WINE = "/v1/models/wine/predict"
_ROWS = [
    [14.23, 1.71, 2.43, 15.6, 127.0, 2.8, 3.06, 0.28, 2.29, 5.64, 1.04, 3.92, 1065.0],
    [12.37, 0.94, 1.36, 10.6, 88.0, 1.98, 0.57, 0.28, 0.42, 1.95, 1.05, 1.82, 520.0],
    [12.86, 1.35, 2.32, 18.0, 122.0, 1.51, 1.25, 0.21, 0.94, 4.1, 0.76, 1.29, 630.0],
]


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[MLServer]:
    if not mlserver.installed():
        message = "tests of remote models need MLServer in .venv-mlserver: make test installs it"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    server = MLServer(folder / "mlserver")
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def remote_stack(engine: MLServer, folder: Path, plans: Path) -> Iterator[Stack]:
    """A stack that serves `wine` from the engine, beside the example model of its own."""
    home = folder / "remote"
    home.mkdir(mode=0o755)
    source = home / "wine"
    source.mkdir()
    (source / "model.toml").write_text(f'[remote]\nurl = "{engine.url}"\nmodel = "wine"\n')
    for stack in running(Stack(home, {"GATEWAY_PLANS": str(plans)})):
        stack.wait_until(engine.ready, 90, "the engine ready")
        stack.cli("model", "add", str(source), "--name", "wine", "--promote")
        yield stack


@pytest.fixture(scope="module")
def remote_token(remote_stack: Stack) -> str:
    return remote_stack.token(remote_stack.create_partner("steady"))


def test_answers_are_the_engines_own(
    remote_stack: Stack, remote_token: str, engine: MLServer
) -> None:
    """The same labels and the same probabilities, digit for digit, under our names."""
    own = engine.infer(_ROWS)
    with remote_stack.client() as client:
        response = client.post(_PREDICT_WINE, json=_ROWS, headers=bearer(remote_token))
    assert response.status_code == 200, response.text
    answer = response.json()

    assert answer["predictions"] == own["predict"] == [0, 1, 2]
    assert [number for row in answer["probabilities"] for number in row] == own["predict_proba"]


def test_contract_is_the_engines(remote_stack: Stack, remote_token: str) -> None:
    """Partners see features and outputs as of any other model; its faults are found here."""
    with remote_stack.client() as client:
        contract = client.get("/v1/models/wine", headers=bearer(remote_token)).json()
        refused = client.post(_PREDICT_WINE, json=[[1.0, 2.0]], headers=bearer(remote_token))

    assert len(contract["features"]) == 13
    assert [output["name"] for output in contract["outputs"]] == ["predictions", "probabilities"]
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")


def test_engine_goes_away_and_comes_back(
    remote_stack: Stack, remote_token: str, engine: MLServer
) -> None:
    """503 with Retry-After while it is away, the other models answer; then 200 again by itself."""
    headers = bearer(remote_token)
    with remote_stack.client() as client:
        engine.kill()
        away = [client.post(_PREDICT_WINE, json=_ROWS, headers=headers) for _ in range(12)]
        others = [client.post(PREDICT, content=EXAMPLE_BODY, headers=headers) for _ in range(12)]
        ready = client.get("/readyz")
        engine.start()

        def back() -> bool:
            return client.post(_PREDICT_WINE, json=_ROWS, headers=headers).status_code == 200

        remote_stack.wait_until(back, 90, "answered by the engine again")

    assert {(r.status_code, r.json()["code"]) for r in away} == {(503, "model_unavailable")}
    assert all(1 <= int(response.headers["Retry-After"]) <= 5 for response in away)
    assert {response.status_code for response in others} == {200}
    assert ready.status_code == 200
