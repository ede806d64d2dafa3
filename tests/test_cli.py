"""`gateway …` as a whole: preparing, help, exit codes, trouble."""

import hashlib
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cli_fixtures import Shell, rows_of
from click.testing import CliRunner

from config.settings import Settings
from gateway.cli import COMMANDS, main
from gateway.cli.journey import partner_commands
from gateway.cli.prepare import prepare


@pytest.fixture
def shell(prepared: Shell) -> Shell:
    """For commands that change nothing."""
    return prepared


@pytest.fixture
def spoilt(prepared: Shell, tmp_path: Path) -> Shell:
    """A copy to be spoilt."""
    return prepared.copy_to(tmp_path)


def _content(path: Path) -> object:
    if path.is_dir():
        return "folder"
    if path.suffix == ".sqlite3":
        with closing(sqlite3.connect(path)) as connection:
            return list(connection.iterdump())
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _everything(folder: Path) -> dict[str, tuple[object, int]]:
    """Every file with its content and mode. SQLite's own side files come and go."""
    paths = [path for path in folder.rglob("*") if not path.name.endswith(("-wal", "-shm"))]
    return {str(path.relative_to(folder)): (_content(path), path.stat().st_mode) for path in paths}


def test_the_credentials_are_for_their_owner_only(shell: Shell) -> None:
    """Mode 0600, with all that a partner needs; so are the keys."""
    path = shell.data_dir / "demo-credentials.json"
    credentials = json.loads(path.read_text())

    assert path.stat().st_mode & 0o777 == 0o600
    assert set(credentials) == {"client_id", "client_secret", "token_url", "base_url"}
    assert credentials["token_url"] == "http://localhost:8000/oauth/token"
    assert shell.settings.keys_dir.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in shell.settings.keys_dir.iterdir()} == {0o600}


def test_preparing_again_changes_nothing(spoilt: Shell) -> None:
    """Not a byte, not a mode, not a file more."""
    before = _everything(spoilt.data_dir)
    prepare(spoilt.settings, demo=True)

    assert _everything(spoilt.data_dir) == before


def test_the_credentials_follow_the_address(spoilt: Shell) -> None:
    """The same partner served on another port: same secret, new address, still private."""
    path = spoilt.data_dir / "demo-credentials.json"
    before = json.loads(path.read_text())
    moved = Settings(data_dir=spoilt.data_dir, server={"base_url": "http://localhost:9"})
    prepare(moved, demo=True)
    after = json.loads(path.read_text())

    assert after == {
        **before,
        "base_url": "http://localhost:9",
        "token_url": "http://localhost:9/oauth/token",
    }
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_journey_has_three_commands(shell: Shell) -> None:
    """Token, prediction, contract; the secret itself is not printed."""
    text = partner_commands(shell.settings)
    secret = json.loads((shell.data_dir / "demo-credentials.json").read_text())["client_secret"]

    assert [line[0] for line in text.splitlines() if line[:1].isdigit()] == ["1", "2", "3"]
    assert text.count("curl -sS ") == 3
    assert secret not in text


def test_help_is_quick_and_complete() -> None:
    """It imports neither scikit-learn nor the database, and names every command."""
    program = (
        "import sys\nfrom gateway.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'sklearn', 'numpy', 'sqlalchemy', 'flask', 'gunicorn', 'redis'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )

    assert done.stderr == "[]\n"
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


def test_administration_does_not_wait_for_scikit_learn() -> None:
    """A partner is created without it, and a version is promoted, listed and retired."""
    program = (
        "import sys\nfrom gateway.cli import audit, config, key, partner, prepare, token\n"
        "print({'sklearn', 'model', 'gunicorn'} & set(sys.modules) or 'none')\n"
        "from gateway.cli import model, model_versions\n"
        "print({'sklearn', 'onnxruntime', 'gunicorn'} & set(sys.modules) or 'none')"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, check=True, text=True)

    assert done.stdout == "none\nnone\n"


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help(command: str) -> None:
    """Under -h too, and its first line is a sentence."""
    result = CliRunner().invoke(main, [command, "-h"])

    assert result.exit_code == 0, result.output
    assert result.output.startswith("Usage: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["partner", "nonsense"],
        ["partner", "create", "x"],
        ["partner", "create", "x", "--plan", "trial"],
        ["partner", "create", "X", "--plan", "trial", "--scope", "model:*:read"],
        ["partner", "create", "a/b", "--plan", "trial", "--scope", "model:*:read"],
        ["partner", "create", "a" * 64, "--plan", "trial", "--scope", "model:*:read"],
        ["partner", "create", "x", "--plan", "trial", "--scope", "read"],
        ["partner", "create", "x", "--plan", "trial", "--scope", "model:*:admin"],
        ["partner", "create", "x", "--plan", "trial", "--scope", "model:a b:read"],
        ["partner", "set", "demo"],
        ["partner", "set", "demo", "--scope", "model:*:read model:*:predict"],
        ["token", "revoke"],
        ["token", "revoke", "--jti", "a", "--all"],
        ["token", "revoke", "--jti", "a", "--before", "2026-01-01"],
        ["token", "revoke", "--all", "--before", "yesterday"],
        ["audit", "--last", "0"],
        ["status", "--nonsense"],
        ["run", "--port", "0"],
        ["run", "--role", "both"],
    ],
)
def test_wrong_usage_exits_2(shell: Shell, arguments: list[str]) -> None:
    """And changes nothing."""
    before = shell.audited()
    shell.refused(*arguments, exit_code=2)

    assert shell.audited() == before


READS = [
    ["status"],
    ["partner", "list"],
    ["partner", "show", "demo"],
    ["key", "list"],
    ["model", "list"],
    ["model", "show", "breast-cancer"],
    ["audit"],
]
WRITES = [
    ["partner", "create", "x", "--plan", "trial", "--scope", "model:*:read"],
    ["partner", "disable", "demo"],
    ["key", "rotate"],
    ["token", "issue", "demo"],
    ["token", "revoke", "--all"],
]


@pytest.mark.parametrize("arguments", [*READS[1:], *WRITES], ids=" ".join)
def test_a_missing_control_store_is_said(tmp_path: Path, arguments: list[str]) -> None:
    """Where it was looked for, and what to do; nothing is made there."""
    line = Shell(tmp_path / "var").refused(*arguments)

    assert f"There is no control store at {tmp_path}/var/control/control.sqlite3." in line
    assert "gateway run" in line
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("content", [b"garbage" * 100, b""])
@pytest.mark.parametrize("arguments", [*READS[1:], *WRITES], ids=" ".join)
def test_an_unusable_control_store_is_one_line(
    tmp_path: Path, arguments: list[str], content: bytes
) -> None:
    """No traceback, whatever the file holds."""
    file = tmp_path / "var" / "control" / "control.sqlite3"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    Shell(tmp_path / "var").refused(*arguments)

    assert [path.name for path in (tmp_path / "var").iterdir()] == ["control"]


def test_a_store_that_fails_half_way_is_one_line(spoilt: Shell) -> None:
    """A table that is not there, for a reader and for a writer."""
    engine = spoilt.store._engine
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE client_secrets")
    for arguments in (["partner", "show", "demo"], ["partner", "secret", "add", "demo"]):
        assert "control store cannot be used: no such table" in spoilt.refused(*arguments)


def test_a_store_of_another_version_is_refused(spoilt: Shell) -> None:
    """This code would misread it."""
    with spoilt.store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    assert "of another version" in spoilt.refused("partner", "list")


def test_broken_plans_and_settings_are_said(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By every command that needs them, in one line a problem."""
    plans = tmp_path / "plans.toml"
    plans.write_text("[trial")
    monkeypatch.setenv("GATEWAY_PLANS", str(plans))
    for arguments in (WRITES[0], ["partner", "set", "demo", "--plan", "trial"], WRITES[3]):
        assert str(plans) in shell.refused(*arguments)
    monkeypatch.setenv("GATEWAY_SERVER__WORKERS", "0")

    assert "server.workers" in shell.refused("partner", "list")


def _status(shell: Shell) -> tuple[int, Any]:
    result = shell.run("status", "--json")
    return result.exit_code, json.loads(result.stdout)


def test_status_without_a_worker_is_not_healthy(shell: Shell) -> None:
    """Exit 1, in both forms."""
    code, facts = _status(shell)

    assert (code, facts["healthy"], facts["workers"]) == (1, False, [])
    assert facts["stores"] == {"control": "up", "limits": "in memory of each worker"}
    assert shell.run("status").stdout.startswith("NOT healthy\n")


@pytest.mark.parametrize(("state", "exit_code"), [("ready", 0), ("failed", 1)])
def test_status_shows_workers_and_their_models(spoilt: Shell, state: str, exit_code: int) -> None:
    """What serves which revision, and which model failed, why."""
    version = {"state": state, "reason": "The bytes do not match."}
    spoilt.report(7, {"wine": {"state": state, "version": None, "versions": {"2": version}}})
    code, facts = _status(spoilt)
    table = spoilt.run("status").stdout

    assert (code, facts["healthy"]) == (exit_code, exit_code == 0)
    assert facts["workers"][0]["revision"] == 7
    assert f"wine {state}" in table
    assert ("wine version 2 failed in " in table) == bool(exit_code)
    assert ("The bytes do not match." in table) == bool(exit_code)


def test_models_are_listed_with_their_state(spoilt: Shell) -> None:
    """Version, digest, and how each worker serves it."""
    [listed] = spoilt.json("model", "list")
    assert (listed["model"], listed["version"], listed["active"]) == ("breast-cancer", "1", True)
    assert "none running" in spoilt.done("model", "list")
    states = {"breast-cancer": {"state": "ready", "version": "1", "digest": "d", "reason": None}}
    spoilt.report(1, states)

    assert "1 of 1 ready" in spoilt.done("model", "list")
    [shown] = spoilt.json("model", "show", "breast-cancer")
    assert list(shown["workers"].values()) == list(states.values())
    assert listed["manifest_digest"] in spoilt.done("model", "show", "breast-cancer")
    assert "There is no model beer" in spoilt.refused("model", "show", "beer")


def test_the_audit_shows_who_did_what(shell: Shell) -> None:
    """Oldest first, as many as asked for, in both forms."""
    entries = shell.json("audit")
    actions = [entry["action"] for entry in entries]

    assert actions == [
        *("key_added", "key_activated", "model_version_added", "model_promoted"),
        "partner_created",
    ]
    assert shell.json("audit", "-n", "2") == entries[-2:]
    assert len(rows_of(shell.done("audit", "-n", "2"))) == 3
    assert all(entry["actor"] and entry["at"].endswith("Z") for entry in entries)


def test_a_key_that_others_may_read_keeps_the_service_from_starting(spoilt: Shell) -> None:
    """SEC-97: one line names the file; nothing listens."""
    key = next(spoilt.settings.keys_dir.glob("*.pem"))
    key.chmod(0o644)
    command = [sys.executable, "-m", "gateway.cli", "--data-dir", str(spoilt.data_dir), "run"]
    socket = spoilt.data_dir / "tokens.sock"
    command += ["--role", "tokens", "--bind", f"unix:{socket}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert str(key) in done.stderr
    assert done.stderr.count("\n") == 1
    assert not socket.exists()
