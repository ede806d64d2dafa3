"""The models that the tests of other people's clients call, and what our own path answers."""

import json
import subprocess
import sys
from typing import Any

import pytest
from stack_process import EXAMPLE_BODY, PREDICT, ROOT, Stack, bearer

_TRAIN = ROOT / "examples/mixed_types/train.py"


@pytest.fixture(scope="session")
def telephone(stack: Stack) -> str:
    """The example of mixed types, in service under this name for the rest of the session."""
    source = stack.data_dir.parent / "telephone"
    subprocess.run([sys.executable, _TRAIN, source], cwd=ROOT, check=True, timeout=60)
    stack.cli("model", "add", str(source), "--name", "telephone", "--promote")
    return "telephone"


@pytest.fixture(scope="session")
def dense_answer(stack: Stack, token: str) -> dict[str, Any]:
    """What our own path says to the example of the model of numbers."""
    return _answer(stack, token, PREDICT, EXAMPLE_BODY)


@pytest.fixture(scope="session")
def mixed_answer(stack: Stack, token: str, telephone: str) -> dict[str, Any]:
    """What it says to the first row of the example of mixed types."""
    example = json.loads((ROOT / "examples/mixed_types/request.json").read_text())
    body = json.dumps({"rows": example["rows"][:1]}).encode()
    return _answer(stack, token, f"/v1/models/{telephone}/predict", body)


def _answer(stack: Stack, token: str, path: str, body: bytes) -> dict[str, Any]:
    with stack.client() as own:
        answer: dict[str, Any] = own.post(path, content=body, headers=bearer(token)).json()
    return answer
