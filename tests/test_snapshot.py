"""Snapshots, and the watcher that keeps a worker's own up to date."""

import os
import shutil
from pathlib import Path

import pytest
from clock import Clock
from control_fixtures import ControlFixture, make_control_store
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs
from structlog.typing import EventDict

from config.plans import SHIPPED_PLANS, InvalidPlans
from gateway.control.database import reading_engine
from gateway.control.snapshot import Revocations, SnapshotReader
from gateway.control.watcher import SnapshotWatcher, Ticker


class Watched:
    """A control store with a plans file of its own, and a watcher with a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.plans = folder / "plans.toml"
        shutil.copyfile(SHIPPED_PLANS, self.plans)
        self.control: ControlFixture = make_control_store(folder / "var", plans=self.plans)
        self.store = self.control.store
        self.database = folder / "var" / "control" / "control.sqlite3"
        self.clock = Clock()
        engine = reading_engine(self.control.settings.database_url)
        self.reader = SnapshotReader(engine, self.plans)
        self.watcher = SnapshotWatcher(self.reader, self.clock)

    def write_plans(self, text: str) -> None:
        """Replace the file, as an editor does."""
        temporary = self.plans.with_suffix(".new")
        temporary.write_text(text)
        temporary.replace(self.plans)

    def refresh(self) -> list[EventDict]:
        """One round a second later; what it logged."""
        self.clock.now += 1
        with capture_logs() as events:
            self.watcher.refresh()
        return events


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_nothing_is_read_while_nothing_changes(watched: Watched) -> None:
    """The same object, again and again, and nothing in the log."""
    before = watched.watcher.current

    assert watched.refresh() == []
    assert watched.watcher.current is before
    assert watched.watcher.age_s() == 0


def test_a_new_revision_is_swapped_in(watched: Watched) -> None:
    """A new object; the old one stays as it was for the requests that hold it."""
    before = watched.watcher.current
    revision = watched.store.set_partner("acme", enabled=False)
    watched.refresh()
    client_id = watched.control.partner.client_id

    assert watched.watcher.current.revision == revision
    assert watched.watcher.current.clients[client_id].enabled is False
    assert before.clients[client_id].enabled is True


def test_a_revocation_reads_revocations_alone(watched: Watched) -> None:
    """All kinds of them take effect, and what did not change is the very same."""
    before = watched.watcher.current
    watched.store.note_token_issued("acme", "issued", 10**10)
    watched.store.revoke_token("jti", 10**10)
    watched.store.revoke_client("client", 500.0, 10**10)
    revision = watched.store.revoke_all(400.0, 10**10)
    watched.refresh()
    after = watched.watcher.current

    assert after == watched.reader.read()
    assert (after.revision, after.revocations.jtis) == (revision, {"jti"})
    assert after.clients is before.clients
    assert after.deployments is before.deployments


def test_a_change_beside_revocations_reads_everything(watched: Watched) -> None:
    """Wherever among them it is."""
    for change in (
        lambda: watched.store.set_partner("acme", enabled=False),
        lambda: watched.store.add_model_version("wine", "7", "d" * 64),
        lambda: watched.store.promote_model("wine", "7", 0),
        lambda: watched.store.add_secret("acme", "e" * 64),
    ):
        watched.store.revoke_token("before", 10**10)
        change()
        watched.store.revoke_token("after", 10**10)
        before = watched.watcher.current
        watched.refresh()

        assert watched.watcher.current == watched.reader.read()
        assert watched.watcher.current.clients is not before.clients


def test_another_history_is_read_whole(watched: Watched, tmp_path: Path) -> None:
    """A restored store whose revision is higher, and whose last changes are revocations."""
    other = make_control_store(tmp_path / "other")
    for number in range(5):
        watched.store.revoke_token(f"here {number}", 10**10)
        other.store.revoke_token(f"there {number}", 10**10)
    watched.refresh()
    for number in range(5):
        other.store.revoke_token(f"later {number}", 10**10)
    other.store.close()
    shutil.rmtree(watched.database.parent)
    shutil.copytree(tmp_path / "other" / "control", watched.database.parent)
    watched.refresh()

    assert set(watched.watcher.current.clients) == {other.partner.client_id}
    assert watched.watcher.current == watched.reader.read()


def test_new_plans_are_swapped_in(watched: Watched) -> None:
    """Without a new revision and without a restart."""
    text = watched.plans.read_text().replace("requests_per_second = 100", "requests_per_second = 7")
    watched.write_plans(text)
    watched.refresh()
    client = watched.watcher.current.clients[watched.control.partner.client_id]

    assert client.plan.requests_per_second == 7
    assert client.plan == watched.watcher.current.plans["standard"]


@pytest.mark.parametrize("text", ["[standard", "", "[trial]\nmax_rows_per_call = 0", None])
def test_broken_plans_leave_the_old_ones_in_force(watched: Watched, text: str | None) -> None:
    """Wrong, empty, without a plan in use, or gone: said once, and tokens go on being accepted."""
    before = watched.watcher.current
    good = watched.plans.read_text()
    if text is None:
        watched.plans.unlink()
    else:
        watched.write_plans(text)
    events = [event for _ in range(3) for event in watched.refresh()]

    assert [event["event"] for event in events] == ["plans_refused"]
    assert watched.watcher.current is before
    assert watched.watcher.age_s() == 0
    watched.write_plans(good)
    assert [event["event"] for event in watched.refresh()] == ["control_store_back"]


def test_a_revocation_does_not_wait_for_the_plans(watched: Watched) -> None:
    """While the plans file is broken, everything else still takes effect (SEC-31)."""
    plans = watched.watcher.current.plans
    watched.write_plans("[standard")
    watched.refresh()
    revision = watched.store.revoke_token("jti", 10**10)
    watched.refresh()

    assert watched.watcher.current.revision == revision
    assert watched.watcher.current.revocations.cover("jti", "any", 10**9)
    assert watched.watcher.current.plans == plans
    assert watched.watcher.age_s() == 0


def test_a_partner_whose_plan_nobody_knows_makes_the_snapshot_old(watched: Watched) -> None:
    """Neither file nor memory has it: the last snapshot serves on, and ages."""
    before = watched.watcher.current
    watched.write_plans("[standard")
    watched.store.set_partner("acme", plan="gold")
    events = [event for _ in range(3) for event in watched.refresh()]

    assert [event["event"] for event in events] == ["plans_refused"]
    assert watched.watcher.current is before
    assert watched.watcher.age_s() == 3


def test_a_missing_database_leaves_the_snapshot_in_force(watched: Watched, tmp_path: Path) -> None:
    """Said once; only then does the age grow; nothing is made in its place; back, it is read."""
    before = watched.watcher.current
    away = tmp_path / "away"
    watched.database.parent.rename(away)
    events = [event for _ in range(3) for event in watched.refresh()]

    assert [event["event"] for event in events] == ["control_store_away"]
    assert watched.watcher.current is before
    assert watched.watcher.age_s() == 3
    assert not watched.database.parent.exists()
    away.rename(watched.database.parent)
    watched.store.set_partner("acme", enabled=False)
    assert [event["event"] for event in watched.refresh()] == ["control_store_back"]
    assert (watched.watcher.age_s(), watched.watcher.current.revision) == (0, before.revision + 1)


def test_a_file_that_is_no_database_is_a_missing_one(watched: Watched) -> None:
    """Garbage in its place is not an empty store: revocations are not forgotten."""
    before = watched.watcher.current
    for path in watched.database.parent.iterdir():
        path.unlink()
    for content in (b"", b"garbage" * 1000):
        watched.database.write_bytes(content)
        watched.refresh()

        assert watched.watcher.current is before
        assert watched.watcher.age_s() > 0


def test_a_restored_backup_is_taken(watched: Watched, tmp_path: Path) -> None:
    """Also though its revision is lower, and its file another one."""
    backup = make_control_store(tmp_path / "backup")
    for _ in range(3):
        watched.store.note_token_issued("acme", "jti", 1.0)
    watched.refresh()
    ahead = watched.watcher.current.revision
    backup_file = tmp_path / "backup" / "control"
    shutil.rmtree(watched.database.parent)
    shutil.copytree(backup_file, watched.database.parent)
    watched.refresh()

    assert watched.watcher.current.revision < ahead
    assert set(watched.watcher.current.clients) == {backup.partner.client_id}


def test_a_worker_does_not_start_without_a_store_or_plans(watched: Watched, tmp_path: Path) -> None:
    """There is nothing yet that it could go on with."""
    nowhere = reading_engine(f"sqlite:///{tmp_path}/none.sqlite3")
    with pytest.raises(OperationalError):
        SnapshotWatcher(SnapshotReader(nowhere, watched.plans))
    here = reading_engine(watched.control.settings.database_url)
    with pytest.raises(InvalidPlans):
        SnapshotWatcher(SnapshotReader(here, tmp_path / "none.toml"))

    assert not (tmp_path / "none.sqlite3").exists()


def test_readers_cannot_write(watched: Watched) -> None:
    """Prediction workers, which run models, have no way to the store's contents."""
    engine = reading_engine(watched.control.settings.database_url)
    with engine.connect() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.exec_driver_sql("UPDATE control_state SET revision = 1")


def test_a_snapshot_holds_everything(watched: Watched) -> None:
    """Secrets, keys, active models, all revocations that still matter."""
    store, client_id = watched.store, watched.control.partner.client_id
    second = watched.control.add_secret("acme")
    store.add_model_version("wine", "1", "a" * 64)
    store.add_model_version("wine", "2", "b" * 64)
    store.promote_model("wine", "2", 0)
    for cutoff in (500.0, 400.0):
        store.revoke_client(client_id, cutoff, 10**10)
        store.revoke_all(cutoff - 300, 10**10)
    watched.refresh()
    snapshot = watched.watcher.current

    assert second
    assert len(snapshot.clients[client_id].secrets) == 2
    assert snapshot.signing_key == snapshot.keys[watched.control.signing_key.kid]
    assert snapshot.deployments["wine"]["2"].manifest_digest == "b" * 64
    assert snapshot.revocations == Revocations(frozenset(), {client_id: 500.0}, 200.0)


@pytest.mark.parametrize(
    ("jti", "client_id", "issued_at", "covered"),
    [
        ("dead", "other", 999, True),
        ("live", "other", 999, False),
        ("live", "other", 100, True),
        ("live", "other", 100.5, False),
        ("live", "c", 200, True),
        ("live", "c", 200.5, False),
        ("", "", 101, False),
    ],
)
def test_revocations_cover(jti: str, client_id: str, issued_at: float, covered: bool) -> None:
    """By jti, or issued at or before the time for the client or for all."""
    revocations = Revocations(frozenset({"dead"}), {"c": 200.0}, 100.0)

    assert revocations.cover(jti, client_id, issued_at) is covered


def test_a_failing_task_does_not_stop_the_others() -> None:
    """Logged once per failure in a row; the rest of the round goes on."""
    done: list[int] = []

    def fail() -> None:
        raise RuntimeError

    ticker = Ticker([fail, lambda: done.append(1)], 1)
    with capture_logs() as events:
        ticker.run_round()
        ticker.run_round()

    assert done == [1, 1]
    assert [event["event"] for event in events] == ["background_task_failed"]


def test_a_ticker_runs_until_it_is_stopped() -> None:
    """In a thread of its own, from its start on."""
    reading, writing = os.pipe()
    ticker = Ticker([lambda: os.write(writing, b".") and None], 0.001)
    ticker.start()
    assert [os.read(reading, 1) for _ in range(3)] == [b"."] * 3
    ticker.stop()
    os.close(writing)

    os.read(reading, 10_000)
    assert os.read(reading, 1) == b""
    os.close(reading)
