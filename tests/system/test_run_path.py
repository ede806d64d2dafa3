"""`gateway run model.joblib`: from a file to an answer, as an analyst does it the first time."""

import json
import re
import runpy
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from free_ports import free_port
from stack_process import GATEWAY, ROOT


@contextmanager
def _serving(folder: Path, *paths: str) -> Iterator[str]:
    """What the command prints, once it answers; ended by Ctrl-C."""
    port, log = free_port(), folder / "stderr"
    command = [*GATEWAY, "run", *paths, "--port", str(port)]
    with log.open("wb") as stderr, (folder / "stdout").open("wb") as stdout:
        process = subprocess.Popen(command, cwd=folder, stdout=stdout, stderr=stderr)
    try:
        until = time.monotonic() + 60
        while not _ready(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)  # A pause between polls, not a wait for a state.
        yield log.read_text()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://localhost:{port}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def _pasted(folder: Path, printed: str) -> list[dict[str, object]]:
    """The answers to the printed commands, typed in another shell in the same folder."""
    get_token, predict, contract = re.findall(r"^   (.*curl.*)$", printed, flags=re.MULTILINE)
    script = "\n".join(["set -e", get_token, f"{predict}; echo", contract])
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_file_is_served_in_an_empty_folder(tmp_path: Path) -> None:
    """The printed commands work as they are; a changed file is the next version."""
    main = runpy.run_path(str(ROOT / "examples/bare_pickle/train.py"))["main"]
    main(tmp_path)
    with _serving(tmp_path, "iris.pkl") as printed:
        prediction, contract = _pasted(tmp_path, printed)
    (tmp_path / "model.toml").write_text('[model]\ndescription = "Tells irises apart."\n')
    with _serving(tmp_path, "iris.pkl") as printed_changed:
        changed, described = _pasted(tmp_path, printed_changed)

    assert "Added iris 1: 1 files." in printed
    assert "The gateway serves iris at http://localhost:" in printed
    assert prediction["predictions"] == ["versicolor"]
    assert len(contract["features"]) == 4  # type: ignore[arg-type]  # a list
    assert changed == {**prediction, "version": "2"}
    assert described["description"] == "Tells irises apart."


def test_a_file_that_is_no_model_starts_nothing(tmp_path: Path) -> None:
    """One line, exit code 1."""
    (tmp_path / "iris.pkl").write_bytes(b"garbage")
    command = [*GATEWAY, "run", "iris.pkl", "--port", str(free_port())]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: iris.pkl ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "var" / "models").exists()
