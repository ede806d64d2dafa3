"""A running stack, seen from outside: its command, its door, its log. Never imports the app."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
from free_ports import free_port

ROOT = Path(__file__).parents[2]
GATEWAY = [sys.executable, "-m", "gateway.cli"]
EXAMPLE_BODY = (ROOT / "examples/breast_cancer/request.json").read_bytes()
EXAMPLE_ROW: list[float] = json.loads(EXAMPLE_BODY)["data"][0]
PREDICT = "/v1/models/breast-cancer/predict"
READY_WITHIN_S = 90.0
# A command's exit code where a worker does not have the change after some seconds.
_NOT_YET_SERVED = 3
# The Redis of a busy machine is not to be taken for one that is away.
_PATIENT = {"GATEWAY_LIMITS__TIMEOUT_S": "1"}


class Stack:
    """`gateway stack` in a folder of its own, on a free port.

    Args:
        folder: where its data lives.
        environment: settings of this stack.
        arguments: further arguments of the command.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        arguments: tuple[str, ...] = (),
    ) -> None:
        self.data_dir = folder / "var"
        self.port = free_port()
        self.base_url = f"https://localhost:{self.port}"
        self.log_path = folder / "stdout.log"
        self._stderr_path = folder / "stderr.log"
        self._environment = {**os.environ, **_PATIENT, **(environment or {})}
        self._arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Stack":
        """Start it, and wait until it answers and says so."""
        command = [*GATEWAY, "--data-dir", str(self.data_dir), "stack"]
        command += ["--port", str(self.port), "--workers", "2", *self._arguments]
        with self.log_path.open("ab") as stdout, self._stderr_path.open("ab") as stderr:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stdout=stdout, stderr=stderr
            )
        self.wait_until(self._ready, READY_WITHIN_S, "ready")
        return self

    def stop(self) -> int:
        """SIGTERM, as an operator stops it; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the stack ended:\n{self.stderr()}")
        try:
            with self.client() as client:
                return client.get("/readyz").status_code == 200 and "curl" in self.stderr()
        except (httpx.HTTPError, OSError):
            return False

    def wait_until(
        self, condition: Callable[[], bool], within_s: float, what: str, every_s: float = 0.05
    ) -> None:
        """Poll until it holds; fail with the end of both streams if it never does."""
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                tail = self.log_path.read_text()[-3000:]
                raise AssertionError(
                    f"not {what} in {within_s} s:\n{self.stderr()[-2000:]}\n{tail}"
                )
            time.sleep(every_s)  # A pause between polls, not a wait for a state.

    def stderr(self) -> str:
        return self._stderr_path.read_text() if self._stderr_path.is_file() else ""

    def client(self, **options: Any) -> httpx.Client:
        """A client that trusts the stack's own authority."""
        import ssl  # noqa: PLC0415

        context = ssl.create_default_context(cafile=str(self.data_dir / "tls" / "ca.pem"))
        return httpx.Client(base_url=self.base_url, verify=context, timeout=30, **options)

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`gateway …` in another shell, as operations type it: without the stack's environment."""
        command = [*GATEWAY, "--data-dir", str(self.data_dir), *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if check and done.returncode == _NOT_YET_SERVED:
            self.wait_until(self._all_serve_the_last_change, 60, "served by every worker")
        elif check:
            assert done.returncode == 0, done.stderr + done.stdout
        return done

    def _all_serve_the_last_change(self) -> bool:
        [change] = self.cli_json("audit", "--last", "1")
        workers = self.cli_json("status", check=False)["workers"]
        return all(worker["revision"] >= change["revision"] for worker in workers)

    def cli_json(self, *arguments: str, check: bool = True) -> Any:
        return json.loads(self.cli(*arguments, "--json", check=check).stdout)

    def demo_credentials(self) -> dict[str, str]:
        credentials: dict[str, str] = json.loads(
            (self.data_dir / "demo-credentials.json").read_text()
        )
        return credentials

    def create_partner(self, name: str, plan: str = "unlimited") -> dict[str, str]:
        scopes = ["--scope", "model:*:predict", "--scope", "model:*:read"]
        credentials: dict[str, str] = self.cli_json(
            "partner", "create", name, "--plan", plan, *scopes
        )
        return credentials

    def token(self, credentials: Mapping[str, str]) -> str:
        """An access token, asked for as a partner does."""
        with self.client() as client:
            response = client.post(
                "/oauth/token",
                data={"grant_type": "client_credentials"},
                auth=(credentials["client_id"], credentials["client_secret"]),
            )
        assert response.status_code == 200, response.text
        token: str = response.json()["access_token"]
        return token

    def events(self, event: str | None = None) -> list[dict[str, Any]]:
        """The log so far; every line of it must be a JSON object, but for one half written."""
        lines = self.log_path.read_bytes().splitlines(keepends=True)
        events = [json.loads(line) for line in lines if line.endswith(b"\n")]
        return [found for found in events if event is None or found["event"] == event]

    def worker_pids(self, role: str = "predictions") -> list[int]:
        """Workers as `gateway status` knows them."""
        status = self.cli_json("status", check=False)
        return [worker["pid"] for worker in status["workers"] if worker["role"] == role]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def running(stack: Stack) -> Iterator[Stack]:
    """Start it, hand it out, stop it whatever happens."""
    try:
        yield stack.start()
    finally:
        if stack.process is not None and stack.process.poll() is None:
            stack.stop()
