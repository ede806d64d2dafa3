"""`gateway partner …`, and how every write waits to be served."""

import json
from pathlib import Path

import pytest
from cli_fixtures import Shell, rows_of

from gateway.auth.keys import load_pepper, secret_digest
from gateway.cli import administration

SCOPE = ["--scope", "model:*:predict"]


@pytest.fixture
def shell(prepared: Shell, tmp_path: Path) -> Shell:
    """A copy of its own for each test."""
    return prepared.copy_to(tmp_path)


def _digests(shell: Shell) -> set[str]:
    with shell.store._engine.connect() as connection:
        return set(connection.exec_driver_sql("SELECT digest FROM client_secrets").scalars())


def test_a_partner_is_created_with_credentials_that_work(shell: Shell) -> None:
    """Printed once; the store keeps only their digest under the pepper (SEC-23)."""
    made = shell.json("partner", "create", "acme", "--plan", "standard", *SCOPE)
    pepper = load_pepper(shell.settings.keys_dir)

    assert set(made) == {"partner", "client_id", "client_secret"}
    assert secret_digest(pepper, made["client_secret"]) in _digests(shell)
    assert (
        made["client_secret"].encode()
        not in (shell.data_dir / "control" / "control.sqlite3-wal").read_bytes()
    )
    assert shell.audited().action == "partner_created"
    assert made["client_secret"] not in str(shell.audited())


def test_people_get_a_table_and_a_warning(shell: Shell) -> None:
    """The secret on stdout, that it is not kept on stderr."""
    result = shell.run("partner", "create", "acme", "--plan", "trial", *SCOPE)

    assert [row[0] for row in rows_of(result.stdout)] == ["partner", "client_id", "client_secret"]
    assert "cannot be shown again" in result.stderr


def test_partners_are_listed_and_shown(shell: Shell) -> None:
    """For machines and for people; never a digest."""
    shell.done("partner", "create", "acme", "--plan", "standard", *SCOPE)
    listed = shell.json("partner", "list")
    shown = shell.json("partner", "show", "acme")

    assert [partner["partner"] for partner in listed] == ["acme", "demo"]
    assert shown | {"secrets": None} == listed[0] | {"secrets": None}
    assert set(shown["secrets"][0]) == {"secret", "created_at", "last_used_at"}
    assert [row[:3] for row in rows_of(shell.done("partner", "list"))[1:]] == [
        ["acme", "standard", "yes"],
        ["demo", "trial", "yes"],
    ]
    everything = shell.done("partner", "show", "acme") + json.dumps(shown) + json.dumps(listed)
    assert not [digest for digest in _digests(shell) if digest in everything]


def test_plan_and_scopes_are_changed(shell: Shell) -> None:
    """What is given changes, what is not stays."""
    shell.done("partner", "set", "demo", "--plan", "standard")
    assert shell.json("partner", "show", "demo")["plan"] == "standard"
    shell.done("partner", "set", "demo", "--scope", "model:wine:read", "--scope", "model:*:read")
    shown = shell.json("partner", "show", "demo")

    assert (shown["plan"], shown["scopes"]) == ("standard", ["model:*:read", "model:wine:read"])
    assert shell.audited().before == {"scopes": ["model:*:predict", "model:*:read"]}


def test_a_partner_is_disabled_and_enabled(shell: Shell) -> None:
    """Each with its row; saying it twice is no error."""
    for command, enabled in (("disable", False), ("disable", False), ("enable", True)):
        shell.done("partner", command, "demo")

        assert shell.json("partner", "show", "demo")["enabled"] is enabled
        assert shell.audited().after == {"enabled": enabled}


def test_a_secret_is_rotated_without_losing_a_call(shell: Shell) -> None:
    """Two at a time: add, hand over, retire the old one."""
    [old] = shell.json("partner", "show", "demo")["secrets"]
    made = shell.json("partner", "secret", "add", "demo")
    assert len(shell.json("partner", "show", "demo")["secrets"]) == 2
    assert "retire one first" in shell.refused("partner", "secret", "add", "demo")
    shell.done("partner", "secret", "retire", "demo", old["secret"])
    digest = secret_digest(load_pepper(shell.settings.keys_dir), made["client_secret"])

    assert _digests(shell) == {digest}
    assert made["client_id"] == shell.json("partner", "show", "demo")["client_id"]
    assert shell.audited().action == "partner_secret_retired"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "demo", "--plan", "trial", *SCOPE], "partner demo exists already"),
        (["create", "acme", "--plan", "gold", *SCOPE], "no plan gold; there are: trial, standard"),
        (["show", "acme"], "there is no partner acme (see: gateway partner list)"),
        (["set", "acme", "--plan", "trial"], "there is no partner acme"),
        (["set", "demo", "--plan", "gold"], "no plan gold"),
        (["disable", "acme"], "there is no partner acme"),
        (["enable", "acme"], "there is no partner acme"),
        (["secret", "add", "acme"], "there is no partner acme"),
        (["secret", "retire", "demo", "x"], "partner demo has no secret x (it has: "),
    ],
)
def test_what_cannot_be_done_is_one_line(prepared: Shell, arguments: list[str], said: str) -> None:
    """Exit 1, what is wrong and what would be right; no audit row."""
    before = prepared.audited()

    assert said in prepared.refused("partner", *arguments)
    assert prepared.audited() == before


def test_a_pepper_open_to_others_is_refused(shell: Shell) -> None:
    """Before anything is written."""
    (shell.settings.keys_dir / "pepper").chmod(0o644)
    before = shell.audited()

    assert "open to others" in shell.refused("partner", "secret", "add", "demo")
    assert shell.audited() == before


def test_a_write_that_a_live_worker_lacks_exits_3(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is done and kept; a warning names the worker that lags."""
    monkeypatch.setattr(administration, "SERVED_WITHIN_S", 0.1)
    report = shell.report(revision=1)
    result = shell.run("partner", "disable", "demo")

    assert (result.exit_code, result.stdout) == (3, "Partner demo disabled.\n")
    assert result.stderr.startswith("Warning: done and kept, but after 0.1 s not yet served by ")
    assert shell.json("partner", "show", "demo")["enabled"] is False
    report.write(shell.audited().revision + 1, {}, limits_fallback=False)
    shell.done("partner", "enable", "demo")


def test_credentials_are_printed_even_if_a_worker_lags(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They exist from then on and cannot be shown again; stdout stays one JSON value."""
    monkeypatch.setattr(administration, "SERVED_WITHIN_S", 0.1)
    shell.report(revision=1)
    result = shell.run("partner", "create", "acme", "--plan", "trial", *SCOPE, "--json")

    assert result.exit_code == 3
    assert json.loads(result.stdout)["partner"] == "acme"


def test_three_seconds_are_given() -> None:
    """As the manual says."""
    assert administration.SERVED_WITHIN_S == 3.0


def test_who_serves_a_write_must_be_known(shell: Shell) -> None:
    """An unreadable status database is not taken for a served change."""
    (shell.data_dir / "status" / "status.sqlite3").write_bytes(b"garbage" * 100)
    for path in (shell.data_dir / "status").glob("*-*"):
        path.unlink()
    result = shell.run("partner", "disable", "demo")

    assert (result.exit_code, result.stdout) == (3, "Partner demo disabled.\n")
    assert "who serves it cannot be told" in result.stderr


def test_the_actor_is_whoever_types(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also who it was before sudo."""
    monkeypatch.setenv("LOGNAME", "root")
    monkeypatch.setenv("SUDO_USER", "anna")
    shell.done("partner", "disable", "demo")

    assert shell.audited().actor == "anna as root"
