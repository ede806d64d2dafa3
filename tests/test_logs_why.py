"""`gateway logs why`: one request's story, in sentences."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from log_events import GOOD, NGINX, REQUEST_ID, UNSIGNED, WARNING, event_lines

from config.plans import Plan
from gateway.cli import main
from gateway.cli.log_rules import CODES, LIMITS, REASONS
from gateway.errors import catalogue

ROOT = Path(__file__).parent.parent


def why(*events: dict[str, Any], request_id: str = REQUEST_ID) -> Result:
    return CliRunner().invoke(main, ["logs", "why", request_id], input=event_lines(*events))


def refused(status: int, code: str, **facts: Any) -> dict[str, Any]:
    return {**GOOD, "status": status, "code": code, **facts}


def test_answered_request_is_told_from_caller_to_time() -> None:
    """Who, when, from where, what, how it ended, why, and where the time went."""
    text = why(GOOD, NGINX).stdout

    assert "Partner acme (client acme-1, key k1, token token-7) called from 203.0.113.9" in text
    assert "at 2026-11-23 13:41:03.163 UTC" in text
    assert "POST /v1/models/<name>/predict, model wine version 1 (12 rows, 900 bytes in" in text
    assert "It was answered with 200 after 3.4 ms." in text
    assert "auth 0.1 ms, decode 0.2 ms, limits 0.3 ms, predict 1.7 ms, encode 0.1 ms, " in text
    assert "Most: predict, 50% of 3.4 ms." in text
    assert "nginx passed the gateway's answer on: 200 in 5 ms, 4 ms of it the gateway's." in text


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (
            refused(429, "rate_limited", limit="rows_per_hour", retry_after_s=90),
            "The limit is rows_per_hour (the partner's plan, rows in this hour). The caller was "
            "told to try again after 90 s, from 13:42:33.163 UTC on.",
        ),
        ({**UNSIGNED, "request_id": REQUEST_ID}, "The token had expired."),
        (refused(401, "unauthenticated", reason="claim_jti"), "The token's claim `jti` is missing"),
        (
            refused(401, "unauthenticated", reason="moon_phase"),
            "The check that failed is moon_phase.",
        ),
        (
            refused(403, "insufficient_scope", required_scope="model:wine:predict"),
            "The scope it needs is model:wine:predict.",
        ),
        (
            refused(422, "invalid_input", fault_codes=["missing_feature", "not_finite"]),
            "The faults: missing_feature, not_finite.",
        ),
        (refused(503, "overloaded", waited_ms=2300), "It had waited 2300 ms for a worker"),
        (refused(504, "deadline_exceeded"), "did not end within request_deadline_s"),
        (refused(503, "model_unavailable"), "this worker could not load it"),
        (refused(418, "teapot"), "No sentence is known for the code teapot."),
    ],
)
def test_refusal_names_its_rule(event: dict[str, Any], sentence: str) -> None:
    """The rule that refused, with the fact that it went by."""
    assert sentence in why(event).stdout


def test_a_version_in_another_role_than_the_current_one_says_so() -> None:
    """Who asks why an answer was another one sees that a canary gave it."""
    assert "model wine version 2 (canary)" in why({**GOOD, "version": "2", "role": "canary"}).stdout


def test_time_outside_the_phases_is_not_hidden() -> None:
    """A refusal ends its phase early: most of its time is in none."""
    text = why({**UNSIGNED, "request_id": REQUEST_ID, "duration_ms": 10}).stdout

    assert "Most: elsewhere, 76% of 10 ms." in text


def test_unauthenticated_caller_has_an_address_only() -> None:
    """Nothing is claimed about who it was."""
    text = why({**UNSIGNED, "request_id": REQUEST_ID}).stdout

    assert "An unauthenticated caller called from 203.0.113.9" in text


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (
            {"status": 429, "limit": "requests_per_address"},
            "nginx refused it by itself with 429 in 5 ms: limit is requests_per_address",
        ),
        ({"status": 413}, "the body was larger than client_max_body_size"),
        ({"status": 400}, "the request was not well-formed HTTP"),
        ({"status": 504, "upstream_ms": 10000}, "nginx asked the gateway and ended it with 504"),
        ({"status": 200, "upstream_ms": 1}, "The gateway logs no probe that succeeds."),
    ],
)
def test_request_that_only_nginx_logged_is_told(facts: dict[str, Any], sentence: str) -> None:
    """It never reached the gateway's own log, and nginx's line says what became of it."""
    text = why({**NGINX, "upstream_ms": None, **facts}).stdout

    assert sentence in text
    assert "does not say who called" in text


def test_caller_who_left_got_no_answer_of_the_gateway() -> None:
    """The gateway's 200 is not what the caller saw."""
    text = why(GOOD, {**NGINX, "status": 499}).stdout

    assert "nginx ended it with 499 in 5 ms, not with the gateway's answer: the caller left" in text


def test_everything_else_with_the_id_is_listed() -> None:
    """Warnings and exceptions of this request, and of no other."""
    failure = {**WARNING, "request_id": REQUEST_ID, "event": "model_failed", "exception": "Boom"}
    text = why(WARNING, failure, {**GOOD, "request_id": "e" * 32, "partner": "other"}, GOOD).stdout

    assert "WARNING  model_failed" in text
    assert "    | Boom" in text
    assert "limits_fallback_started" not in text
    assert "other" not in text


def test_request_refused_by_gunicorn_is_told() -> None:
    """It never became a request of the application's."""
    event = {"event": "request_refused_by_server", "error": "InvalidHTTPVersion", "status": 505}
    text = why({**event, "request_id": REQUEST_ID}).stdout

    assert (
        "Gunicorn refused it with 505, before the application saw it: InvalidHTTPVersion." in text
    )


def test_unknown_id_exits_1() -> None:
    """A sentence on standard error, nothing on standard output; parts of an id are not it."""
    for request_id in ("f" * 32, REQUEST_ID[:8]):
        result = why(GOOD, NGINX, request_id=request_id)

        assert result.exit_code == 1
        assert result.stdout == ""
        assert result.stderr == f"Nothing in this log carries the request id {request_id}.\n"


def test_every_code_of_the_gateway_has_a_sentence() -> None:
    """A new problem comes with its sentence here."""
    assert catalogue().keys() - CODES.keys() == set()


def test_every_reason_in_the_code_has_a_sentence() -> None:
    """A new check that can fail comes with its sentence here."""
    sources = [path.read_text("utf-8") for path in (ROOT / "gateway").rglob("*.py")]
    raised = re.compile(r'(?:\breason"?[=:] ?|InvalidClient\()"([a-z_]+)"')
    reasons = {name for source in sources for name in raised.findall(source)}
    # Claims share one sentence that names the claim.
    reasons = {name for name in reasons if not name.startswith("claim_")}

    assert "expired" in reasons
    assert reasons - REASONS.keys() == set()


def test_every_limit_of_a_plan_has_a_sentence() -> None:
    """Plans' rates by the names they have in plans.toml."""
    rates = {field.name for field in fields(Plan) if field.name.startswith(("requests_", "rows_"))}

    assert rates - LIMITS.keys() == set()
