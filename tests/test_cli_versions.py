"""`gateway model promote|rollback|canary|shadow|retire|compare`, and how they wait for workers."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from cli_fixtures import Shell

from gateway.cli import served_versions
from gateway.cli.administration import Administration
from gateway.control.shadow_statistics import Pair, add_shadow_statistics

NAME = "breast-cancer"
DAY_S = 86_400.0


@pytest.fixture
def shell(prepared: Shell, tmp_path: Path) -> Shell:
    """A copy with three more versions of the example, known to the control store."""
    shell = prepared.copy_to(tmp_path)
    for version in ("2", "3", "4"):
        shell.store.add_model_version(NAME, version, version * 64)
    return shell


def roles(shell: Shell) -> dict[str, str]:
    rows = shell.store.model_versions()
    return {row.version: row.role for row in rows if row.name == NAME and row.role}


def report(shell: Shell, serving: str | None, **states: str) -> None:
    """Be a worker that has applied what is in force; versions are ready unless said otherwise."""
    versions = {
        row.version: {
            "role": row.role,
            "percent": row.percent or 0.0,
            "sunset_at": row.sunset_at,
            "state": states.get(f"v{row.version}", "ready"),
            "reason": "It is broken." if states.get(f"v{row.version}") == "failed" else None,
            "private": False,
        }
        for row in shell.store.model_versions()
        if row.name == NAME and row.role
    }
    models = {NAME: {"state": "ready", "version": serving, "versions": versions}} if serving else {}
    shell.report(shell.audited().revision, models)


@pytest.fixture
def worker(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A worker that catches up while a command waits; `states` is what becomes of versions."""
    how: dict[str, Any] = {"serving": "1", "states": {}}
    report(shell, "1")
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        report(shell, how["serving"], **how["states"])

    how["pauses"] = pauses
    monkeypatch.setattr(served_versions, "_pause", pause)
    return how


def test_promote_and_roll_back(shell: Shell, worker: dict[str, Any]) -> None:
    """Both return once the worker has it; the old version can be named for a day."""
    promoted = shell.done("model", "promote", NAME, "2")
    after = roles(shell)
    [old] = [row for row in shell.store.model_versions() if row.version == "1"]
    back = shell.done("model", "rollback", NAME)

    assert promoted == f"Version 2 of model {NAME} is current.\n"
    assert after == {"1": "retired", "2": "current"}
    assert old.sunset_at - time.time() == pytest.approx(DAY_S, abs=60)
    assert back == f"Version 1 of model {NAME} is current again.\n"
    assert roles(shell) == {"1": "current"}
    assert len(worker["pauses"]) == 2


def test_nothing_is_kept_where_the_setting_says_so(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """models.retired_for_s = 0."""
    monkeypatch.setenv("GATEWAY_MODELS__RETIRED_FOR_S", "0")
    shell.done("model", "promote", NAME, "2")

    assert roles(shell) == {"2": "current"}


def test_canary_and_shadow_come_and_go(shell: Shell, worker: dict[str, Any]) -> None:
    """With a share in percent, and without."""
    shell.done("model", "canary", NAME, "2", "--percent", "12.5%")
    shell.done("model", "shadow", NAME, "3")
    tried = roles(shell)
    [canary] = [row for row in shell.store.model_versions() if row.version == "2"]
    shell.done("model", "canary", NAME, "--percent", "0")
    shell.done("model", "shadow", NAME, "--end")

    assert tried == {"1": "current", "2": "canary", "3": "shadow"}
    assert canary.percent == 12.5
    assert roles(shell) == {"1": "current"}


@pytest.mark.parametrize(
    ("sunset", "in_s"),
    [("30d", 30 * DAY_S), ("12h", DAY_S / 2), ("90s", 90.0), ("2999-01-01", None)],
)
def test_a_sunset_is_a_duration_or_a_date(shell: Shell, sunset: str, in_s: float | None) -> None:
    """Of the whole model here; a date is midnight UTC."""
    shell.done("model", "retire", NAME, "--all", "--sunset", sunset)
    [row] = [row for row in shell.store.model_versions() if row.role]
    wanted = 32_472_144_000.0 if in_s is None else time.time() + in_s

    assert row.sunset_at == pytest.approx(wanted, abs=60)


def test_versions_and_models_leave_service_at_once(shell: Shell, worker: dict[str, Any]) -> None:
    """Without a date; afterwards the worker has nothing to say of the model."""
    shell.done("model", "promote", NAME, "2")
    shell.done("model", "retire", NAME, "1")
    left = roles(shell)
    worker["serving"] = None
    shell.done("model", "retire", NAME, "--all")

    assert left == {"2": "current"}
    assert roles(shell) == {}


REFUSED = [
    (["promote", NAME, "9"], 1, "there is no version 9"),
    (["promote", NAME, "1"], 1, "is current already"),
    (["promote", "beer", "1"], 1, "there is no version 1 of model beer"),
    (["rollback", NAME], 1, "no version of model breast-cancer was promoted before 1"),
    (["canary", NAME, "1", "--percent", "5"], 1, "it cannot be its canary"),
    (["canary", NAME, "--percent", "0"], 1, "has no canary"),
    (["canary", NAME, "--percent", "5"], 2, "Name the version"),
    (["canary", NAME, "2", "--percent", "101"], 2, "is no percentage"),
    (["canary", NAME, "2", "--percent", "x"], 2, "is no percentage"),
    (["shadow", NAME], 2, "Name the version, or give --end"),
    (["shadow", NAME, "2", "--end"], 2, "Name the version, or give --end"),
    (["retire", NAME], 2, "Name the version, or give --all"),
    (["retire", NAME, "1"], 1, "promote another one first"),
    (["retire", NAME, "1", "--sunset", "soon"], 2, "is neither a duration"),
    (["retire", NAME, "1", "--sunset", "2001-01-01"], 2, "has passed already"),
    (["compare", NAME], 1, "Nothing of model breast-cancer was compared yet"),
    (["promote", NAME, "2", "--if-disagreement-below", "1%"], 1, "on 0 rows, and 100 are asked"),
]


@pytest.mark.parametrize(("arguments", "exit_code", "said"), REFUSED)
def test_what_cannot_be_done_is_one_line(
    shell: Shell, arguments: list[str], exit_code: int, said: str
) -> None:
    """And changes nothing."""
    before = roles(shell)

    assert said in shell.refused("model", *arguments, exit_code=exit_code)
    assert roles(shell) == before


def test_a_version_that_workers_cannot_load_is_told(shell: Shell, worker: dict[str, Any]) -> None:
    """Exit code 1, the reason, and who goes on serving; it is kept, for workers try again."""
    worker["states"] = {"v2": "failed"}
    result = shell.run("model", "promote", NAME, "2")

    assert result.exit_code == 1
    assert "Version 2 of model breast-cancer could not be loaded by 1 of 1 workers" in result.stderr
    assert "It is broken. Version 1 goes on serving." in result.stderr
    assert roles(shell)["2"] == "current"


def test_a_worker_that_never_catches_up_is_named(
    shell: Shell, worker: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a minute: exit code 3, done and kept."""
    monkeypatch.setattr(served_versions, "LOADED_WITHIN_S", 0.0)
    result = shell.run("model", "promote", NAME, "2")

    assert result.exit_code == 3
    assert "not yet served by" in result.stderr
    assert worker["pauses"] == []


def count(shell: Shell, **measures: float) -> None:
    """Workers have compared version 1 with its shadow 2."""
    engine = Administration(shell.settings).status_engine
    add_shadow_statistics(engine, Pair(NAME, "1", "2"), measures)


def test_compare_shows_what_the_workers_counted(shell: Shell) -> None:
    """Added up; for people and for machines."""
    for _ in range(2):
        count(shell, calls=10, rows=100, disagreeing=1, answered_s=0.5, shadow_s=1.0)
        count(shell, difference_0=90, difference_inf=1, **{"difference_1e-06": 9})
    [facts] = json.loads(shell.done("model", "compare", NAME, "--json"))
    text = shell.done("model", "compare", NAME)

    assert (facts["version"], facts["shadow"], facts["rows"]) == ("1", "2", 200)
    assert (facts["disagreement"], facts["latency_ratio"]) == (0.01, 2.0)
    assert facts["score_differences"] == {"0": 180, "1e-06": 18, "inf": 2}
    assert "1.000%" in text
    assert "2.00" in text


@pytest.mark.parametrize(
    ("disagreeing", "failed_rows", "bar", "promoted"),
    [(4, 0, "0.5%", True), (5, 0, "0.5%", False), (4, 1, "0.5", False), (0, 0, "0.1", True)],
)
def test_a_promotion_can_ask_for_agreement(
    shell: Shell, disagreeing: int, failed_rows: int, bar: str, promoted: bool
) -> None:
    """Below the bar, not on it; rows that the shadow could not answer disagree."""
    rows = 1000 - failed_rows
    count(shell, calls=1, rows=rows, disagreeing=disagreeing, failed_rows=failed_rows)
    result = shell.run("model", "promote", NAME, "2", "--if-disagreement-below", bar)

    assert (result.exit_code, roles(shell).get("2")) == ((0, "current") if promoted else (1, None))
    assert promoted or "of 1000 rows: not below 0.5 %" in result.stderr


def test_a_bar_needs_enough_rows(shell: Shell) -> None:
    """Both sides of the number asked for; and of this pair, not of another."""
    count(shell, calls=1, rows=99)
    bar = ("--if-disagreement-below", "50%")
    few = shell.refused("model", "promote", NAME, "2", *bar)
    other = shell.refused("model", "promote", NAME, "3", *bar)
    shell.done("model", "promote", NAME, "2", *bar, "--at-least", "99")

    assert "on 99 rows, and 100 are asked for" in few
    assert "on 0 rows" in other
