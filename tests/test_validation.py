"""What is refused before a model sees it, and what the refusal says."""

import json
from pathlib import Path
from typing import Any

import pytest
from app_fixture import AppFixture, make_app
from fakes import MoodyEstimator
from sklearn.datasets import load_wine
from sklearn.tree import DecisionTreeClassifier
from werkzeug.test import TestResponse

NAMES = load_wine().feature_names
ROW = load_wine().data[0].tolist()
RECORD = dict(zip(NAMES, ROW, strict=True))
PREDICT = "/v1/models/wine/predict"
RANGED = "/v1/models/ranged/predict"

# Two features: `a` from 0 to 10, and `b`, which may be missing.
RANGED_TOML = """
[[features]]
name = "a"
minimum = 0
maximum = 10
[[features]]
name = "b"
nullable = true
"""


def put(index: int, value: Any) -> list[Any]:
    """The good row with another value at one place."""
    return [*ROW[:index], value, *ROW[index + 1 :]]


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in RECORD.items() if key != name}


def faults_of(response: TestResponse) -> list[tuple[int | None, str | None, str]]:
    """Row, feature and code of each fault of a 422."""
    assert response.status_code == 422, response.text
    assert response.json["code"] == "invalid_input"
    assert response.json["error_count"] >= len(response.json["errors"])
    for fault in response.json["errors"]:
        assert sorted(fault) == ["code", "expected", "feature", "found", "row"]
    return [(e["row"], e["feature"], e["code"]) for e in response.json["errors"]]


@pytest.fixture(scope="module")
def ranged(tmp_path_factory: pytest.TempPathFactory) -> AppFixture:
    gateway = make_app(tmp_path_factory.mktemp("ranged"))
    tree = DecisionTreeClassifier().fit([[1.0, 2.0], [3.0, float("nan")]], [0, 1])
    gateway.add_model("ranged", tree, RANGED_TOML)
    gateway.control.set_partner("acme", plan="unlimited")
    return gateway


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ([ROW, ROW[:-1]], [(1, None, "ragged_rows")]),
        ([ROW[:-1], ROW[:-1]], [(None, None, "wrong_feature_count")]),
        ({"data": [[*ROW, 1.0]]}, [(None, None, "wrong_feature_count")]),
        ([[]], [(None, None, "wrong_feature_count")]),
        ([ROW, put(3, "1.5")], [(1, NAMES[3], "string_value")]),
        ([put(0, True)], [(0, NAMES[0], "boolean_value")]),
        ([put(12, None)], [(0, NAMES[12], "missing_value")]),
        ([put(1, [1.0])], [(0, NAMES[1], "nested_value")]),
        ([put(1, {})], [(0, NAMES[1], "nested_value")]),
        (
            [put(0, "x"), put(1, None)],
            [(0, NAMES[0], "string_value"), (1, NAMES[1], "missing_value")],
        ),
        (ROW, [(index, None, "not_a_row") for index in range(13)]),
        ([ROW, RECORD], [(1, None, "not_a_row")]),
        ([ROW, "row", None], [(1, None, "not_a_row"), (2, None, "not_a_row")]),
        ({"rows": [ROW]}, [(0, None, "not_a_row")]),
        ({"rows": [[]]}, [(0, None, "not_a_row")]),
        ({"data": RECORD}, [(None, None, "not_rows")]),
        ({"rows": RECORD}, [(None, None, "not_rows")]),
        ({"data": None}, [(None, None, "not_rows")]),
        ("text", [(None, None, "not_rows")]),
        (5, [(None, None, "not_rows")]),
        ([], [(None, None, "empty_batch")]),
        ({"data": []}, [(None, None, "empty_batch")]),
        ({"rows": []}, [(None, None, "empty_batch")]),
        ({"rows": [RECORD, {**RECORD, "beer": 1}]}, [(1, "beer", "unknown_feature")]),
        ({"rows": [without("ash")]}, [(0, "ash", "missing_feature")]),
        ({"rows": [{**RECORD, "ash": None}]}, [(0, "ash", "missing_value")]),
        ({"rows": [{**RECORD, "ash": "2"}]}, [(0, "ash", "string_value")]),
        ({"rows": [{}]}, [(0, name, "missing_feature") for name in NAMES]),
        (
            {"rows": [{**without("ash"), "Ash": 2}]},
            [(0, "Ash", "unknown_feature"), (0, "ash", "missing_feature")],
        ),
    ],
)
def test_every_fault_has_its_code_and_place(
    shared_gateway: AppFixture, body: Any, faults: list[Any]
) -> None:
    """422 names each fault by a stable code, with the row and the feature it is in."""
    assert faults_of(shared_gateway.predict(body)) == faults


def test_a_feature_given_twice(shared_gateway: AppFixture) -> None:
    """Which of the two values was meant is not guessed."""
    body = '{"rows": [{"ash": 1, ' + json.dumps(RECORD)[1:] + "]}"
    response = shared_gateway.client.post(
        PREDICT, data=body, content_type="application/json", headers=shared_gateway.bearer()
    )

    assert faults_of(response) == [(0, "ash", "duplicate_feature")]


@pytest.mark.parametrize(
    ("row", "faults"),
    [
        ([0, 1], []),
        ([10, None], []),
        ([-1e-9, 1], [(0, "a", "out_of_range")]),
        ([10.000000001, 1], [(0, "a", "out_of_range")]),
        ([None, None], [(0, "a", "missing_value")]),
        ([11, "x"], [(0, "b", "string_value"), (0, "a", "out_of_range")]),
        ([1e308, -1e308], [(0, "a", "out_of_range")]),
    ],
)
def test_values_keep_their_range(ranged: AppFixture, row: list[Any], faults: list[Any]) -> None:
    """Both ends of a range belong to it; a missing value needs a nullable feature."""
    as_list = ranged.predict([row], RANGED)
    as_record = ranged.predict({"rows": [dict(zip("ab", row, strict=True))]}, RANGED)

    for response in (as_list, as_record):
        if faults:
            assert faults_of(response) == faults
        else:
            assert response.status_code == 200


def test_a_range_is_told_and_the_value_is_not(ranged: AppFixture) -> None:
    """The fault says what is expected; what was found is told by its kind only."""
    response = ranged.predict([[987654.125, 1]], RANGED)

    assert response.json["errors"][0]["expected"] == "number from 0 to 10"
    assert "987654.125" not in response.text


@pytest.mark.parametrize(
    "wrong", ["canary-71", 71_710_071.5, True, ["canary-71"], {"canary-71": 71}]
)
def test_a_found_value_is_never_repeated(ranged: AppFixture, wrong: Any) -> None:
    """No answer repeats the value that was wrong, in whatever place it stood (SEC-82)."""
    bodies = [
        [[wrong, 1]],
        [[1, 1], [wrong]],
        [wrong],
        wrong,
        {"data": wrong},
        {"rows": wrong},
        {"rows": [wrong]},
        {"rows": [{"a": wrong, "b": 1}]},
        {"data": [[1, 1]], "note": wrong},
        {"canary-71": wrong},
    ]
    answers = [ranged.predict(body, RANGED) for body in bodies]

    assert {answer.status_code for answer in answers} <= {400, 422}
    for answer in answers[:-1]:
        assert "canary-71" not in answer.text.replace('"feature":"canary-71"', "")
        assert "71710071" not in answer.text


def test_an_unknown_name_is_shortened(shared_gateway: AppFixture) -> None:
    """A name may be repeated, as that is what is wrong, but not without end."""
    response = shared_gateway.predict({"rows": [{**RECORD, "x" * 5000: 1}]})

    assert faults_of(response) == [(0, "x" * 64, "unknown_feature")]


@pytest.mark.parametrize(("rows", "shown", "counted"), [(100, 100, 100), (101, 100, 101)])
def test_faults_are_shown_up_to_a_hundred(
    ranged: AppFixture, rows: int, shown: int, counted: int
) -> None:
    """The answer holds the first hundred faults and says how many there are."""
    for wrong in ("x", 99):
        answer = ranged.predict([[wrong, 1]] * rows, RANGED).json

        assert len(answer["errors"]) == shown
        assert answer["error_count"] == counted
        assert (str(counted) in answer["detail"]) or counted == shown


@pytest.mark.parametrize(("rows", "status"), [(1000, 200), (1001, 422)])
def test_rows_per_call_are_limited_by_the_plan(tmp_path: Path, rows: int, status: int) -> None:
    """One row more than the plan allows is refused, and says how many it allows."""
    gateway = make_app(tmp_path)
    gateway.control.set_partner("acme", plan="trial")
    response = gateway.predict([ROW] * rows)

    assert response.status_code == status
    if status == 422:
        assert faults_of(response) == [(None, None, "too_many_rows")]
        assert response.json["errors"][0]["expected"] == "at most 1000 rows per call"


def test_type_and_range_faults_are_said_together(tmp_path: Path) -> None:
    """A string in one row does not hide a number out of range in another, or in the same row."""
    bounded = '[[features]]\nname = "x0"\nminimum = 0\n[[features]]\nname = "x1"\n'
    gateway = make_app(tmp_path)
    gateway.add_model("bounded", MoodyEstimator(), bounded)
    rows = [[-1, "text"], ["text", 1], [-2, 2]]
    response = gateway.client.post(
        "/v1/models/bounded/predict", json={"data": rows}, headers=gateway.bearer()
    )

    faults = [(fault["row"], fault["feature"], fault["code"]) for fault in response.json["errors"]]
    assert sorted(faults) == [
        (0, "x0", "out_of_range"),
        (0, "x1", "string_value"),
        (1, "x0", "string_value"),
        (2, "x0", "out_of_range"),
    ]
    assert [fault[0] for fault in faults] == [0, 0, 1, 2]
    assert response.json["error_count"] == 4
