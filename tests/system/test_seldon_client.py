"""SeldonClient of seldon-core, in an environment of its own, against the running stack."""

import json
import os
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from compatibility import Matrix
from stack_process import ROOT, Stack

ENVIRONMENT = ROOT / ".venv-seldon"
CALLS = ROOT / "tests/system/seldon_calls.py"
EXAMPLE = json.loads((ROOT / "examples/breast_cancer/request.json").read_text())
PROTOCOL = "Seldon v1"


@pytest.fixture(scope="module")
def client_name() -> str:
    """The client with the version that the environment has."""
    stamp = ENVIRONMENT / ".installed"
    if not stamp.is_file():
        message = "tests of Seldon's client need it in .venv-seldon: make test installs it"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    [found] = ENVIRONMENT.glob("lib/python*/site-packages/seldon_core-*.dist-info")
    return f"SeldonClient {found.name.removeprefix('seldon_core-').removesuffix('.dist-info')}"


@pytest.fixture(scope="module")
def echo(client_name: str, stack: Stack) -> Iterator[str]:
    """A class that answers messages, in service while these tests run."""
    source = stack.data_dir.parent / "echo"
    source.mkdir()
    shutil.copy(ROOT / "tests/seldon_classes/Echo.py", source)
    (source / "model.toml").write_text(
        '[messages]\nexamples = [{strData = "a"}, {binData = "AAEC"}, {jsonData = {a = 1}}]\n'
    )
    stack.cli("model", "add", str(source), "--name", "echo", "--promote")
    yield "echo"
    stack.cli("model", "retire", "echo", "--all")


@pytest.fixture(scope="module")
def answers(client_name: str, stack: Stack, token: str, echo: str) -> dict[str, Any]:
    """What the client made of each answer."""
    with stack.client(headers={"Authorization": f"Bearer {token}"}) as own:
        contract = own.get("/v1/models/breast-cancer").json()
    given = {
        "host": stack.base_url.removeprefix("https://"),
        "ca": str(stack.data_dir / "tls" / "ca.pem"),
        "token": token,
        "model": "breast-cancer",
        "rows": EXAMPLE["data"],
        "names": [feature["name"] for feature in contract["features"]],
        "echo": echo,
    }
    done = subprocess.run(
        [ENVIRONMENT / "bin" / "python", CALLS],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    "call", ["tensor", "ndarray", "names", "raw_data", "no namespace", "default"]
)
def test_it_predicts(
    answers: dict[str, Any],
    call: str,
    client_name: str,
    dense_answer: dict[str, Any],
    matrix: Matrix,
) -> None:
    """Its token in X-Auth-Token, its messages in protobuf's JSON, its strict parser content."""
    answer = answers[call]
    data = answer["message"]["data"]
    table = data["ndarray"] if "ndarray" in data else [data["tensor"]["values"]]

    assert answer["success"], answer
    assert table == dense_answer["probabilities"]
    assert data["names"] == ["0", "1"]
    assert answer["message"]["meta"]["requestPath"] == {"breast-cancer": "breast-cancer:1"}
    variants = {"names": "ndarray, names in another order", "default": "no deployment"}
    matrix.works(client_name, PROTOCOL, "predict", variants.get(call, call))


@pytest.mark.parametrize(
    "sent",
    [
        ("text", "strData", "WINE"),
        ("bytes", "binData", b64encode(bytes(range(256))[::-1]).decode()),
        ("json", "jsonData", {"a": [1, None]}),
    ],
)
def test_it_sends_messages(
    answers: dict[str, Any], sent: tuple[str, str, Any], client_name: str, matrix: Matrix
) -> None:
    """Text, bytes and JSON reach a class that takes them, and its answer is parsed."""
    call, kind, expected = sent
    answer = answers[call]
    said = answer["message"][kind]

    assert answer["success"], answer
    assert (said["given"] if kind == "jsonData" else said) == expected
    matrix.works(client_name, PROTOCOL, "predict", kind)


def test_its_tags_come_back(answers: dict[str, Any]) -> None:
    """What the caller says in meta is in the answer."""
    assert answers["names"]["message"]["meta"]["tags"] == {"mine": "yes"}


@pytest.mark.parametrize(("call", "status"), [("strData", "400"), ("too wide", "422")])
def test_it_understands_refusals(
    answers: dict[str, Any], call: str, status: str, client_name: str, matrix: Matrix
) -> None:
    """A failure is parsed as strictly as an answer."""
    answer = answers[call]

    assert not answer["success"]
    assert answer["said"].startswith(status)
    assert answer["message"]["status"]["info"]
    assert answer["message"]["status"]["reason"] == "MICROSERVICE_BAD_DATA"
    matrix.works(client_name, PROTOCOL, "failures are read")


def test_its_feedback_is_taken(
    answers: dict[str, Any], stack: Stack, client_name: str, matrix: Matrix
) -> None:
    """One event with the reward, and how many truths there were."""
    events = stack.events("feedback")

    assert answers["feedback"]["success"]
    assert answers["feedback"]["message"]["meta"]["puid"]
    assert (events[-1]["reward"], events[-1]["truths"]) == (0.5, 1)
    how = "works; the client itself sends it over plain http only"
    matrix.works(client_name, PROTOCOL, "feedback", how=how)
