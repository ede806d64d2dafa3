"""A model's first load can reach nothing but its folder, and ends when its time or memory is up."""

import json
import socket
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from model import ArtifactRejected
from model.confinement.parent import run_confined

TESTS = Path(__file__).parent
GIBIBYTE = 1 << 30

ATTEMPTS = (
    *("connect", "bind", "unix socket", "read a key", "read the password file"),
    *("list the parent's folder", "read the parent's environment", "write outside"),
    *("write into the package", "remove a file outside", "change rights outside"),
    *("link out of the folder", "trace the parent", "read the parent's memory"),
    *("signal the parent", "limit the parent", "another user namespace", "exec", "fork"),
    "allocate",
)


@dataclass
class Canary:
    """A child that tries what a hostile model would, and what it said meanwhile."""

    room: Path
    said: list[str] = field(default_factory=list)

    def run(self, *attempts: str, ending: str = "", **limits: float) -> tuple[str, ...]:
        (self.room / "secret").mkdir()
        self.secret.write_text("private key")
        (self.room / "folder").mkdir()
        with socket.create_server(("127.0.0.1", 0)) as server:
            ask = {
                "secret": str(self.secret),
                "port": server.getsockname()[1],
                "attempts": attempts,
                "ending": ending,
            }
            (self.room / "folder" / "ask.json").write_text(json.dumps(ask))
            return run_confined(
                "confined_canary",
                self.room / "folder",
                memory_bytes=GIBIBYTE,
                cpu_s=int(limits.get("cpu_s", 20)),
                wall_s=limits.get("wall_s", 60),
                progress=self.said.append,
                search_path=[TESTS],
            )

    @property
    def secret(self) -> Path:
        return self.room / "secret" / "key.pem"


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    return Canary(tmp_path)


def test_nothing_outside_the_folder_can_be_reached(canary, monkeypatch):
    """SEC-65: network, keys, other files and processes are out of reach; its own folder is not."""
    monkeypatch.setenv("GATEWAY_SECRET", "x")
    protections = canary.run(*ATTEMPTS)
    *attempts, environment = canary.said

    assert set(protections) == {
        *("memory", "cpu time", "no network", "no new privileges", "no keys", "read-only files"),
        *("no new processes", "no access to other processes"),
    }
    assert [line.partition(": ")[0] for line in attempts] == list(ATTEMPTS)
    assert not [line for line in attempts if line.endswith(": done")]
    assert canary.secret.read_text() == "private key"
    assert "GATEWAY" not in environment
    assert (canary.room / "folder" / "result.txt").read_text() == "kept"


@pytest.mark.parametrize(
    ("ending", "limits", "reason"),
    [
        ("allocate", {}, "needs more memory than the limit allows"),
        ("spin", {"cpu_s": 1}, "more than 1 s of processor time"),
        ("wait", {"wall_s": 0.3}, "longer than 0.3 s"),
        ("close and wait", {"wall_s": 0.3}, "longer than 0.3 s"),
        ("crash", {}, r"SIGSEGV"),
        ("raise", {}, "failed with ZeroDivisionError"),
        ("exit", {}, "The process that looked at the model failed"),
        ("reject", {}, r"^no  ?\[31m good$"),
    ],
)
def test_each_bad_end_is_one_line(canary, ending, limits, reason):
    """However the child ends, the operator reads one clean line, and no process stays behind."""
    with pytest.raises(ArtifactRejected, match=reason) as caught:
        canary.run(ending=ending, **limits)

    assert caught.value.reason.isprintable()


def test_what_libraries_print_is_no_report(canary):
    """Text on the standard output, however much, neither blocks the child nor misleads."""
    canary.run(ending="noise")

    assert len(canary.said) == 1
