"""What `gateway score` does when a call does not simply succeed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Response
from live_gateway import LiveGateway
from score_fixtures import FEATURES, Scorer, expected_labels, scoring_gateway, wine_rows

HEADER = list(FEATURES)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with scoring_gateway(tmp_path_factory.mktemp("scoring")) as gateway:
        yield gateway


@pytest.fixture
def scorer(served: LiveGateway, tmp_path: Path) -> Iterator[Scorer]:
    served.calls.clear()
    yield Scorer(served, tmp_path)
    served.interfere.clear()
    served.before = lambda _path: None


def problem(status: int, code: str, **members: object) -> Response:
    headers = {"Gateway-Error-Code": code, "X-Request-ID": "r-1"}
    if status in {429, 503}:
        headers["Retry-After"] = "1"
    body = json.dumps({"detail": f"It is {code}.", "code": code, **members})
    return Response(body, status, headers, content_type="application/problem+json")


def score(scorer: Scorer, rows: int, *arguments: str, exit_code: int = 0) -> str:
    """Score so many rows of wine; every answer that comes is right."""
    table = wine_rows(rows)
    scorer.write("in.csv", HEADER, table)
    said = scorer.score("in.csv", "out.csv", *arguments, exit_code=exit_code)
    if exit_code == 0:
        answered = [int(row["predictions"]) for row in scorer.read("out.csv")]
        assert answered == expected_labels(table)
    return said


@pytest.mark.parametrize(
    "trouble",
    [
        problem(503, "overloaded"),
        problem(429, "rate_limited", limit="concurrent_calls"),
        problem(502, "bad_gateway"),
        problem(500, "internal_error"),
    ],
    ids=["503", "429", "502", "500"],
)
def test_trouble_that_passes_costs_time_only(scorer, trouble):
    """One wait of a second, and all rows are there."""
    scorer.served.interfere.append(trouble)
    said = score(scorer, 20)

    assert "20 rows in" in said
    assert scorer.served.predict_calls()[0].status == trouble.status_code


@pytest.mark.parametrize(
    "trouble", [problem(413, "body_too_large"), problem(504, "deadline_exceeded")], ids=str
)
def test_a_call_that_is_too_much_is_halved(scorer, trouble):
    """The rows stay in order, whichever half is answered first."""
    if trouble.status_code == 504:
        scorer.served.interfere.extend([trouble, trouble])
        score(scorer, 31, "--concurrency", "1", "--retry-for", "1.5")
    else:
        scorer.served.interfere.extend([trouble] * 3)
        score(scorer, 31, "--concurrency", "1")

    assert [c.status for c in scorer.served.predict_calls()].count(200) >= 2


@pytest.mark.parametrize(
    ("status", "code"), [(403, "insufficient_scope"), (400, "bad_request"), (409, "new_code")]
)
def test_refusals_that_stand_end_it_with_what_was_said(scorer, status, code):
    """Which rows, why, and the id to name to the operator. The same command goes on."""
    scorer.served.interfere.append(problem(status, code))
    said = score(scorer, 20, exit_code=1)

    assert said == (
        f"Error: The gateway refused rows 1 to 20: {status} {code}: It is {code}."
        " (request id r-1)\n"
    )
    assert "Going on" not in score(scorer, 20)


def test_a_token_that_is_refused_is_renewed_once(scorer):
    """A revoked one is replaced without anybody noticing; when that is refused too, it ends."""
    scorer.served.interfere.append(problem(401, "unauthenticated"))
    score(scorer, 20)
    tokens = [call for call in scorer.served.calls if call.path == "/oauth/token"]
    assert len(tokens) == 2

    scorer.served.interfere.extend([problem(401, "unauthenticated")] * 2)
    (scorer.folder / "out.csv").unlink()
    assert "401 unauthenticated" in score(scorer, 20, exit_code=1)


def test_an_unknown_type_is_not_sent_again(scorer):
    """A gateway that takes JSON only is asked once for more."""
    scorer.served.interfere.append(problem(415, "unsupported_media_type"))
    score(scorer, 2_500, "--concurrency", "1", "--rows-per-call", "500")
    types = [call.content_type for call in scorer.served.predict_calls()]

    assert types[0] == "application/x-npy"
    assert set(types[1:]) == {"application/json"}


def test_an_unknown_encoding_is_not_sent_again(scorer):
    """Then bodies go as they are."""
    scorer.served.interfere.append(problem(415, "unsupported_encoding"))
    score(scorer, 1_000, "--concurrency", "1", "--rows-per-call", "500", "--compression", "gzip")
    codings = [call.coding for call in scorer.served.predict_calls()]

    assert codings[0] == "gzip"
    assert set(codings[1:]) == {""}


def test_rows_refused_in_their_place_are_taken_out(scorer):
    """What a gateway answers to `?on_error=row`: null, and why, beside the other answers."""
    good = {"predictions": [0, None, 2], "probabilities": [[1.0, 0, 0], None, [0, 0, 1.0]]}
    fault = {"feature": "ash", "code": "out_of_range", "found": "f", "expected": "e"}
    errors = [{"row": 1, "faults": [fault]}]
    answer = {"model": "wine", "version": "1", **good, "errors": errors}
    scorer.served.interfere.append(Response(json.dumps(answer), content_type="application/json"))
    scorer.write("in.csv", HEADER, wine_rows(3))
    scorer.score("in.csv", "out.csv", exit_code=3)

    assert [row["predictions"] for row in scorer.read("out.csv")] == ["0", "", "2"]
    assert scorer.refused("out.csv") == [("2", "3", "ash", "out_of_range")]
    assert len(scorer.served.predict_calls()) == 1


def test_a_gateway_that_refuses_the_whole_call_is_asked_again_without_the_faulty_rows(scorer):
    """One that does not know `?on_error=row`, or has another opinion of it."""
    fault = {"feature": "ash", "code": "out_of_range", "found": "f", "expected": "e"}
    errors = [{"row": 1, **fault}, {"row": 2, **fault}]
    scorer.served.interfere.append(problem(422, "invalid_input", errors=errors, error_count=2))
    scorer.write("in.csv", HEADER, wine_rows(4))
    scorer.score("in.csv", "out.csv", exit_code=3)

    assert [row["predictions"] for row in scorer.read("out.csv")] == ["0", "", "", "0"]
    assert [line[0] for line in scorer.refused("out.csv")] == ["2", "3"]
    assert [call.status for call in scorer.served.predict_calls()] == [422, 200]


def test_an_answer_of_another_version_is_not_mixed_in(scorer):
    """What would be wrong silently is an error."""
    answer = {"model": "wine", "version": "2", "predictions": [0] * 20}
    scorer.served.interfere.append(Response(json.dumps(answer), content_type="application/json"))

    assert "Version 2 answered instead of 1" in score(scorer, 20, exit_code=1)


def test_an_answer_with_too_few_rows_is_not_taken(scorer):
    """The same."""
    answer = {"model": "wine", "version": "1", "predictions": [0] * 19}
    scorer.served.interfere.append(Response(json.dumps(answer), content_type="application/json"))

    assert "no predictions for each of its rows" in score(scorer, 20, exit_code=1)


def test_a_model_that_always_fails_is_not_asked_for_each_row(scorer):
    """After 20 rows in a row that it fails on, it ends."""
    rows = [[101.0, 1.0]] * 40
    scorer.write("in.csv", ["x0", "x1"], rows)
    said = scorer.score("in.csv", "out.csv", "--concurrency", "1", model="moody", exit_code=1)

    assert "answers no row any more: model_failed" in said
    assert len(scorer.served.predict_calls()) < 60
