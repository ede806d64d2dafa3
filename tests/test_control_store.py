"""The control store: what is reported as done is there, and everything there is explained."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from sqlalchemy import Select, Table, select

from config.settings import Settings
from gateway.control import migrate, tables
from gateway.control.change import ControlError
from gateway.control.database import writing_engine
from gateway.control.store import ControlStore

WRITER = Path(__file__).with_name("store_writer.py")
SCOPES = ("model:*:predict",)
JWK = {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}
DIGEST = "d" * 64


@pytest.fixture(params=["sqlite", "postgresql"])
def url(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """An empty control store, in each kind of database."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    url = f"sqlite:///{tmp_path}/control.sqlite3"
    migrate.upgrade(url)
    return url


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[ControlStore]:
    """A store with two partners, three keys, a plain model and one with a version in each role."""
    store = ControlStore(writing_engine(url), actor="anna", clock=clock)
    store.create_partner("acme", "acme-id", "standard", SCOPES, DIGEST)
    store.create_partner("both", "both-id", "trial", SCOPES, DIGEST)
    store.add_secret("both", DIGEST)
    store.add_key("k1", "EdDSA", JWK, "staged")
    store.activate_key("k1")
    store.add_key("k2", "EdDSA", JWK, "staged")
    store.add_key("k3", "EdDSA", JWK, "staged")
    store.add_model_version("wine", "1", DIGEST)
    store.add_model_version("wine", "2", DIGEST)
    store.promote_model("wine", "1", 0)
    for version in ("1", "2", "3", "4"):
        store.add_model_version("beer", version, DIGEST)
    store.promote_model("beer", "1", 0)
    store.promote_model("beer", "2", 500)
    store.set_canary("beer", "3", 10)
    store.set_shadow("beer", "4")
    yield store
    store.close()


def _contents(url: str) -> dict[str, list[Any]]:
    """Everything in the store."""
    engine = writing_engine(url)
    with engine.connect() as connection:
        contents = {
            table.name: [tuple(row) for row in connection.execute(_in_order(table))]
            for table in tables.metadata.sorted_tables
        }
    engine.dispose()
    return contents


def _in_order(table: Table) -> Select[Any]:
    # PostgreSQL gives rows in no order of its own.
    return select(table).order_by(*table.primary_key.columns)


def _secret(store: ControlStore, partner: str) -> str:
    return store.secrets_of(partner)[0].id


WRITES: dict[str, Callable[[ControlStore], int]] = {
    "partner_created": lambda s: s.create_partner("new", "new-id", "trial", SCOPES, DIGEST),
    "partner_changed": lambda s: s.set_partner("acme", plan="trial", enabled=False),
    "partner_secret_added": lambda s: s.add_secret("acme", DIGEST),
    "partner_secret_retired": lambda s: s.retire_secret("acme", _secret(s, "acme")),
    "key_added": lambda s: s.add_key("k4", "EdDSA", JWK, "staged"),
    "key_activated": lambda s: s.activate_key("k2"),
    "key_retired": lambda s: s.retire_key("k3"),
    "tokens_revoked": lambda s: s.revoke_token("j", 2000.0),
    "token_issued": lambda s: s.note_token_issued("acme", "j", 2000.0),
    "model_version_added": lambda s: s.add_model_version("wine", "3", DIGEST),
    "model_promoted": lambda s: s.promote_model("wine", "2", 60),
    "model_rolled_back": lambda s: s.rollback_model("beer"),
    "canary_set": lambda s: s.set_canary("wine", "2", 10),
    "canary_ended": lambda s: s.end_canary("beer"),
    "shadow_set": lambda s: s.set_shadow("wine", "2"),
    "shadow_ended": lambda s: s.end_shadow("beer"),
    "model_retired": lambda s: s.retire_model("beer", "1", 2000.0),
    "model_withdrawn": lambda s: s.withdraw_model("beer", 0.0),
    "model_unloaded": lambda s: s.unload_model("beer"),
}


@pytest.mark.parametrize("action", WRITES)
def test_every_write_bumps_the_revision_and_leaves_its_row(
    store: ControlStore, url: str, action: str
) -> None:
    """One revision more, one audit row with who, what and when."""
    [before] = _contents(url)["control_state"]
    entries = len(store.audit_entries(1000))
    revision = WRITES[action](store)
    after = store.audit_entries(1000)

    assert _contents(url)["control_state"] == [(1, before[1] + 1)]
    assert len(after) == entries + 1
    assert (after[-1].actor, after[-1].action, after[-1].at) == ("anna", action, 1000.0)
    assert after[-1].revision == revision == before[1] + 1


def test_every_method_that_changes_something_is_in_these_tests() -> None:
    """A new one must be added above."""
    reads = {"partner", "partners", "secrets_of", "signing_keys", "key_replaced_at"}
    reads |= {"ever_had_key", "last_promoted", "written_by"}
    reads |= {"model_versions", "audit_entries", "claim_unlogged_audit", "hold_open", "close"}
    writes = {name for name in vars(ControlStore) if not name.startswith("_")} - reads

    assert len(writes) == len(WRITES) + len({"revoke_client", "revoke_all", "note_secret_used"})


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda s: s.create_partner("acme", "x", "trial", SCOPES, DIGEST), "exists already"),
        (lambda s: s.set_partner("nobody", plan="trial"), "there is no partner nobody"),
        (lambda s: s.set_partner("acme"), "nothing of partner acme"),
        (lambda s: s.add_secret("nobody", DIGEST), "there is no partner nobody"),
        (lambda s: s.add_secret("both", DIGEST), "has 2 secrets already: retire one first"),
        (lambda s: s.retire_secret("nobody", "x"), "there is no partner nobody"),
        (lambda s: s.retire_secret("acme", "x"), "has no secret x"),
        (lambda s: s.retire_secret("acme", _secret(s, "both")), "has no secret"),
        (lambda s: s.partner("nobody"), "there is no partner nobody"),
        (lambda s: s.add_key("k1", "EdDSA", JWK, "staged"), "key k1 exists already"),
        (lambda s: s.activate_key("nothing"), "there is no key nothing"),
        (lambda s: s.activate_key("k1"), "key k1 signs already"),
        (lambda s: s.retire_key("nothing"), "there is no key nothing"),
        (lambda s: s.retire_key("k1"), "key k1 signs: rotate first"),
        (lambda s: s.add_model_version("wine", "1", "x" * 64), "version 1 of model wine exists"),
        (lambda s: s.promote_model("wine", "9", 0), "there is no version 9 of model wine"),
        (lambda s: s.promote_model("cider", "1", 0), "there is no version 1 of model cider"),
    ],
)
def test_a_wrong_call_is_refused_without_a_trace(
    store: ControlStore, url: str, call: Callable[[ControlStore], object], said: str
) -> None:
    """One sentence, and not a byte of difference: no revision, no audit row."""
    before = _contents(url)
    with pytest.raises(ControlError, match=said):
        call(store)

    assert _contents(url) == before


def test_before_and_after_are_in_the_audit_row(store: ControlStore) -> None:
    """Only what changed; no digest of a secret."""
    store.set_partner("acme", plan="trial")
    store.activate_key("k2")
    changed, activated = store.audit_entries(2)

    assert (changed.before, changed.after) == ({"plan": "standard"}, {"plan": "trial"})
    assert activated.before == {"active": "k1"}
    assert not [e for e in store.audit_entries(99) if DIGEST in str(e) and "partner" in e.action]


def test_one_key_signs_at_a_time(store: ControlStore, clock: Clock) -> None:
    """The one before only verifies, and the store knows since when."""
    clock.now = 2000.0
    store.activate_key("k2")

    assert {row.kid: row.state for row in store.signing_keys()} == {
        "k1": "retiring",
        "k2": "active",
        "k3": "staged",
    }
    assert [store.key_replaced_at(kid) for kid in ("k1", "k2", "k3")] == [2000.0, None, None]
    store.activate_key("k1")
    assert store.key_replaced_at("k2") == 2000.0


def test_revocations_are_forgotten_once_no_token_can_match(
    store: ControlStore, url: str, clock: Clock
) -> None:
    """With the next revocation, and not a moment early."""
    store.revoke_token("old", 1500.0)
    store.revoke_client("acme-id", 1000.0, 1500.1)
    store.revoke_all(1000.0, 1501.0)
    clock.now = 1500.1
    store.revoke_token("new", 3000.0)

    kinds = [(row[1], row[2]) for row in _contents(url)["revocations"]]
    assert kinds == [("client", "acme-id"), ("all", ""), ("jti", "new")]


def test_the_use_of_a_secret_is_noted_to_the_minute(
    store: ControlStore, url: str, clock: Clock
) -> None:
    """At most one write a minute, and never a new revision."""
    revision, secret = _contents(url)["control_state"], _secret(store, "acme")
    seen = []
    for clock.now in (2000.0, 2060.0, 2060.1):
        store.note_secret_used(secret)
        seen.append(store.secrets_of("acme")[0].last_used_at)

    assert seen == [2000.0, 2000.0, 2060.1]
    assert _contents(url)["control_state"] == revision


def _writer(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(WRITER), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_concurrent_writers_lose_nothing(url: str) -> None:
    """8 processes with 50 changes each: 400 revisions, 400 rows, each revision once."""
    writer = _writer(url, "50", "8")
    names = writer.communicate(timeout=60)[0].split()
    contents = _contents(url)

    assert (writer.returncode, len(names)) == (0, 400)
    assert contents["control_state"] == [(1, 401)]
    assert sorted(row[-2] for row in contents["audit"]) == list(range(2, 402))
    assert {row[0] for row in contents["partners"]} == set(names)


def test_audit_entries_are_handed_out_once(url: str, clock: Clock) -> None:
    """Four services claim 200 entries: each entry is logged by one of them."""
    store = ControlStore(writing_engine(url, durable=False), actor="anna", clock=clock)
    for number in range(200):
        store.note_token_issued("acme", str(number), 1.0)
    claimed = _writer(url, "claim", "4").communicate(timeout=60)[0].split()

    assert sorted(map(int, claimed)) == list(range(1, 201))
    assert store.claim_unlogged_audit() == []
    store.close()


def test_a_killed_writer_leaves_nothing_half_done(url: str) -> None:
    """After kill -9 what was reported is there, whole; and at most one change more."""
    writer = _writer(url, "create")
    assert writer.stdout is not None
    reported = [writer.stdout.readline().strip() for _ in range(20)]
    writer.kill()
    reported += writer.communicate()[0].split()
    contents = _contents(url)
    kept = [row[0] for row in contents["partners"]]

    assert set(reported) <= set(kept)
    assert len(kept) - len(reported) in {0, 1}
    assert sorted(row[4] for row in contents["audit"]) == sorted(kept)
    assert sorted(row[1] for row in contents["client_secrets"]) == sorted(kept)
    assert contents["control_state"] == [(1, 1 + len(kept))]


@pytest.mark.parametrize("folder", ["a b", "100%41", "a#b", "ü", "a?mode=ro", "a'b"])
def test_any_folder_may_hold_the_store(tmp_path: Path, folder: str) -> None:
    """The path is a path, whatever it would mean in a URL."""
    url = Settings(data_dir=tmp_path / folder).database_url
    migrate.upgrade(url)
    ControlStore(writing_engine(url), actor="a", clock=Clock()).note_token_issued("p", "j", 1.0)

    assert (tmp_path / folder / "control" / "control.sqlite3").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [folder]
