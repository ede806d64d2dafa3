"""The image as it runs by itself: hardened, under any user, and ended when it is told to."""

import re
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine import Engine

HARDENED = (
    *("--network", "none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
    *("--tmpfs", "/tmp"),  # noqa: S108  # the container's
)


def _run(
    engine: Engine, image: str, *arguments: str, options: tuple[str, ...] = ()
) -> "subprocess.CompletedProcess[str]":
    command = ("run", "--rm", *HARDENED, *options)
    return engine.run(*command, image, *arguments, check=False)


@pytest.mark.parametrize("user", ["64201:64200", "2999999"])
def test_any_user_may_run_it(engine: Engine, image: str, user: str) -> None:
    """Read-only, without capabilities, without a home."""
    options = ("--user", user, "--tmpfs", "/data:mode=1777", "-e", "GATEWAY_DATA_DIR=/data")
    done = _run(engine, image, "init", "--example", "/app/example", options=options)

    # The engine has its own to say about health checks.
    said = [line for line in done.stderr.splitlines() if not line.startswith("time=")]

    assert done.returncode == 0, done.stderr
    assert said[0].startswith("Next: docker compose exec token-service gateway partner create")
    assert len(said) == 3


def test_a_key_that_others_can_read_stops_the_start(
    engine: Engine, image: str, tmp_path: Path
) -> None:
    """It names the file, and what to do."""
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "pepper").write_bytes(b"p" * 32)
    (keys / "pepper").chmod(0o644)
    options = ("-v", f"{keys}:/var/lib/gateway/keys:ro")
    started = _run(engine, image, "run", "--role", "tokens", options=options)

    assert started.returncode == 1
    assert "pepper is open to others (mode 0644): chmod 600 it" in started.stderr


@pytest.fixture
def started(engine: Engine, image: str) -> Iterator[Callable[..., str]]:
    """Starts a container with an empty folder for its data, as a user that nobody has named."""
    name = "gateway-image-test-started"
    engine.run("rm", "-f", name, check=False)

    def start(*arguments: str, options: tuple[str, ...] = ()) -> str:
        data = ("--tmpfs", "/data:mode=1777", "-e", "GATEWAY_DATA_DIR=/data")
        user = ("--user", f"{100_000 + secrets.randbelow(2**31 - 100_000)}:0")
        command = ("run", "-d", "--name", name, *HARDENED, *user, *data, *options)
        engine.run(*command, image, *arguments)
        return name

    yield start
    engine.run("rm", "-f", name)


def _ends(engine: Engine, name: str) -> tuple[int, float]:
    """Told to stop: its exit code, and the seconds it took."""
    began = time.monotonic()
    engine.run("stop", "-t", "30", name)
    return engine.inspect(name)["State"]["ExitCode"], time.monotonic() - began


def test_sagemakers_contract(engine: Engine, image: str, started: Callable[..., str]) -> None:
    """`docker run IMAGE serve`: 200 on port 8080 once the model is in service, and healthy then."""
    partner = ("-e", "GATEWAY_SAGEMAKER__PARTNER=cloud")
    name = started("serve", "--workers", "2", "/app/example", options=partner)
    ping = ("exec", name, "python", "-m", "gateway.health", "127.0.0.1:8080", "/ping")
    deadline = time.monotonic() + 60
    while engine.run(*ping, check=False).returncode != 0:
        assert time.monotonic() < deadline, engine.run("logs", name).stderr[-2000:]
        time.sleep(0.5)  # A pause between polls, each of which takes time from what starts.
    by_the_image = engine.run("exec", name, *engine.health_check(image), check=False)
    code, took_s = _ends(engine, name)

    assert by_the_image.returncode == 0, by_the_image.stderr
    assert code == 0
    assert took_s < 10


def test_what_starts_can_be_stopped(engine: Engine, started: Callable[..., str]) -> None:
    """Here it waits for a store. A first process ignores every signal that it does not handle."""
    nobody = "postgresql+psycopg://nobody@127.0.0.1:1/gateway"
    name = started("init", options=("-e", f"GATEWAY_CONTROL__DATABASE_URL={nobody}"))
    pid = engine.inspect(name)["State"]["Pid"]
    deadline = time.monotonic() + 20
    while not _handles(pid, signal.SIGTERM):
        assert time.monotonic() < deadline, "it would not hear that it is to stop"
        time.sleep(0.05)  # A pause between polls, not a wait for a state.
    code, took_s = _ends(engine, name)

    assert code == 128 + signal.SIGTERM
    assert took_s < 10


def _handles(pid: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    handled = re.search(r"^SigCgt:\s*(\w+)$", status, flags=re.MULTILINE)
    return handled is not None and bool(int(handled[1], 16) >> (number - 1) & 1)


def test_the_command_line_is_all_there(engine: Engine, image: str) -> None:
    """Administration, and whatever else `gateway` does, from the same image."""
    done = _run(engine, image, "--help")

    assert done.returncode == 0
    for command in ("run", "partner", "model", "key", "status"):
        assert re.search(rf"^  {command} ", done.stdout, flags=re.MULTILINE)
