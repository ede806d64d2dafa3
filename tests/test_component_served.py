"""A component behind the whole pipeline: its tags, its refusals, its failures, its feedback."""

from typing import Any

import pytest
from app_fixture import AppFixture, make_app
from components import serve_talkative
from structlog.testing import capture_logs

PREDICT = "/v1/models/talkative/predict"
FEEDBACK = "/v1/models/talkative/feedback"


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> AppFixture:
    """An app that serves `wine` and a class that does what its first value says."""
    gateway = make_app(tmp_path_factory.mktemp("talkative"))
    serve_talkative(gateway)
    return gateway


def test_tags_are_in_the_answer_and_metrics_in_the_log(talkative: AppFixture) -> None:
    """Partners see what the class says of this answer; operators what it measures."""
    with capture_logs() as events:
        first = talkative.predict([[0, 5]], PREDICT).json
        second = talkative.predict([[0, 5]], PREDICT).json

    assert second["predictions"] == [5.0]
    assert second["tags"]["calls"] == first["tags"]["calls"] + 1
    assert events[-1]["model_metrics"] == {"calls": second["tags"]["calls"]}
    assert "metrics" not in second


@pytest.mark.parametrize(
    ("mood", "status", "code", "detail"),
    [
        (1, 422, "invalid_input", "No wine has so much alcohol."),
        (2, 503, "model_unavailable", "The table of prices is being renewed."),
        (3, 422, "invalid_input", "This region is not covered."),
    ],
)
def test_a_refusal_of_the_model_reaches_its_caller(
    talkative: AppFixture, mood: int, status: int, code: str, detail: str
) -> None:
    """With one of our codes and the message that the class chose."""
    response = talkative.predict([[mood, 0]], PREDICT)

    assert (response.status_code, response.json["code"]) == (status, code)
    assert response.json["detail"] == detail
    assert ("Retry-After" in response.headers) == (status == 503)
    assert response.json.get("errors", []) == []


@pytest.mark.parametrize(
    ("mood", "error"),
    [(4, "TypeError"), (5, "ValueError"), (6, "NotImplementedError"), (7, "ValueError")],
)
def test_a_failure_is_told_to_the_log_only(talkative: AppFixture, mood: int, error: str) -> None:
    """500 with a constant; the log has each cause with its lines of code, and no text of it."""
    with capture_logs() as events:
        response = talkative.predict([[mood, 987654.25]], PREDICT)
    failed = next(event for event in events if event["event"] == "model_failed")

    assert response.status_code == 500
    assert response.json["detail"] == "The failure has been logged under this request id."
    assert failed["causes"][0]["error"] == error
    assert any("Talkative.py" in frame for frame in failed["causes"][0]["frames"])
    assert "987654.25" not in str(events)


def test_every_cause_of_a_failure_is_logged(talkative: AppFixture) -> None:
    """What was raised from what, with the source line."""
    with capture_logs() as events:
        talkative.predict([[5, 0]], PREDICT)
    failed = next(event for event in events if event["event"] == "model_failed")

    assert [cause["error"] for cause in failed["causes"]] == ["ValueError", "NotHere"]
    assert failed["causes"][1]["frames"][-1].endswith('raise NotHere("secret 4711")')


def test_a_failing_model_is_asked_once(talkative: AppFixture) -> None:
    """A TypeError of its own does not make us try with fewer arguments."""
    before = talkative.predict([[0, 0]], PREDICT).json["tags"]["calls"]
    talkative.predict([[4, 0]], PREDICT)
    after = talkative.predict([[0, 0]], PREDICT).json["tags"]["calls"]

    assert after == before + 2


def test_feedback_reaches_the_class_and_the_log(talkative: AppFixture) -> None:
    """Rows, reward and truth to the class; counts and the reward to the log."""
    body = {"data": [[0, 1], [0, 2]], "reward": 0.5, "truth": [1, 0]}
    with capture_logs() as events:
        response = talkative.predict(body, FEEDBACK)
    logged = next(event for event in events if event["event"] == "feedback")
    told = talkative.predict([[0, 0]], PREDICT).json["tags"]["feedback"][-1]

    assert response.status_code == 202
    assert response.json == {"model": "talkative", "version": "1", "accepted": True}
    assert told == [[[0.0, 1.0], [0.0, 2.0]], ["x0", "x1"], 0.5, [1, 0]]
    assert {name: logged[name] for name in ("model", "version", "rows", "reward", "truths")} == {
        "model": "talkative",
        "version": "1",
        "rows": 2,
        "reward": 0.5,
        "truths": 2,
    }


@pytest.mark.parametrize(
    "body",
    [
        {"rows": [{"x0": 0, "x1": 1}], "reward": 1},
        {"data": [[0, 1]], "truth": ["yes"]},
        {"truth": [[0, 1]], "data": [[0, 1]], "reward": -0.0},
    ],
)
def test_feedback_takes_the_shapes_of_predictions(talkative: AppFixture, body: Any) -> None:
    """And either of reward and truth, or both, in any order."""
    assert talkative.predict(body, FEEDBACK).status_code == 202


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ([[0, 1]], 400, "neither reward nor truth"),
        ({"data": [[0, 1]]}, 400, "neither reward nor truth"),
        ({"reward": 1}, 400, "other members"),
        ({"data": [[0, 1]], "reward": "1"}, 400, "reward is not a number"),
        ({"data": [[0, 1]], "reward": True}, 400, "reward is not a number"),
        ({"data": [[0, 1]], "truth": 1}, 400, "truth is not an array"),
        ({"data": [[0, 1]], "truth": [1, 2]}, 400, "truth has 2 entries for 1 rows"),
        ({"data": [[0, 1]], "truth": [{}]}, 400, "entries of truth are not all"),
        ({"data": [[0, 1]] * 2, "truth": [[1], [1, 2]]}, 400, "entries of truth are not all"),
        ({"data": [[0, 1]], "reward": 1, "more": 1}, 400, "other members"),
        ({"data": [[0]], "reward": 1}, 422, "The input has 1 fault"),
        ({"data": [[0, 1]], "reward": -1}, 422, "Rewards are not negative."),
        ({"data": [[0, 1]], "reward": 101}, 500, "logged under this request id"),
    ],
)
def test_feedback_that_cannot_be_used_says_why(
    talkative: AppFixture, body: Any, status: int, detail: str
) -> None:
    """As a prediction would; nothing is told to the class."""
    response = talkative.predict(body, FEEDBACK)

    assert response.status_code == status
    assert detail in response.json["detail"]


def test_feedback_costs_one_request_and_no_rows(gateway: AppFixture) -> None:
    """Also where the model does not want it: it is logged all the same."""
    headers = gateway.bearer()
    body = {"data": [[13.0] * 13] * 3, "reward": 1}
    before = gateway.client.get("/v1/limits", headers=headers).json["limits"]
    with capture_logs() as events:
        response = gateway.predict(body, "/v1/models/wine/versions/1/feedback", headers=headers)
    after = gateway.client.get("/v1/limits", headers=headers).json["limits"]
    spent = {
        old["name"]: old["remaining"] - new["remaining"]
        for old, new in zip(before, after, strict=True)
    }

    assert response.status_code == 202
    assert "feedback" in {event["event"] for event in events}
    assert spent["requests_per_minute"] == 1
    assert spent["rows_per_hour"] == 0
    assert spent["concurrent_calls"] == 0
