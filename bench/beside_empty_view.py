"""One-row predictions through the whole stack, beside floors, in one run: `make bench`.

The stack has everything on: TLS, tokens, limits in Redis, validation, logs to a file. The floors
have nothing: an empty Flask view on the same Gunicorn with as many sync workers, over plain HTTP;
and GET /livez through the stack's own door. Rounds are interleaved, because machines drift; the
ratios are taken round by round. Needs `wrk` (Debian's package of that name).
"""

import contextlib
import json
import os
import re
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORKERS = 2
CONNECTIONS = 16
SECONDS = 5
ROUNDS = 5
GATEWAY = [sys.executable, "-m", "gateway.cli"]

_SCRIPT = """
wrk.method = "{method}"
wrk.body = io.open("{body}"):read("*a")
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {token}"
"""


def main() -> None:
    """Print the table, and write `var/bench/beside_empty_view.json`."""
    if shutil.which("wrk") is None:
        sys.exit("make bench needs wrk (Debian package wrk)")
    with tempfile.TemporaryDirectory(prefix="gw-bench-") as name, contextlib.ExitStack() as running:
        folder = Path(name)
        folder.chmod(0o755)
        empty_port, port = _free_port(), _free_port()
        running.enter_context(_empty_view(empty_port))
        running.enter_context(_stack(folder, port))
        script = _script(folder, _token(folder))
        doors = {
            "empty Flask view, plain HTTP": (f"http://127.0.0.1:{empty_port}/", script),
            "GET /livez, same door": (f"https://localhost:{port}/livez", None),
            "predict 1 row, all protections": (
                f"https://localhost:{port}/v1/models/breast-cancer/predict",
                script,
            ),
        }
        rounds = [{door: _measure(*call) for door, call in doors.items()} for _ in range(ROUNDS)]
    _report(rounds)


@contextlib.contextmanager
def _empty_view(port: int) -> Iterator[None]:
    command = [sys.executable, "-m", "gunicorn", "--workers", str(WORKERS), "--bind"]
    command += [f"127.0.0.1:{port}", "--log-level", "warning", "bench.empty_view:app"]
    with _process(command, Path(os.devnull)):
        _wait(f"http://127.0.0.1:{port}/", {200, 405})
        yield


@contextlib.contextmanager
def _stack(folder: Path, port: int) -> Iterator[None]:
    command = [*GATEWAY, "--data-dir", str(folder / "var"), "stack", "--port", str(port)]
    with _process([*command, "--workers", str(WORKERS)], folder / "log"):
        _wait(f"https://localhost:{port}/readyz", {200})
        yield


@contextlib.contextmanager
def _process(command: list[str], log: Path) -> Iterator[None]:
    with log.open("ab") as stdout:
        process = subprocess.Popen(command, cwd=ROOT, stdout=stdout, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait(url: str, statuses: set[int], within_s: float = 60.0) -> None:
    # The certificate is the stack's own, and nothing is sent here.
    trusting = ssl._create_unverified_context()  # noqa: S323
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            try:
                if urllib.request.urlopen(url, context=trusting, timeout=2).status in statuses:
                    return
            except urllib.error.HTTPError as answer:
                if answer.code in statuses:
                    return
        time.sleep(0.1)
    sys.exit(f"{url} was not ready in {within_s:g} s")


def _token(folder: Path) -> str:
    admin = [*GATEWAY, "--data-dir", str(folder / "var")]
    subprocess.run([*admin, "partner", "set", "demo", "--plan", "unlimited"], cwd=ROOT, check=True)
    issued = subprocess.run(
        [*admin, "token", "issue", "demo"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return issued.stdout.strip()


def _script(folder: Path, token: str) -> Path:
    path = folder / "call.lua"
    body = ROOT / "examples" / "breast_cancer" / "request.json"
    path.write_text(_SCRIPT.format(method="POST", body=body, token=token))
    return path


def _measure(url: str, script: Path | None) -> float:
    """Requests per second; ends the run if an answer was not 2xx."""
    command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS)]
    command += ["--duration", f"{SECONDS}s", *(["--script", str(script)] if script else []), url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        sys.exit(f"{url} did not answer every call:\n{output}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert found is not None, output
    return float(found[1])


def _report(rounds: list[dict[str, float]]) -> None:
    floor = next(iter(rounds[0]))
    print(f"{WORKERS} workers, {CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS} s\n")
    print(f"{'':34}{'req/s: median (range)':>28}{'ratio: median (range)':>28}")
    for door in rounds[0]:
        rates = [each[door] for each in rounds]
        ratios = [each[door] / each[floor] for each in rounds]
        print(f"{door:34}{_spread(rates, '.0f'):>28}{_spread(ratios, '.2f'):>28}")
    path = ROOT / "var" / "bench" / "beside_empty_view.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rounds, indent=2) + "\n")


def _spread(values: list[float], form: str) -> str:
    median, least, most = statistics.median(values), min(values), max(values)
    return f"{median:{form}} ({least:{form}} … {most:{form}})"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


if __name__ == "__main__":
    main()
