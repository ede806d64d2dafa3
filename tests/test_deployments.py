"""Which version has which role: the rules of promoting, trying, going back and retiring."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.plans import SHIPPED_PLANS
from gateway.control import migrate
from gateway.control.change import ControlError
from gateway.control.database import reading_engine, writing_engine
from gateway.control.snapshot import DeployedVersion, SnapshotReader
from gateway.control.store import ControlStore

DAY = 86_400.0


class Wine:
    """A store with five versions of one model, and a clock that moves when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        url = f"sqlite:///{folder}/control.sqlite3"
        migrate.upgrade(url)
        self.store = ControlStore(writing_engine(url), actor="ada", clock=lambda: self.now)
        self._reader = SnapshotReader(reading_engine(url), SHIPPED_PLANS)
        for version in "12345":
            self.store.add_model_version("wine", version, version * 64)

    def promote(self, *versions: str, keep_s: float = 0.0) -> None:
        for version in versions:
            self.store.promote_model("wine", version, keep_s)

    def roles(self) -> dict[str, str]:
        """As operations see them."""
        rows = self.store.model_versions()
        return {row.version: row.role for row in rows if row.role is not None}

    def deployed(self) -> dict[str, DeployedVersion]:
        """As the workers see them."""
        return dict(self._reader.read().deployments.get("wine", {}))


@pytest.fixture
def wine(tmp_path: Path) -> Wine:
    return Wine(tmp_path)


def test_the_version_before_answers_those_who_name_it_for_a_while(wine: Wine) -> None:
    """Until its sunset, with the moment from which on callers are told."""
    wine.promote("1")
    wine.now = 2000.0
    wine.promote("2", keep_s=DAY)
    old = wine.deployed()["1"]

    assert wine.roles() == {"1": "retired", "2": "current"}
    assert (old.deprecated_at, old.sunset_at) == (2000.0, 2000.0 + DAY)
    assert not old.ended(2000.0 + DAY - 1)
    assert old.ended(2000.0 + DAY)
    wine.now = 2000.0 + DAY
    assert wine.roles() == {"2": "current"}


def test_the_version_before_may_leave_at_once(wine: Wine) -> None:
    """Where nothing is kept, it only stands by."""
    wine.promote("1", "2")

    assert wine.roles() == {"2": "current"}
    assert (wine.deployed()["1"].role, wine.deployed()["1"].stand_in) == ("standby", 1)


def test_versions_promoted_before_stand_in_the_last_one_first(wine: Wine) -> None:
    """Each once, never the current one; what was never promoted does not stand in."""
    wine.promote("1", "2", "3", "2", "4")
    wine.store.set_canary("wine", "5", 10)
    order = {version: deployed.stand_in for version, deployed in wine.deployed().items()}

    assert order == {"4": 0, "2": 1, "3": 2, "1": 3, "5": 0}


def test_rolling_back_goes_the_way_of_the_promotions(wine: Wine) -> None:
    """Step by step; each version gone back from leaves service at once."""
    wine.promote("1", "2", "3", keep_s=DAY)
    wine.store.rollback_model("wine")
    once = wine.roles()
    wine.store.rollback_model("wine")
    twice = wine.roles()
    with pytest.raises(ControlError, match="no version of model wine was promoted before 1"):
        wine.store.rollback_model("wine")

    assert once == {"1": "retired", "2": "current"}
    assert twice == {"1": "current"}
    assert (wine.deployed()["1"].deprecated_at, wine.deployed()["1"].sunset_at) == (None, None)


def test_promoting_after_going_back_starts_a_new_way(wine: Wine) -> None:
    """What was gone back from is no place to return to."""
    wine.promote("1", "2")
    wine.store.rollback_model("wine")
    wine.promote("3")
    wine.store.rollback_model("wine")

    assert wine.roles() == {"1": "current"}


def test_a_model_has_one_canary_and_one_shadow(wine: Wine) -> None:
    """The next one takes the place of the one before; the share can be changed."""
    wine.promote("1")
    for version, percent in (("2", 10), ("3", 10), ("3", 50.5)):
        wine.store.set_canary("wine", version, percent)
    wine.store.set_shadow("wine", "2")
    wine.store.set_shadow("wine", "4")

    assert wine.roles() == {"1": "current", "3": "canary", "4": "shadow"}
    assert wine.deployed()["3"].percent == 50.5


def test_ending_a_role_takes_the_version_out_of_service(wine: Wine) -> None:
    """Unless it was retired before, and its sunset is still to come."""
    wine.promote("1")
    wine.promote("2", keep_s=DAY)
    wine.store.set_canary("wine", "1", 10)
    wine.store.set_shadow("wine", "3")
    before = wine.roles()
    wine.store.end_canary("wine")
    wine.store.end_shadow("wine")

    assert before == {"1": "canary", "2": "current", "3": "shadow"}
    assert wine.roles() == {"1": "retired", "2": "current"}
    assert wine.deployed()["1"].sunset_at == 1000.0 + DAY


def test_a_canary_outlives_the_sunset_it_once_had(wine: Wine) -> None:
    """Whoever tries a retired version again means it; it ends when the trial does."""
    wine.promote("1")
    wine.promote("2", keep_s=DAY)
    wine.store.set_canary("wine", "1", 10)
    wine.now += 2 * DAY

    assert wine.roles() == {"1": "canary", "2": "current"}
    assert not wine.deployed()["1"].ended(wine.now)
    wine.store.end_canary("wine")
    assert wine.roles() == {"2": "current"}


def test_a_canary_is_promoted_to_all(wine: Wine) -> None:
    """It ends being one; another canary stays."""
    wine.promote("1")
    wine.store.set_canary("wine", "2", 10)
    wine.promote("2")
    assert (wine.roles(), wine.deployed()["2"].percent) == ({"2": "current"}, 0.0)
    wine.store.set_canary("wine", "3", 10)
    wine.promote("4")

    assert wine.roles() == {"3": "canary", "4": "current"}


def test_a_sunset_can_be_moved(wine: Wine) -> None:
    """Later, earlier or to now; since when it is deprecated stays."""
    wine.promote("1")
    wine.promote("2", keep_s=DAY)
    wine.now = 5000.0
    wine.store.retire_model("wine", "1", 9000.0)
    moved = wine.deployed()["1"]
    wine.store.retire_model("wine", "1", 5000.0)

    assert (moved.deprecated_at, moved.sunset_at) == (1000.0, 9000.0)
    assert wine.roles() == {"2": "current"}


def test_a_whole_model_is_withdrawn_at_once_or_at_a_date(wine: Wine) -> None:
    """With a date all go on answering until then, and say so; trials end."""
    wine.promote("1")
    wine.promote("2", keep_s=10)
    wine.store.set_canary("wine", "3", 10)
    wine.store.set_shadow("wine", "4")
    wine.store.withdraw_model("wine", 1000.0 + DAY)
    announced = wine.roles(), wine.deployed()
    wine.store.withdraw_model("wine", 1000.0)

    assert announced[0] == {"1": "retired", "2": "current"}
    assert (announced[1]["2"].deprecated_at, announced[1]["2"].sunset_at) == (1000.0, 1000.0 + DAY)
    assert announced[1]["1"].sunset_at == 1010.0
    assert (wine.roles(), wine.deployed()) == ({}, {})


REFUSED: list[tuple[Callable[[ControlStore], Any], str]] = [
    (lambda s: s.promote_model("wine", "2", 0), "version 2 of model wine is current already"),
    (lambda s: s.promote_model("wine", "9", 0), "there is no version 9 of model wine"),
    (lambda s: s.rollback_model("beer"), "model beer is not in service: promote"),
    (lambda s: s.set_canary("wine", "2", 10), "is current: it cannot be its canary"),
    (lambda s: s.set_canary("wine", "9", 10), "there is no version 9 of model wine"),
    (lambda s: s.set_canary("wine", "1", 0), "0 percent is no share"),
    (lambda s: s.set_canary("wine", "1", 100.1), "100.1 percent is no share"),
    (lambda s: s.set_shadow("wine", "2"), "is current: it cannot be its shadow"),
    (lambda s: s.end_canary("wine"), "model wine has no canary"),
    (lambda s: s.end_shadow("wine"), "model wine has no shadow"),
    (lambda s: s.retire_model("wine", "2", 2000.0), "is current: promote another one first"),
    (lambda s: s.retire_model("wine", "3", 2000.0), "version 3 of model wine is not in service"),
    (lambda s: s.withdraw_model("beer", 0.0), "model beer is not in service"),
]


@pytest.mark.parametrize(("call", "said"), REFUSED)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    wine: Wine, call: Callable[[ControlStore], Any], said: str
) -> None:
    """One sentence; no new revision, no audit row."""
    wine.promote("1")
    wine.promote("2", keep_s=DAY)
    before = wine.deployed(), wine.store.audit_entries(100)
    with pytest.raises(ControlError, match=said):
        call(wine.store)

    assert (wine.deployed(), wine.store.audit_entries(100)) == before


def test_the_audit_says_what_was_before_and_after(wine: Wine) -> None:
    """Enough to undo each change by hand; and what was trusted when a version was added."""
    wine.promote("1")
    wine.store.set_canary("wine", "2", 10)
    wine.store.end_canary("wine")
    wine.promote("2")
    wine.store.rollback_model("wine")
    wine.store.add_model_version("wine", "6", "6" * 64, notes={"trusted": ["os:system"]})
    entries = {entry.action: entry for entry in wine.store.audit_entries(6)}

    assert entries["canary_set"].after == {"version": "2", "role": "canary", "percent": 10}
    assert entries["canary_ended"].before == {"version": "2", "role": "canary", "percent": 10}
    assert (entries["model_rolled_back"].before, entries["model_rolled_back"].after) == (
        {"version": "2"},
        {"version": "1"},
    )
    assert entries["model_version_added"].after["trusted"] == ["os:system"]
