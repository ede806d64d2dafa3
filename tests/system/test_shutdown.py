"""SIGTERM under load: what was begun is finished, and nothing is left behind."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from load import Load
from stack_process import Stack, running


@pytest.fixture
def short_lived(folder: Path, plans: Path) -> Iterator[Stack]:
    home = Path(tempfile.mkdtemp(prefix="short-", dir=folder))
    home.chmod(0o755)
    yield from running(Stack(home, {"GATEWAY_PLANS": str(plans)}))


def test_no_request_fails_when_the_stack_is_stopped(short_lived: Stack) -> None:
    """Every call that was accepted is answered 200; later ones are not accepted."""
    token = short_lived.token(short_lived.create_partner("steady"))
    with Load(short_lived, lambda: token) as load:
        load.wait_for_answers(100)
        exit_code = short_lived.stop()
        short_lived.wait_until(lambda: load.refused > 0, 30, "no longer accepting")

    assert exit_code == 0
    assert set(load.statuses) == {200}, load.bodies[:3]
    assert not load.broken, load.broken[:3]
    left = subprocess.run(
        ["pgrep", "-f", str(short_lived.data_dir)], capture_output=True, text=True, check=False
    )
    assert not left.stdout


def test_what_was_reported_as_done_survives_a_kill(short_lived: Stack) -> None:
    """A partner and a revocation are there after kill -9 of everything."""
    credentials = short_lived.create_partner("lasting")
    token = short_lived.token(credentials)
    short_lived.cli("token", "revoke", "--token", token)
    assert short_lived.process is not None
    short_lived.process.kill()
    short_lived.process.wait(timeout=30)

    def all_ended() -> bool:
        found = subprocess.run(
            ["pgrep", "-f", str(short_lived.data_dir)], capture_output=True, text=True, check=False
        )
        return not found.stdout

    short_lived.wait_until(all_ended, 60, "ended with its supervisor")
    short_lived.start()
    with short_lived.client() as client:
        dead = client.get("/v1/limits", headers={"Authorization": f"Bearer {token}"})

    assert dead.status_code == 401
    assert short_lived.token(credentials)
