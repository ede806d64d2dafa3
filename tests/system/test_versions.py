"""Versions come, are tried, fail and go while partners keep calling: no call is lost."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from load import Load
from stack_process import ROOT, Stack, bearer

MODEL = "line"
PREDICT = f"/v1/models/{MODEL}/predict"

# Version k answers k times what it is asked; version 9 no longer does what it did when added.
_ADD_VERSIONS = """
import sys, tempfile
from dataclasses import replace
from pathlib import Path
import joblib
from sklearn.linear_model import LinearRegression
from gateway.cli.administration import administration
from model import ModelStore
admin = administration(Path(sys.argv[1]))
store = ModelStore(admin.settings.models_dir)
for factor in (1, 2, 3, 9):
    line = LinearRegression(fit_intercept=False).fit([[1.0]], [float(factor)])
    with tempfile.TemporaryDirectory() as folder:
        joblib.dump(line, Path(folder) / "model.joblib")
        manifest = store.add(Path(folder), "line", str(factor), "test")
    if factor == 9:
        path = admin.settings.models_dir / "line" / "9" / "manifest.json"
        manifest = replace(manifest, golden={"predictions": [-1.0]})
        path.chmod(0o640)
        path.write_bytes(manifest.to_bytes())
    admin.store.add_model_version("line", str(factor), manifest.digest)
"""


@pytest.fixture(scope="module")
def line(stack: Stack) -> Iterator[Stack]:
    """The shared stack, with a model of four versions, the first of them in service."""
    command = [sys.executable, "-c", _ADD_VERSIONS, str(stack.data_dir)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    stack.cli("model", "promote", MODEL, "1")
    yield stack
    stack.cli("model", "retire", MODEL, "--all")


def versions(stack: Stack) -> list[dict[str, Any]]:
    """What each prediction worker says of the versions of the model."""
    workers = stack.cli_json("status", check=False)["workers"]
    return [worker["models"][MODEL]["versions"] for worker in workers if worker["role"] != "tokens"]


def all_shared(stack: Stack) -> bool:
    """Two workers serve, and none holds a version in memory of its own."""
    workers = versions(stack)
    return len(workers) == 2 and not any(
        version["private"] for worker in workers for version in worker.values()
    )


def test_no_call_fails_while_versions_come_and_go(line: Stack, token: str) -> None:
    """Promote, canary, shadow, a version that fails, rollback, retire: 200 each time."""
    load = Load(line, lambda: token, callers=2, every_s=0.02, path=PREDICT, body=b"[[1]]")

    def answering() -> set[str]:
        """Who answers from now on."""
        load.versions.clear()
        load.wait_for_answers(20)
        return set(load.versions)

    with load:
        load.wait_for_answers(20)
        pids = set(line.worker_pids())
        line.cli("model", "promote", MODEL, "2")
        promoted = answering()
        line.cli("model", "canary", MODEL, "3", "--percent", "100")
        canary = answering()
        line.cli("model", "canary", MODEL, "--percent", "0")
        failed = line.cli("model", "promote", MODEL, "9", check=False)
        still = answering()
        status = line.cli_json("status", check=False)
        line.cli("model", "rollback", MODEL)
        line.cli("model", "shadow", MODEL, "3")

        def compared() -> bool:
            found = line.cli_json("model", "compare", MODEL)
            return any(pair["shadow"] == "3" and pair["rows"] >= 100 for pair in found)

        line.wait_until(compared, 60, "compared")
        shadowed = answering()
        refused = line.cli(
            "model", "promote", MODEL, "3", "--if-disagreement-below", "0.5%", check=False
        )
        line.cli("model", "shadow", MODEL, "--end")
        line.wait_until(lambda: all_shared(line), 60, "sharing again")
        replaced = set(line.worker_pids())
        line.cli("model", "rollback", MODEL)
        back = answering()

    assert set(load.statuses) == {200}, load.bodies[:3]
    assert (load.broken, load.refused) == ([], 0)
    assert (promoted, canary, still, shadowed, back) == ({"2"}, {"3"}, {"2"}, {"2"}, {"1"})
    assert failed.returncode == 1
    assert "not what it was when added" in failed.stderr
    assert "Version 2 goes on serving" in failed.stderr
    assert {failure["version"] for failure in status["failed_models"]} == {"9"}
    assert refused.returncode == 1
    assert "disagrees with version 2 on 100.000%" in refused.stderr
    assert not pids & replaced


def test_a_version_that_ends_says_so_until_its_date(line: Stack, token: str) -> None:
    """Its answers carry Deprecation, Sunset and who succeeds it; then it is unknown."""
    with line.client() as client:

        def ask(version: str) -> Any:
            path = f"/v1/models/{MODEL}/versions/{version}/predict"
            return client.post(path, content=b"[[1]]", headers=bearer(token))

        line.cli("model", "promote", MODEL, "3")
        old, new = ask("1"), ask("3")
        contract = client.get(f"/v1/models/{MODEL}", headers=bearer(token)).json()
        own = client.get(f"/v1/models/{MODEL}/versions/1", headers=bearer(token)).json()
        line.cli("model", "retire", MODEL, "1")
        gone = ask("1")

    assert (old.json()["version"], old.json()["predictions"]) == ("1", [pytest.approx(1.0)])
    assert old.headers["Deprecation"].startswith("@")
    assert old.headers["Sunset"].endswith("GMT")
    assert old.headers["Link"] == f'</v1/models/{MODEL}/versions/3>; rel="successor-version"'
    assert "Deprecation" not in new.headers
    assert [(v["version"], v["role"]) for v in contract["versions"]] == [
        ("3", "current"),
        ("1", "retired"),
    ]
    assert (contract["version"], own["version"]) == ("3", "1")
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown_version")


def test_the_version_before_stands_in_after_a_restart(line: Stack, token: str) -> None:
    """With a current version that cannot be loaded, a new worker serves the one before it."""
    line.cli("model", "promote", MODEL, "9", check=False)
    before = line.worker_pids()
    for pid in before:
        subprocess.run(["kill", str(pid)], check=True)
    line.wait_until(
        lambda: len(line.worker_pids()) == 2 and not set(line.worker_pids()) & set(before),
        60,
        "replaced",
    )
    with line.client() as client:
        answers = {
            client.post(PREDICT, content=b"[[1]]", headers=bearer(token)).json()["version"]
            for _ in range(10)
        }
        ready = client.get("/readyz").status_code
    line.cli("model", "rollback", MODEL)

    assert (answers, ready) == ({"3"}, 200)


def test_log_says_what_became_of_each_version(line: Stack) -> None:
    """Loaded, refused with the reason and who goes on, and workers replaced; in order."""
    refused = [e for e in line.events("model_not_loaded") if e["model"] == MODEL]
    loaded = {e["version"] for e in line.events("model_loaded") if e["model"] == MODEL}

    assert {"1", "2", "3"} <= loaded
    assert {(e["version"], e["role"], e["serving"]) for e in refused} >= {("9", "current", "2")}
    assert "example" in refused[0]["reason"]
    assert line.events("worker_replaced")
