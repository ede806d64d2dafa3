"""`gateway key …`, `gateway token …` and `gateway config check`."""

import re
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cli_fixtures import Shell, rows_of

from config.plans import SHIPPED_PLANS
from gateway.auth.keys import jwks, make_signing_key, write_private_key
from gateway.cli import administration
from gateway.control.database import reading_engine
from gateway.control.snapshot import Snapshot, SnapshotReader


@pytest.fixture
def shell(prepared: Shell, tmp_path: Path) -> Shell:
    """A copy of its own for each test."""
    return prepared.copy_to(tmp_path)


def _snapshot(shell: Shell) -> Snapshot:
    return SnapshotReader(reading_engine(shell.settings.database_url), SHIPPED_PLANS).read()


def _claims(shell: Shell, token: str) -> dict[str, Any]:
    """What the token says, verified as a partner's server would: with the published JWKS."""
    keys = jwt.PyJWKSet.from_dict(jwks(_snapshot(shell).keys.values()))
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = jwt.decode(
        token, key.key, ["EdDSA"], audience="model-gateway", issuer="http://localhost:8000"
    )
    return claims


def _states(shell: Shell) -> list[str]:
    return [key["state"] for key in shell.json("key", "list")]


def _pems(shell: Shell) -> set[str]:
    return {path.stem for path in shell.settings.keys_dir.glob("*.pem")}


def test_a_key_is_published_before_it_signs(shell: Shell) -> None:
    """Two changes: staged, then active; the one before only verifies; its retirement is printed."""
    [old] = shell.json("key", "list")
    text = shell.done("key", "rotate")
    staged, activated = shell.store.audit_entries(2)
    new = shell.json("key", "list")[1]

    assert (staged.action, staged.after["state"]) == ("key_added", "staged")
    assert (activated.action, activated.target) == ("key_activated", new["kid"])
    assert _states(shell) == ["retiring", "active"]
    assert f"gateway key retire {old['kid']}" in text
    assert [row[2] for row in rows_of(shell.done("key", "list"))[1:]] == ["retiring", "active"]


def test_a_key_does_not_sign_while_a_worker_lacks_it(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tokens would be refused there: it stays staged, and exit 1 says so."""
    monkeypatch.setattr(administration, "SERVED_WITHIN_S", 0.1)
    shell.report(revision=1)
    result = shell.run("key", "rotate")

    assert result.exit_code == 1
    assert "published but not active: not every worker has it" in result.stderr
    assert _states(shell) == ["active", "staged"]


def test_keys_are_retired_when_no_token_needs_them(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the active one, not one whose tokens may live, unless forced; the file goes with it."""
    [old] = shell.json("key", "list")
    assert "signs: rotate first" in shell.refused("key", "retire", old["kid"])
    shell.done("key", "rotate")
    assert "may live for 9" in shell.refused("key", "retire", old["kid"])
    assert len(_states(shell)) == 2
    replaced_at = shell.store.key_replaced_at(old["kid"])
    assert replaced_at is not None
    monkeypatch.setattr(time, "time", lambda: replaced_at + 900 + 30 + 3)
    shell.done("key", "retire", old["kid"])

    assert (_states(shell), old["kid"] in _pems(shell)) == (["active"], False)
    assert shell.audited().action == "key_retired"
    assert "there is no key" in shell.refused("key", "retire", old["kid"])


def test_force_retires_a_key_at_once(shell: Shell) -> None:
    """For a key that was stolen; but never the one that signs."""
    [old] = shell.json("key", "list")
    assert "signs: rotate first" in shell.refused("key", "retire", old["kid"], "--force")
    shell.done("key", "rotate")
    shell.done("key", "retire", old["kid"], "--force")

    assert _states(shell) == ["active"]
    assert len(_pems(shell)) == 1


@pytest.mark.parametrize("typed", [["{}", "--force"], ["--force", "{}"], ["--force", "--", "{}"]])
def test_a_key_whose_name_begins_with_a_hyphen_is_retired(shell: Shell, typed: list[str]) -> None:
    """One in 64 does, for its name is the digest of the key; `-h` in it asks for no help."""
    stolen = next(key for key in iter(make_signing_key, None) if re.match("-.*h", key.kid))
    write_private_key(shell.settings.keys_dir, stolen)
    shell.done("key", "rotate")
    assert stolen.kid in {key["kid"] for key in shell.json("key", "list")}
    shell.done("key", "rotate")
    shell.done("key", "retire", *(each.format(stolen.kid) for each in typed))

    assert stolen.kid not in {key["kid"] for key in shell.json("key", "list")}


def test_an_issued_token_verifies_with_the_published_keys(shell: Shell) -> None:
    """In the partner's name, with its scopes, narrowed on request; audited without the token."""
    token = shell.done("token", "issue", "demo").strip()
    claims = _claims(shell, token)
    narrowed = shell.json("token", "issue", "demo", "--scope", "model:wine:read")

    assert claims["client_id"] == shell.json("partner", "show", "demo")["client_id"]
    assert claims["scope"] == "model:*:predict model:*:read"
    assert _claims(shell, narrowed["access_token"])["scope"] == "model:wine:read"
    assert set(narrowed) == {"access_token", "scope", "expires_at"}
    first, second = shell.store.audit_entries(2)
    assert (first.action, first.after["jti"]) == ("token_issued", claims["jti"])
    assert token not in str((first, second))


def test_tokens_that_would_be_refused_are_not_issued(shell: Shell) -> None:
    """Unknown partner, scope beyond the partner's, disabled partner, lost key: one line each."""
    assert "there is no partner acme" in shell.refused("token", "issue", "acme")
    assert "not granted" in shell.refused("token", "issue", "demo", "--scope", "model:*:admin")
    shell.done("partner", "disable", "demo")
    assert "Partner demo is disabled" in shell.refused("token", "issue", "demo")
    shell.done("partner", "enable", "demo")
    before = shell.audited()
    for path in shell.settings.keys_dir.glob("*.pem"):
        path.unlink()

    assert shell.run("token", "issue", "demo").exit_code == 1
    assert shell.audited() == before


def test_a_token_is_revoked_by_itself_its_jti_its_client_or_with_all(shell: Shell) -> None:
    """Each way covers it, and leaves an audit row."""
    token = shell.done("token", "issue", "demo").strip()
    claims = _claims(shell, token)
    by = {
        "--token": [token],
        "--jti": [claims["jti"]],
        "--client": [claims["client_id"]],
        "--all": [],
    }
    for option, values in by.items():
        fresh = shell.copy_to(shell.data_dir.parent / option.strip("-"))
        assert not _covers(fresh, claims)
        assert fresh.done("token", "revoke", option, *values).endswith(" revoked.\n")

        assert _covers(fresh, claims), option
        assert fresh.audited().action == "tokens_revoked"
        assert token not in str(fresh.audited())


def _covers(shell: Shell, claims: dict[str, Any]) -> bool:
    revocations = _snapshot(shell).revocations
    return revocations.cover(claims["jti"], claims["client_id"], claims["iat"])


def test_a_token_may_come_from_standard_input(shell: Shell) -> None:
    """So that it stays out of the shell's history."""
    token = shell.done("token", "issue", "demo")
    shell.done("token", "revoke", "--token", "-", stdin=token)

    assert _covers(shell, _claims(shell, token.strip()))


def test_only_tokens_before_a_time_are_revoked(shell: Shell) -> None:
    """In UTC; later ones live on."""
    claims = _claims(shell, shell.done("token", "issue", "demo").strip())
    shell.done("token", "revoke", "--all", "--before", "2026-01-01T00:00:00")
    shell.done("token", "revoke", "--client", claims["client_id"], "--before", "2026-01-01")

    assert not _covers(shell, claims)
    assert _covers(shell, claims | {"iat": 1767225600})
    assert not _covers(shell, claims | {"iat": 1767225601})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--token", "rubbish"], "not an access token"),
        (["--token", ""], "not an access token"),
        (["--token", jwt.encode({"jti": "a"}, "k" * 32)], "not an access token"),
        (["--token", jwt.encode({"jti": "a", "exp": 10**400}, "k" * 32)], "not an access token"),
        (["--token", jwt.encode({"jti": "\x1b[31m", "exp": 9e9}, "k" * 32)], "printable ASCII"),
        (["--jti", "a b"], "printable ASCII"),
        (["--jti", "a" * 129], "printable ASCII"),
        (["--client", "nobody"], "There is no client nobody"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_what_cannot_be_revoked_is_one_line(
    prepared: Shell, arguments: list[str], said: str
) -> None:
    """Exit 1, nothing written, and no stranger's text on the terminal."""
    before = prepared.audited()

    assert said in prepared.refused("token", "revoke", *arguments)
    assert prepared.audited() == before


def test_a_sound_configuration_has_no_problems(prepared: Shell) -> None:
    """Exit 0, in both forms."""
    assert prepared.done("config", "check").startswith("No problems in ")
    assert prepared.json("config", "check") == {"problems": []}


def test_every_problem_of_the_configuration_is_said_at_once(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings and plans, a line each; exit 1."""
    plans = tmp_path / "plans.toml"
    plans.write_text("[trial]\nmax_rows_per_call = 0\n")
    monkeypatch.setenv("GATEWAY_PLANS", str(plans))
    monkeypatch.setenv("GATEWAY_SERVER__WORKERS", "2")
    monkeypatch.setenv("GATEWAY_LOG__LEVEL", "loud")
    lines = shell.run("config", "check")

    assert lines.exit_code == 1
    assert len(lines.stdout.splitlines()) == 4
    assert shell.run("config", "check", "--json").exit_code == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GATEWAY_CONTROL__DATABASE_URL", "rubbish"),
        ("GATEWAY_CONTROL__DATABASE_URL", "postgresql://localhost/gateway"),
        ("GATEWAY_CONTROL__DATABASE_URL", "nothing://localhost"),
    ],
)
def test_an_unusable_database_url_is_a_problem(
    prepared: Shell, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """Not a URL, a driver that is not installed, a database that nobody knows."""
    monkeypatch.setenv(variable, value)
    [problem] = prepared.run("config", "check").stdout.splitlines()

    assert problem.startswith("control.database_url: ")


def test_keys_and_plans_in_use_are_checked_too(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key open to others (SEC-97); a plan that a partner has and the file lacks."""
    plans = tmp_path / "plans.toml"
    plans.write_text("[other]\nmax_rows_per_call = 1\nmax_concurrent_calls = 1\n")
    monkeypatch.setenv("GATEWAY_PLANS", str(plans))
    assert "plan trial is not defined" in shell.run("config", "check").stdout
    next(shell.settings.keys_dir.glob("*.pem")).chmod(0o644)

    assert "open to others" in shell.run("config", "check").stdout
