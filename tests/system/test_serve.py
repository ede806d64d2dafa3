"""`gateway serve`, as Amazon SageMaker runs a container: started, probed, called, ended."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import joblib
import pytest
from free_ports import free_port
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from stack_process import GATEWAY, ROOT

# The platform waits four minutes for the first 200; a busy machine that runs tests needs some.
_READY_WITHIN_S = 60.0
IRIS = load_iris()
ROWS = IRIS.data[::50].tolist()


@dataclass
class Container:
    """The process, where it listens, and where its data and its log are."""

    process: subprocess.Popen[bytes]
    base_url: str
    data_dir: Path
    log: Path

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        return httpx.request(method, self.base_url + path, timeout=30, **options)

    def answered(self, awaited: int | None) -> httpx.Response:
        """A prediction; the first with this status, where one is awaited."""
        deadline = time.monotonic() + 30
        while True:
            answer = self.call("POST", "/invocations", json=ROWS)
            if awaited in {None, answer.status_code} or time.monotonic() > deadline:
                return answer
            time.sleep(0.05)  # A pause between polls, not a wait for a state.

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.read_bytes().splitlines()]
        return [line for line in lines if line["event"] == name]


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the platform unpacks below /opt/ml/model."""
    folder = tmp_path_factory.mktemp("ml") / "model"
    folder.mkdir()
    joblib.dump(LogisticRegression(max_iter=500).fit(IRIS.data, IRIS.target), folder / "m.joblib")
    return folder


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory, model_path: Path) -> Iterator[Container]:
    """Started as a container is, with the port that the platform names."""
    folder = tmp_path_factory.mktemp("serve")
    port = free_port()
    environment = {
        **os.environ,
        "GATEWAY_SAGEMAKER__PARTNER": "cloud",
        "GATEWAY_CONTROL__POLL_S": "0.25",
        "SAGEMAKER_BIND_TO_PORT": str(port),
    }
    command = [*GATEWAY, "--data-dir", str(folder / "var"), "serve", str(model_path)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.DEVNULL
        )
    found = Container(process, f"http://127.0.0.1:{port}", folder / "var", folder / "log")
    try:
        _wait_until_ready(found)
        yield found
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=40)


def _wait_until_ready(container: Container) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline and container.process.poll() is None:
        try:
            if httpx.get(f"{container.base_url}/ping").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)  # A pause between polls, not a wait for a state.
    raise AssertionError(f"not ready:\n{container.log.read_text()}")


def test_ping_answers_at_once(container: Container) -> None:
    """200 with an empty body, within the 2 s that the platform waits."""
    answer = httpx.get(f"{container.base_url}/ping", timeout=2)

    assert (answer.status_code, answer.content) == (200, b"")


def test_invocations_need_no_token(container: Container) -> None:
    """JSON and CSV, Accept, and attributes that go both ways."""
    attributes = {"X-Amzn-SageMaker-Custom-Attributes": "trace=7"}
    in_json = container.call("POST", "/invocations", json=ROWS, headers=attributes)
    in_csv = container.call(
        *("POST", "/invocations"),
        content="\n".join(",".join(map(str, row)) for row in ROWS),
        headers={"Content-Type": "text/csv", "Accept": "text/csv"},
    )

    assert in_json.json() == [0, 1, 2]
    assert in_json.headers["X-Amzn-SageMaker-Custom-Attributes"] == "trace=7"
    assert in_csv.text.split() == ["0", "1", "2"]


def test_there_is_nothing_else_behind_the_open_door(container: Container) -> None:
    """No contract, no tokens, no health of other protocols."""
    for path in ("/v1/models", "/oauth/token", "/v2/health/live", "/openapi.json", "/docs"):
        assert container.call("GET", path).status_code == 404


def test_the_log_says_that_the_door_is_open(container: Container) -> None:
    """And no key was made, which a model could read."""
    opened = container.events("requests_need_no_token")

    assert [event["partner"] for event in opened] == ["cloud"]
    assert not (container.data_dir / "keys").exists()
    assert len(container.events("model_loaded")) >= 1


def test_operations_close_the_door(container: Container) -> None:
    """The partner is disabled as any other is, and refused by the time the command returns.

    Or soon after, where it says (exit code 3) that not every worker has it yet.
    """
    disabled = _partner(container, "disable")
    refused = container.answered(401 if disabled == 3 else None)
    enabled = _partner(container, "enable")

    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    assert container.answered(200 if enabled == 3 else None).status_code == 200


def _partner(container: Container, command: str) -> int:
    gateway = [*GATEWAY, "--data-dir", str(container.data_dir)]
    done = subprocess.run(
        [*gateway, "partner", command, "cloud"], cwd=ROOT, check=False, timeout=60
    )
    assert done.returncode in {0, 3}
    return done.returncode


def test_it_does_not_start_without_a_partner(tmp_path: Path, model_path: Path) -> None:
    """There is no default: without tokens, somebody has to say as whom."""
    command = [*GATEWAY, "--data-dir", str(tmp_path), "serve", "--port", str(free_port())]
    refused = subprocess.run(
        [*command, str(model_path)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert refused.returncode == 1
    assert "GATEWAY_SAGEMAKER__PARTNER" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_sigterm_ends_it_in_time(container: Container) -> None:
    """Long before the platform's SIGKILL, 30 s later; last, because nothing answers then."""
    started = time.monotonic()
    container.process.send_signal(signal.SIGTERM)

    assert container.process.wait(timeout=25) == 0
    assert time.monotonic() - started < 25
