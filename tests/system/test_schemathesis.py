"""The document against the running stack: schemathesis tries to catch one of them lying.

Here one path of each endpoint, and a few examples each; `make fuzz-api` tries every operation.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from stack_process import ROOT, Stack, bearer

_HOOKS = ROOT / "tests/schemathesis_rules/hooks.py"
_EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES")
# The same code again: paths of a version, further paths of an endpoint, the model of numbers (which
# /invocations asks), and paths that name no model.
_REPEATED = r"(-v1|-\d+|breast-cancer)$|^(predict|seldon\.(predict|feedback|status|metadata))$"

# One worker: two that compile at once crash CPython 3.11 ("AST constructor recursion depth").
_CONFIGURATION = """
hooks = {hooks}
base-url = {base_url}
tls-verify = {authority}
workers = 1
continue-on-failure = true
# How fast a busy machine makes up examples is nobody's fault.
suppress-health-check = ["all"]

[auth.openapi]
bearer = {{ bearer = {token} }}
client = {{ username = {client_id}, password = {client_secret} }}

[generation]
database = "none"

# How many values a tensor has, its shape says, and a schema cannot: good ones are those of
# tests/test_tensors.py and its like.
[[operations]]
include-operation-id-regex = "^(open_inference.infer|seldon|invocations|mlflow|sagemaker)"
checks.positive_data_acceptance.enabled = false

# Whoever has no token is not told which methods a path has: 401, where it would be 405.
[[operations]]
include-operation-id-regex = '(^|\\.)(live|ready|ping|health|docs)(-\\d+)?$'
checks.unsupported_method.enabled = false
"""


@pytest.fixture
def configuration(stack: Stack, telephone: str, tmp_path: Path) -> Path:
    """What schemathesis is to know, secrets too; the document lies beside it."""
    credentials = stack.create_partner("schemer")
    token = stack.token(credentials)
    with stack.client() as client:
        document = client.get("/openapi.json", headers=bearer(token))
    (tmp_path / "openapi.json").write_bytes(document.content)
    values = {
        "hooks": str(_HOOKS),
        "base_url": stack.base_url,
        "authority": str(stack.data_dir / "tls/ca.pem"),
        "token": token,
        "client_id": credentials["client_id"],
        "client_secret": credentials["client_secret"],
    }
    path = tmp_path / "schemathesis.toml"
    path.write_text(_CONFIGURATION.format_map({n: json.dumps(v) for n, v in values.items()}))

    assert telephone in document.text
    return path


def test_schemathesis_finds_nothing(configuration: Path) -> None:
    """No 5xx, no status, header or shape that is not written down, no bad data accepted."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration)]
    command += ["run", str(configuration.with_name("openapi.json"))]
    command += ["--max-examples", _EXAMPLES or "5"]
    # The same cases in every run of CI: what is found by chance is for the long run.
    command += [] if _EXAMPLES else ["--seed", "1", "--exclude-operation-id-regex", _REPEATED]
    done = subprocess.run(
        command,
        cwd=configuration.parent,
        env={**os.environ, "PYTHONPATH": ""},
        stdout=None if _EXAMPLES else subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=7200 if _EXAMPLES else 600,
        check=False,
    )

    assert done.returncode == 0, (done.stdout or "")[-20_000:]
