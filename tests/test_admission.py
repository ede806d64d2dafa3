"""The limits of a plan as partners meet them: what a call costs, and what the answers say."""

from io import BytesIO
from pathlib import Path
from typing import Any

import http_sf
import pytest
from app_fixture import AppFixture, make_app
from clock import Clock
from fakes import MoodyEstimator, wine_classifier
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

ROW = [13.0] * 13
PREDICT = "/v1/models/wine/predict"
PLANS = """
[standard]
requests_per_minute = {requests}
rows_per_hour = 100
max_rows_per_call = 50
max_concurrent_calls = 2
[unlimited]
max_rows_per_call = 100
max_concurrent_calls = 2
"""


@pytest.fixture
def clock() -> Clock:
    return Clock(3600.0 * 1000)


@pytest.fixture
def limited(tmp_path: Path, clock: Clock) -> AppFixture:
    """Ten requests a minute, a hundred rows an hour, two calls at once."""
    plans = tmp_path / "plans.toml"
    plans.write_text(PLANS.format(requests=10))
    models = {"wine": wine_classifier(), "moody": MoodyEstimator()}
    return make_app(tmp_path, models=models, clock=clock, plans=plans)


def left(gateway: AppFixture) -> dict[str, int]:
    """What is left of each limit, as GET /v1/limits says."""
    answer = gateway.client.get("/v1/limits", headers=gateway.bearer()).json
    return {limit["name"]: limit["remaining"] for limit in answer["limits"]}


def field(response: TestResponse, name: str) -> dict[str, dict[str, Any]]:
    """A RateLimit field as a Structured Fields parser reads it: parameters by limit."""
    members = http_sf.parse(response.headers[name].encode(), tltype="list")
    return {str(item): dict(parameters) for item, parameters in members}


FULL = {"requests_per_minute": 10, "rows_per_hour": 100, "concurrent_calls": 2}


@pytest.mark.parametrize(
    ("body", "path", "status", "rows"),
    [
        ([ROW] * 3, PREDICT, 200, 3),
        ([ROW] * 50, PREDICT, 200, 50),
        ([ROW] * 51, PREDICT, 422, 0),
        ([["x"]], PREDICT, 422, 0),
        ({}, PREDICT, 400, 0),
        ([ROW], "/v1/models/other/predict", 403, 0),
        ([ROW], "/v1/models/moody/versions/2/predict", 404, 0),
        ([ROW], "/nothing", 404, 0),
        ([ROW], "/v1/models", 405, 0),
        ([ROW], "/v1/limits", 405, 0),
        ([[101, 1]], "/v1/models/moody/predict", 500, 1),
    ],
)
def test_what_a_call_costs(
    limited: AppFixture, body: Any, path: str, status: int, rows: int
) -> None:
    """A call costs one request and its rows; one that failed before its charge, one request."""
    scope = "model:wine:predict model:moody:predict"
    response = limited.predict(body, path, headers=limited.bearer(scope=scope))

    assert response.status_code == status
    assert left(limited) == {**FULL, "requests_per_minute": 9, "rows_per_hour": 100 - rows}


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/wine"])
def test_reading_costs_a_request(limited: AppFixture, path: str) -> None:
    """Contracts are read at the price of a request; what is left is not said there."""
    assert limited.client.get(path, headers=limited.bearer()).status_code == 200
    assert left(limited) == {**FULL, "requests_per_minute": 9}


def test_looking_at_the_limits_costs_nothing(limited: AppFixture) -> None:
    """SEC-55: a hundred looks leave everything as it was, and say so in both places."""
    answers = [limited.client.get("/v1/limits", headers=limited.bearer()) for _ in range(100)]

    assert {answer.status_code for answer in answers} == {200}
    assert left(limited) == FULL
    assert field(answers[-1], "RateLimit")["rows_per_hour"] == {"r": 100, "t": 3600}
    assert answers[-1].json["plan"] == "standard"
    assert answers[-1].json["max_rows_per_call"] == 50


def test_the_fields_say_what_is_left(limited: AppFixture) -> None:
    """SEC-37, SEC-38: policy and state on a 200, and no Retry-After."""
    response = limited.predict([ROW] * 7)

    assert field(response, "RateLimit-Policy") == {
        "requests_per_minute": {"q": 10, "w": 60, "qu": "requests"},
        "rows_per_hour": {"q": 100, "w": 3600, "qu": "rows"},
        "concurrent_calls": {"q": 2, "qu": "concurrent-requests"},
    }
    assert field(response, "RateLimit") == {
        "requests_per_minute": {"r": 9, "t": 60},
        "rows_per_hour": {"r": 93, "t": 3600},
        "concurrent_calls": {"r": 1},
    }
    assert "Retry-After" not in response.headers


def test_a_refusal_charges_nothing(limited: AppFixture) -> None:
    """SEC-47, SEC-48: calls of 40, 40 and 40 rows: the third is refused, one of 20 still fits."""
    statuses = [limited.predict([ROW] * rows).status_code for rows in (40, 40, 40, 20)]

    assert statuses == [200, 200, 429, 200]
    assert left(limited) == {**FULL, "requests_per_minute": 7, "rows_per_hour": 0}


def test_a_refusal_says_which_limit_and_when(limited: AppFixture, clock: Clock) -> None:
    """429 has the limit's name, Retry-After not before the reset, and the fields."""
    for _ in range(2):
        limited.predict([ROW] * 40)
    clock.now += 600.5
    with capture_logs() as events:
        response = limited.predict([ROW] * 40)

    assert response.status_code == 429
    assert response.json["code"] == "rate_limited"
    assert response.json["limit"] == "rows_per_hour"
    assert response.json["retry_after"] == 3000
    assert response.headers["Retry-After"] == "3000"
    assert field(response, "RateLimit")["rows_per_hour"] == {"r": 20, "t": 3000}
    assert set(field(response, "RateLimit-Policy")) == set(FULL)
    assert events[-1]["limit"] == "rows_per_hour"
    assert events[-1]["retry_after_s"] == 3000


class Unreadable(BytesIO):
    """A body; notes whether it was parsed before its answer."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(size)


def test_a_used_up_limit_refuses_without_reading_the_body(
    limited: AppFixture, clock: Clock
) -> None:
    """Step 5 of the pipeline: at once, before model, scope and body; until the window ends."""
    statuses = [limited.predict([["x"]]).status_code for _ in range(11)]
    body = Unreadable(b"not json at all")
    refused = limited.send(
        "/v1/models/beer/predict",
        {"wsgi.input": body, "CONTENT_LENGTH": None},
        method="POST",
        headers=limited.bearer(scope=""),
    )
    while_exhausted = left(limited)
    clock.now += 60

    assert statuses == [422] * 10 + [429]
    assert refused.status_code == 429
    assert refused.json["limit"] == "requests_per_minute"
    assert body.reads == 0
    assert while_exhausted == {**FULL, "requests_per_minute": 0}
    assert limited.predict([ROW]).status_code == 200


@pytest.mark.parametrize(
    "body", [[ROW], [["x"]], [[101, 1]], [[1, 1]]], ids=["200", "422", "failed", "moody"]
)
def test_leases_are_given_back(limited: AppFixture, body: Any) -> None:
    """SEC-52: after answers, refusals and failures alike nothing stays in flight."""
    path = "/v1/models/moody/predict" if len(body[0]) == 2 else PREDICT
    for _ in range(4):
        limited.predict(body, path)

    assert left(limited)["concurrent_calls"] == 2


def test_calls_at_once_are_limited(limited: AppFixture) -> None:
    """While two calls are in flight the third is refused, with one second to wait."""
    headers, body = limited.bearer(), [ROW]
    held = [
        limited.client.post(PREDICT, json=body, headers=headers, buffered=False) for _ in range(2)
    ]
    refused = limited.predict(body)
    for response in held:
        response.close()

    assert refused.status_code == 429
    assert refused.json["limit"] == "concurrent_calls"
    assert refused.headers["Retry-After"] == "1"
    assert limited.predict(body).status_code == 200


def test_a_plan_without_rates_has_no_rates(limited: AppFixture) -> None:
    """The fields of a plan name only the limits that it has."""
    limited.control.set_partner("acme", plan="unlimited")
    responses = [limited.predict([ROW] * 100) for _ in range(20)]

    assert {response.status_code for response in responses} == {200}
    assert field(responses[-1], "RateLimit") == {"concurrent_calls": {"r": 1}}
    assert left(limited) == {"concurrent_calls": 2}


def test_plans_are_read_again(limited: AppFixture, tmp_path: Path) -> None:
    """A raised limit counts from the next snapshot on, for who had used up the old one too."""
    statuses = [limited.predict([ROW]).status_code for _ in range(11)]
    (tmp_path / "plans.toml").write_text(PLANS.format(requests=12))
    limited.refresh()
    statuses += [limited.predict([ROW]).status_code for _ in range(3)]

    assert statuses == [200] * 10 + [429, 200, 200, 429]


def test_partners_do_not_share(limited: AppFixture) -> None:
    """One partner's use is none of another's."""
    other = limited.control.add_partner("other", scopes=("model:*:predict",))
    for _ in range(11):
        limited.predict([ROW])
    headers = limited.bearer(sub=other.client_id, client_id=other.client_id)

    assert limited.predict([ROW]).status_code == 429
    assert limited.predict([ROW], headers=headers).status_code == 200


def test_storms_without_a_token_are_limited(tmp_path: Path) -> None:
    """SEC-46: beyond its limit an address gets 429 on every path; valid tokens still pass."""
    gateway = make_app(tmp_path, limits={"failed_authentications_per_address": "3/hour"})
    paths = [PREDICT, "/nothing", "/v1/models", PREDICT, "/x", "/v1/limits"]
    responses = [gateway.client.get(path) for path in paths]
    elsewhere = gateway.client.get("/x", environ_base={"REMOTE_ADDR": "127.0.0.2"})

    assert [response.status_code for response in responses] == [401] * 3 + [429] * 3
    assert responses[-1].json["code"] == "rate_limited"
    assert responses[-1].json["limit"] == "failed_authentications_per_address"
    assert int(responses[-1].headers["Retry-After"]) > 0
    assert elsewhere.status_code == 401
    assert gateway.predict([ROW]).status_code == 200
    assert gateway.client.get("/livez").status_code == 200


def test_reading_goes_on_when_only_rows_are_used_up(limited: AppFixture) -> None:
    """Rows used up refuse predictions, at once, but not the contract or the list of models."""
    statuses = [
        limited.predict([ROW] * 50, PREDICT, headers=limited.bearer()).status_code for _ in range(4)
    ]
    reading = limited.client.get("/v1/models/wine", headers=limited.bearer())

    assert statuses == [200, 200, 429, 429]
    assert reading.status_code == 200
