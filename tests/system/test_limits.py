"""Limits, exact over all workers; and what is said of them."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from stack_process import EXAMPLE_BODY, EXAMPLE_ROW, PREDICT, Stack, bearer


@pytest.fixture(autouse=True)
def _no_hour_ends() -> None:
    """While these tests count rows of an hour: they take seconds."""
    while 3600 - time.time() % 3600 < 30:
        time.sleep(0.5)  # A pause between looks at the clock.


def test_exactly_the_limit_is_admitted_over_all_workers(stack: Stack) -> None:
    """Of 150 calls by 6 callers on 2 workers, a plan of 50 rows an hour admits 50."""
    token = stack.token(stack.create_partner("counted", "fifty_an_hour"))

    def call_often(_caller: int) -> list[int]:
        with stack.client() as client:
            return [
                client.post(PREDICT, content=EXAMPLE_BODY, headers=bearer(token)).status_code
                for _ in range(25)
            ]

    with ThreadPoolExecutor(6) as callers:
        statuses = [status for part in callers.map(call_often, range(6)) for status in part]

    assert statuses.count(200) == 50
    assert statuses.count(429) == 100


def test_refusal_says_which_limit_and_when_to_retry(stack: Stack) -> None:
    """429 names the limit, and carries Retry-After; 200 does not; a refusal costs nothing."""
    token = stack.token(stack.create_partner("refused", "fifty_an_hour"))
    forty, eleven, ten = ({"data": [EXAMPLE_ROW] * rows} for rows in (40, 11, 10))
    with stack.client() as client:
        answers = [
            client.post(PREDICT, json=body, headers=bearer(token)) for body in (forty, eleven, ten)
        ]

    admitted, refused, last = answers
    assert [answer.status_code for answer in answers] == [200, 429, 200]
    assert "Retry-After" not in admitted.headers
    assert refused.json()["limit"] == "rows_per_hour"
    assert int(refused.headers["Retry-After"]) >= 1
    assert '"rows_per_hour";r=10;' in refused.headers["RateLimit"]
    assert '"rows_per_hour";r=0;' in last.headers["RateLimit"]


def test_plan_change_is_in_force_when_the_command_returns(stack: Stack) -> None:
    """An exhausted partner that is given a larger plan calls on at once."""
    credentials = stack.create_partner("growing", "fifty_an_hour")
    token = stack.token(credentials)
    with stack.client() as client:
        body = {"data": [EXAMPLE_ROW] * 50}
        assert client.post(PREDICT, json=body, headers=bearer(token)).status_code == 200
        assert client.post(PREDICT, json=body, headers=bearer(token)).status_code == 429
        stack.cli("partner", "set", "growing", "--plan", "unlimited")

        assert client.post(PREDICT, json=body, headers=bearer(token)).status_code == 200


def test_forged_addresses_change_nothing(stack: Stack, token: str) -> None:
    """The address that is logged is the connection's, whatever the caller claims."""
    forged = {"X-Forwarded-For": "10.9.8.7", "X-Real-IP": "10.9.8.7", "Forwarded": "for=10.9.8.7"}
    with stack.client() as client:
        response = client.post(PREDICT, content=EXAMPLE_BODY, headers={**bearer(token), **forged})
    request_id = response.headers["X-Request-ID"]

    def addresses() -> set[str]:
        return {
            event["client_address"]
            for event in stack.events()
            if event.get("request_id") == request_id
        }

    stack.wait_until(lambda: bool(addresses()), 30, "logged")
    assert addresses() <= {"127.0.0.1", "::1"}
