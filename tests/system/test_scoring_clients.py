"""Clients that others wrote for MLflow, KServe and SageMaker, against the running stack."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from compatibility import Matrix
from stack_process import EXAMPLE_ROW, ROOT, Stack, bearer

_ENVIRONMENT = ROOT / ".venv-clients"
_SCRIPT = Path(__file__).with_name("scoring_clients.py")


@pytest.fixture(scope="module", autouse=True)
def _clients() -> None:
    if (_ENVIRONMENT / ".installed").is_file():
        return
    message = "tests of other people's clients need .venv-clients: make test installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="module")
def names(stack: Stack, token: str) -> list[str]:
    """The features, in the order of the contract."""
    with stack.client(headers=bearer(token)) as client:
        contract = client.get("/v1/models/breast-cancer").json()
    return [feature["name"] for feature in contract["features"]]


def run(client: str, stack: Stack, token: str, names: list[str]) -> Any:
    """Let a client make its calls; what it says that it was answered."""
    authority = str(stack.data_dir / "tls" / "ca.pem")
    done = subprocess.run(
        [_ENVIRONMENT / "bin" / "python", "-W", "ignore", _SCRIPT, client, stack.base_url],
        input=json.dumps({"token": token, "names": names, "rows": [EXAMPLE_ROW]}),
        env={**os.environ, "REQUESTS_CA_BUNDLE": authority, "SSL_CERT_FILE": authority},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_mlflows_client(
    stack: Stack, token: str, names: list[str], dense_answer: dict[str, Any], matrix: Matrix
) -> None:
    """Frames, arrays and params; our error code is one of MLflow's own."""
    answers = run("mlflow-skinny", stack, token, names)
    client = f"mlflow-skinny {answers['version']}"
    invoked = [call for call in answers if call.startswith("invoke, ") and "params" not in call]

    assert len(invoked) == 5
    assert [answers[call] for call in invoked] == [dense_answer["predictions"]] * 5
    assert answers["invoke, params"] == dense_answer["probabilities"]
    assert answers["ping"]
    assert answers["error"] == "INVALID_PARAMETER_VALUE"
    assert set(MLFLOW_CODES) <= set(answers["codes"])
    how = "works, with url, CA and token given to requests"
    for call in [*invoked, "invoke, params", "ping", "server version"]:
        matrix.works(client, "MLflow", call, how=how)


# What gateway.dialects.mlflow and nginx answer.
MLFLOW_CODES = (
    "BAD_REQUEST",
    "DEADLINE_EXCEEDED",
    "ENDPOINT_NOT_FOUND",
    "INTERNAL_ERROR",
    "INVALID_PARAMETER_VALUE",
    "NOT_IMPLEMENTED",
    "PERMISSION_DENIED",
    "REQUEST_LIMIT_EXCEEDED",
    "RESOURCE_DOES_NOT_EXIST",
    "TEMPORARILY_UNAVAILABLE",
    "UNAUTHENTICATED",
)


def test_kserves_client(
    stack: Stack, token: str, names: list[str], dense_answer: dict[str, Any], matrix: Matrix
) -> None:
    """InferenceRESTClient in both protocols; it finds the text of an error."""
    answers = run("kserve", stack, token, names)
    client = f"kserve {answers['version']}"

    assert answers["v1 infer, instances"] == dense_answer["predictions"]
    assert answers["v1 infer, inputs"] == dense_answer["predictions"]
    assert answers["v2 infer"] == dense_answer["predictions"]
    assert "see errors" in answers["v1 error"]
    for call in ("v1 model ready", "v2 live", "v2 ready", "v2 model ready"):
        assert answers[call] is True
    for call in ("infer, instances", "infer, inputs", "model ready"):
        matrix.works(client, "KServe v1", call)
    for call in ("live", "ready", "model ready"):
        matrix.works(client, "Open Inference Protocol v2", call)
    numbers = "infer, numbers in one tensor"
    variant = "JSON in, JSON out, not compressed"
    matrix.works(client, "Open Inference Protocol v2", numbers, variant)


def test_sagemakers_toolkit(
    stack: Stack, token: str, names: list[str], dense_answer: dict[str, Any], matrix: Matrix
) -> None:
    """What its encoder writes is read, and its decoder reads what is answered; each with each."""
    answers = run("sagemaker-inference", stack, token, names)
    client = f"sagemaker-inference {answers.pop('version')}"

    assert len(answers) == 9
    for kinds, answer in answers.items():
        sent, accepted = kinds.split(", ")
        assert answer == dense_answer["predictions"], kinds
        matrix.works(client, "SageMaker", "invocations", f"{sent} in, {accepted} out")
