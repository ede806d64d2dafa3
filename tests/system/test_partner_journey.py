"""What a new partner does, over HTTPS through the whole stack."""

import json
import re
import subprocess

import httpx
from stack_process import EXAMPLE_BODY, EXAMPLE_ROW, PREDICT, ROOT, Stack, bearer


def test_pasted_commands_work(stack: Stack) -> None:
    """The three commands that the stack prints run as they are, and answer what they promise."""
    # Whoever was the demo partner just before may have used up this second of its trial plan.
    stack.wait_until(lambda: _left_to_demo(stack) > 2, 70, "something left of the trial plan")
    commands = re.findall(r"^   (.*curl.*)$", stack.stderr(), flags=re.MULTILINE)
    script = "\n".join(["set -e", commands[0], f"{commands[1]}; echo", commands[2]])
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    prediction, contract = map(json.loads, done.stdout.splitlines())
    assert prediction.get("predictions") == [0], prediction
    assert len(contract["features"]) == 30


def _left_to_demo(stack: Stack) -> int:
    credentials = json.loads((stack.data_dir / "demo-credentials.json").read_text())
    token = stack.token(credentials)
    with stack.client() as client:
        limits = client.get("/v1/limits", headers=bearer(token)).json()["limits"]
    return min(limit["remaining"] for limit in limits)


def test_contracts_example_can_be_posted_as_it_is(stack: Stack, token: str) -> None:
    """The example of the contract is a valid body."""
    with stack.client() as client:
        example = client.get("/v1/models/breast-cancer", headers=bearer(token)).json()["example"]
        response = client.post(PREDICT, json=example, headers=bearer(token))

    assert response.status_code == 200
    assert len(response.json()["predictions"]) == len(example["data"])


def test_three_bodies_one_answer(stack: Stack, token: str) -> None:
    """A bare list, data and rows mean the same; so do the three paths."""
    with stack.client() as client:
        features = client.get("/v1/models/breast-cancer", headers=bearer(token)).json()["features"]
        row = {feature["name"]: value for feature, value in zip(features, EXAMPLE_ROW, strict=True)}
        bodies = [[EXAMPLE_ROW], {"data": [EXAMPLE_ROW]}, {"rows": [row]}]
        paths = [PREDICT, "/v1/models/breast-cancer/versions/1/predict", "/predict"]
        answers = {
            client.post(path, json=body, headers=bearer(token)).text
            for body in bodies
            for path in paths
        }

    assert len(answers) == 1
    assert json.loads(answers.pop())["classes"] == [0, 1]


def test_model_list_and_limits(stack: Stack) -> None:
    """A partner sees its models and its plan; looking costs nothing."""
    token = stack.token(stack.create_partner("looker", "standard"))
    with stack.client() as client:
        models = client.get("/v1/models", headers=bearer(token)).json()["models"]
        limits = [client.get("/v1/limits", headers=bearer(token)).json() for _ in range(20)]

    # Other tests bring models of their own into this stack.
    assert "breast-cancer" in models
    remaining = [
        limit["remaining"] for limit in limits[-1]["limits"] if limit["name"] == "rows_per_hour"
    ]
    assert limits[-1]["plan"] == "standard"
    assert remaining == [5_000_000]


def test_http_2_and_http_1_answer_alike(stack: Stack, token: str) -> None:
    """nginx speaks both; the answer is the same."""
    versions = set()
    for http2 in (True, False):
        with stack.client(http2=http2) as client:
            response = client.post(PREDICT, content=EXAMPLE_BODY, headers=bearer(token))
        versions.add(response.http_version)
        assert response.status_code == 200

    assert versions == {"HTTP/2", "HTTP/1.1"}


def test_answer_and_both_logs_carry_one_request_id(stack: Stack, token: str) -> None:
    """The id of the answer finds nginx's line and ours; a caller's own id is replaced."""
    headers = {**bearer(token), "X-Request-ID": "f" * 32}
    with stack.client() as client:
        response = client.post(PREDICT, content=EXAMPLE_BODY, headers=headers)
    request_id = response.headers["X-Request-ID"]

    def logged() -> set[str]:
        return {e["event"] for e in stack.events() if e.get("request_id") == request_id}

    assert request_id != "f" * 32
    stack.wait_until(lambda: logged() == {"nginx_access", "request_finished"}, 30, "logged twice")
    why = stack.cli("logs", "why", request_id, str(stack.log_path)).stdout
    assert "steady" in why


def test_large_refused_body_gets_its_refusal(stack: Stack) -> None:
    """A worker that refuses without reading 10 MB still delivers its 401, not a 502."""
    with stack.client() as client:
        response = client.post(
            PREDICT, content=b"[" + b"0," * 5_000_000 + b"0]", headers=bearer("x")
        )

    assert response.status_code == 401


def test_large_batch(stack: Stack, token: str) -> None:
    """10,000 rows in one call."""
    body = {"data": [EXAMPLE_ROW] * 10_000}
    with stack.client() as client:
        response: httpx.Response = client.post(PREDICT, json=body, headers=bearer(token))

    assert response.status_code == 200
    assert response.json()["predictions"] == [0] * 10_000
