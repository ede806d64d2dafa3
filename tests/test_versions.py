"""Several versions of one model over HTTP: who answers whom, and what callers are told."""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from app_fixture import AppFixture, add_version, make_app
from fakes import save_artifact
from http_sf import parse
from sklearn.linear_model import LinearRegression
from structlog.testing import capture_logs

from gateway.control.database import writing_engine
from gateway.control.shadow_statistics import (
    Pair,
    ShadowStatistics,
    shadow_statistics_of,
)
from gateway.model_follower import ModelFollower
from gateway.shadow import MAX_WAITING_CALLS, MAX_WAITING_ROWS, Shadowing
from model import Batch

DAY_S = 86_400.0


def times(factor: float) -> LinearRegression:
    """A model that multiplies."""
    return LinearRegression(fit_intercept=False).fit([[1.0]], [factor])


@pytest.fixture
def line(tmp_path: Path) -> AppFixture:
    """The app with three versions of `line`; version k answers k times what it is asked."""
    gateway = make_app(tmp_path, models={"line": times(1.0)})
    for version in ("2", "3"):
        source = save_artifact(tmp_path / "sources" / version, times(float(version)))
        add_version(gateway.control, "line", version, source)
    gateway.control.set_partner("acme", plan="unlimited")
    return gateway


def at(gateway: AppFixture, now: float) -> ModelFollower:
    """What keeps the models of the app in service, at another time."""
    return ModelFollower(gateway.control.watcher, gateway.models, now=lambda: now)


def ask(gateway: AppFixture, version: str = "", rows: int = 1, **options: Any) -> Any:
    path = f"/v1/models/line/versions/{version}/predict" if version else "/v1/models/line/predict"
    return gateway.predict([[1.0]] * rows, path, **options)


def answering(gateway: AppFixture, **options: Any) -> str:
    answer = ask(gateway, **options).json
    assert answer["predictions"] == [pytest.approx(float(answer["version"]))]
    version: str = answer["version"]
    return version


def test_a_promoted_version_answers_and_the_old_one_can_still_be_named(line: AppFixture) -> None:
    """Without a restart; with both dates in the answers of the old one, and its successor."""
    line.control.store.promote_model("line", "2", DAY_S)
    line.refresh()
    old, new = ask(line, "1"), ask(line)
    deprecated_at = parse(old.headers["Deprecation"].encode(), tltype="item")[0]
    sunset = parsedate_to_datetime(old.headers["Sunset"])

    assert (old.json["version"], new.json["version"]) == ("1", "2")
    assert abs(deprecated_at.timestamp() - time.time()) < 60
    assert sunset.timestamp() - deprecated_at.timestamp() == pytest.approx(DAY_S, abs=1)
    assert old.headers["Link"] == '</v1/models/line/versions/2>; rel="successor-version"'
    assert not {"Deprecation", "Sunset", "Link"} & set(new.headers.keys())


def test_a_refused_call_of_an_ending_version_says_so_too(line: AppFixture) -> None:
    """Whoever calls it wrongly still learns that it ends."""
    line.control.store.promote_model("line", "2", DAY_S)
    line.refresh()
    refused = line.predict([["x"]], "/v1/models/line/versions/1/predict")

    assert refused.status_code == 422
    assert "Sunset" in refused.headers


def test_a_version_is_gone_at_its_sunset(line: AppFixture) -> None:
    """By the clock alone: nothing is written on that day."""
    line.control.store.promote_model("line", "2", DAY_S)
    line.refresh()
    at(line, time.time() + DAY_S - 10).follow()
    before = ask(line, "1").status_code
    at(line, time.time() + DAY_S + 10).follow()
    after = ask(line, "1")

    assert before == 200
    assert (after.status_code, after.json["code"]) == (404, "unknown_version")
    assert answering(line) == "2"


def test_a_whole_model_can_end(line: AppFixture) -> None:
    """Until its day the current version says so; there is no successor; then it is unknown."""
    line.control.store.withdraw_model("line", time.time() + DAY_S)
    line.refresh()
    announced = ask(line)
    at(line, time.time() + DAY_S + 10).follow()

    assert announced.status_code == 200
    assert {"Deprecation", "Sunset"} <= set(announced.headers.keys())
    assert "Link" not in announced.headers
    assert ask(line).json["code"] == "unknown_model"


def test_a_partner_gets_the_same_version_each_time(line: AppFixture) -> None:
    """Of twelve partners a canary of half answers some, always the same; the log notes it."""
    line.control.store.set_canary("line", "2", 50)
    partners = [line.control.add_partner(f"p{n}", "unlimited") for n in range(12)]
    line.refresh()
    seen = [
        {
            partner.name: answering(
                line, headers=line.bearer(client_id=partner.client_id, sub=partner.client_id)
            )
            for partner in partners
        }
        for _ in range(2)
    ]
    with capture_logs() as events:
        for partner in partners:
            ask(line, headers=line.bearer(client_id=partner.client_id, sub=partner.client_id))
    noted = {event["partner"]: event.get("role", "current") for event in events}

    assert seen[0] == seen[1]
    assert set(seen[0].values()) == {"1", "2"}
    assert noted == {
        partner: "canary" if version == "2" else "current" for partner, version in seen[0].items()
    }


def test_the_contract_is_that_of_the_version_that_answers(line: AppFixture) -> None:
    """All versions that can be named are in it, with their roles; each has its own page."""
    line.control.store.promote_model("line", "2", DAY_S)
    line.control.store.set_canary("line", "3", 100)
    line.control.store.set_shadow("line", "1")
    line.refresh()
    shadowed = line.client.get("/v1/models/line", headers=line.bearer()).json
    line.control.store.end_shadow("line")
    line.refresh()
    headers = line.bearer()
    mine = line.client.get("/v1/models/line", headers=headers).json
    retired = line.client.get("/v1/models/line/versions/1", headers=headers)
    unknown = line.client.get("/v1/models/line/versions/9", headers=headers)

    assert mine["version"] == "3"
    assert [(v["version"], v["role"]) for v in mine["versions"]] == [
        ("2", "current"),
        ("1", "retired"),
        ("3", "canary"),
    ]
    assert "sunset_at" in mine["versions"][1]
    assert [v["version"] for v in shadowed["versions"]] == ["2", "3"]
    assert (retired.json["version"], "Sunset" in retired.headers) == ("1", True)
    assert (unknown.status_code, unknown.json["code"]) == (404, "unknown_version")


def test_a_failing_version_changes_nothing_for_callers(line: AppFixture) -> None:
    """The event names the version that goes on."""
    (line.control.settings.models_dir / "line" / "2").rename(line.control.settings.data_dir / "x")
    line.control.store.promote_model("line", "2", DAY_S)
    with capture_logs() as events:
        line.refresh()
        line.refresh()
    [event] = [event for event in events if event["event"] == "model_not_loaded"]

    assert (event["version"], event["role"], event["serving"]) == ("2", "current", "1")
    assert "manifest.json cannot be read" in event["reason"]
    assert answering(line) == "1"
    assert "Deprecation" not in ask(line).headers
    assert line.client.get("/readyz").status_code == 200


def test_limits_of_the_contract_hold_and_its_cost_is_charged(tmp_path: Path) -> None:
    """Two rows at most, each worth 2.5: both count against the plan."""
    gateway = make_app(tmp_path, models={"line": times(1.0)})
    toml = "[limits]\nmax_rows = 2\ncost = 2.5\n"
    gateway.add_model("costly", times(1.0), toml)
    two = gateway.predict([[1.0]] * 2, "/v1/models/costly/predict")
    three = gateway.predict([[1.0]] * 3, "/v1/models/costly/predict")
    limits = gateway.client.get("/v1/limits", headers=gateway.bearer()).json["limits"]
    [rows] = [limit for limit in limits if limit["name"] == "rows_per_hour"]

    assert two.status_code == 200
    assert (three.status_code, three.json["errors"][0]["code"]) == (422, "too_many_rows")
    assert rows["limit"] - rows["remaining"] == 5


def compared(gateway: AppFixture) -> list[ShadowStatistics]:
    """Once all that waits has been answered and written."""
    while gateway.shadowing.answer_next():
        pass
    gateway.shadowing.write()
    return shadow_statistics_of(writing_engine(gateway.control.settings.status_url), "line")


def test_a_shadow_answers_copies_that_nobody_sees(line: AppFixture) -> None:
    """Off the response path; every row of the current version is compared, and added up."""
    line.control.store.set_shadow("line", "2")
    line.refresh()
    answers = [answering(line) for _ in range(3)]
    before = shadow_statistics_of(writing_engine(line.control.settings.status_url), "line")
    first = compared(line)
    ask(line, rows=5)
    [statistics] = compared(line)

    assert (answers, before) == (["1"] * 3, [])
    assert first[0].rows == 3
    assert statistics.pair == Pair("line", "1", "2")
    assert (statistics.calls, statistics.rows, statistics.disagreeing) == (4, 8, 8)
    assert statistics.bins == {1.0: 8}
    assert statistics.disagreement == 1.0
    assert statistics.latency_ratio is not None
    assert ask(line, "2").json["code"] == "unknown_version"


def test_what_the_current_version_did_not_answer_is_not_compared(line: AppFixture) -> None:
    """Neither a canary's answers, nor those of a version that was named, nor refusals."""
    line.control.store.promote_model("line", "2", DAY_S)
    line.control.store.set_shadow("line", "3")
    line.refresh()
    ask(line, "1")
    line.predict([["x"]], "/v1/models/line/predict")

    assert compared(line) == []


def test_calls_beyond_the_queue_are_dropped_and_counted(line: AppFixture) -> None:
    """No caller waits for a shadow; both the calls and the rows that wait have an end."""
    line.control.store.set_shadow("line", "2")
    line.refresh()
    for _ in range(MAX_WAITING_CALLS + 2):
        ask(line)
    [many] = compared(line)
    ask(line, rows=MAX_WAITING_ROWS)
    ask(line)
    [large] = compared(line)
    ask(line, rows=MAX_WAITING_ROWS + 1)
    [larger] = compared(line)

    assert (many.calls, many.dropped_calls) == (MAX_WAITING_CALLS, 2)
    assert (large.rows, large.dropped_calls) == (MAX_WAITING_CALLS + MAX_WAITING_ROWS, 3)
    assert (larger.calls, larger.dropped_calls) == (MAX_WAITING_CALLS + 1, 4)


def test_a_shadow_that_fails_is_counted_as_disagreeing(line: AppFixture, tmp_path: Path) -> None:
    """It takes two features where callers send one. Said once; callers notice nothing."""
    wide = LinearRegression().fit([[1.0, 2.0], [2.0, 3.0]], [1.0, 2.0])
    add_version(line.control, "line", "4", save_artifact(tmp_path / "sources" / "wide", wide))
    line.control.store.set_shadow("line", "4")
    line.refresh()
    answers = [answering(line), answering(line)]
    with capture_logs() as events:
        [statistics] = compared(line)

    assert answers == ["1", "1"]
    assert (statistics.calls, statistics.failed_calls, statistics.failed_rows) == (0, 2, 2)
    assert (statistics.disagreement, statistics.latency_ratio) == (1.0, None)
    assert [event["event"] for event in events] == ["shadow_failed"]


def test_statistics_wait_for_a_database_that_is_away(line: AppFixture) -> None:
    """Nothing is lost, nothing is counted twice; said once."""
    line.control.store.set_shadow("line", "2")
    line.refresh()
    ask(line)
    status = line.control.settings.data_dir / "status"
    status.rename(status.with_name("away"))
    line.shadowing.answer_next()
    with capture_logs() as events:
        line.shadowing.write()
        line.shadowing.write()
    status.with_name("away").rename(status)
    [statistics] = compared(line)

    assert [event["event"] for event in events] == ["shadow_statistics_not_written"]
    assert (statistics.calls, statistics.rows) == (1, 1)


def test_a_shadow_works_in_a_thread_of_its_own(line: AppFixture) -> None:
    """It takes what waits and writes what is known without being asked, until it is stopped."""
    line.control.store.set_shadow("line", "2")
    line.refresh()
    current, shadow = line.models.get("line"), line.models.shadow("line")
    assert shadow is not None
    batch = Batch.from_rows([[1.0]])
    written: Queue[tuple[Pair, Mapping[str, float]]] = Queue()
    shadowing = Shadowing(lambda pair, measures: written.put((pair, measures)))
    shadowing.start()
    shadowing.offer(current, shadow, batch, current.predict(batch), 0.5)
    pair, measures = written.get(timeout=30)
    shadowing.stop()

    assert pair == Pair("line", "1", "2")
    assert (measures["rows"], measures["disagreeing"], measures["answered_s"]) == (1, 1, 0.5)
    assert written.empty()
