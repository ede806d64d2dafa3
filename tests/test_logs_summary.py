"""`gateway logs summary`: a whole log in a few numbers."""

import json
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from log_events import GOOD, NGINX, UNSIGNED, WARNING, event_lines

from gateway.cli import main
from gateway.cli.log_histogram import Histogram
from gateway.cli.log_summary import MAX_NAMES, OTHERS, Summary

LATER = {**GOOD, "timestamp": "2026-11-23T13:41:13.163412Z", "duration_ms": 34, "predict_ms": 30}
LIMITED = {**GOOD, "status": 429, "code": "rate_limited", "rows": 0, "partner": "beta"}
FAILED = {**LIMITED, "status": 500, "code": "model_failed"}
AT_THE_DOOR = {**NGINX, "status": 429, "upstream_ms": None}


def run(*args: str, stream: bytes) -> str:
    result = CliRunner().invoke(main, ["logs", "summary", *args], input=stream)
    assert result.exit_code == 0
    return result.stdout


def numbers(*events: dict[str, Any], more: bytes = b"") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("--json", stream=event_lines(*events) + more))
    return found


def test_requests_are_counted_once() -> None:
    """nginx's line of the same request, other events and plain lines are no requests."""
    found = numbers(GOOD, NGINX, LATER, WARNING, more=b"plain\n")

    assert found["requests"] == 2
    assert found["rows"] == 24
    assert found["other_lines"] == 3
    assert found["span_s"] == 10
    assert found["requests_per_second"] == 0.2


def test_statuses_codes_and_refusals_at_the_door() -> None:
    """What the application answered, and what nginx answered alone."""
    found = numbers(GOOD, NGINX, LIMITED, LIMITED, FAILED, UNSIGNED, AT_THE_DOOR)

    assert found["statuses"] == {"200": 1, "401": 1, "429": 2, "500": 1}
    assert found["codes"] == {"rate_limited": 2, "model_failed": 1, "unauthenticated": 1}
    assert found["answered_by_nginx"] == {"429": 1}


def test_partners_are_ranked_by_requests() -> None:
    """With rows, refusals (4xx) and failures (5xx)."""
    found = numbers(GOOD, LIMITED, LIMITED, FAILED, UNSIGNED)

    assert found["partners"] == [
        {"partner": "beta", "requests": 3, "rows": 0, "refused": 2, "failed": 1},
        {"partner": "acme", "requests": 1, "rows": 12, "refused": 0, "failed": 0},
        {"partner": "(not authenticated)", "requests": 1, "rows": 0, "refused": 1, "failed": 0},
    ]


def test_phases_share_the_time() -> None:
    """The longest first; what no phase accounts for is told as well."""
    phases = numbers(GOOD, LATER)["phases"]

    assert next(iter(phases)) == "predict"
    assert phases["predict"]["share"] == pytest.approx(31.7 / 37.4, abs=1e-4)
    assert sum(phase["share"] for phase in phases.values()) == pytest.approx(1, abs=1e-3)
    assert "elsewhere" in phases


def test_slowest_requests_come_with_their_ids() -> None:
    """Five of them, the slowest first, wherever they stand in the log."""
    events = [{**GOOD, "request_id": f"{ms:032d}", "duration_ms": ms} for ms in range(1, 50)]
    slowest = numbers(*events[25:], *events[:25])["slowest"]

    assert [request["duration_ms"] for request in slowest] == [49, 48, 47, 46, 45]
    assert slowest[0]["request_id"] == f"{49:032d}"


def test_tables_show_every_section() -> None:
    """People see the same numbers, ids whole, and how the quantiles were had."""
    text = run(stream=event_lines(GOOD, LIMITED, AT_THE_DOOR))

    for part in ("Statuses", "Errors", "Slowest phases", "Top partners", "within 1 %"):
        assert part in text
    assert GOOD["request_id"] in text


def test_names_are_no_markup() -> None:
    """A partner cannot style, link or blank out anything in the table."""
    assert "[red]x[/red]" in run(stream=event_lines({**GOOD, "partner": "[red]x[/red]"}))


def test_empty_log_has_a_summary() -> None:
    """No requests is an answer, not an error."""
    assert numbers()["requests"] == 0
    assert "requests" in run(stream=b"")


@pytest.mark.parametrize(
    "facts",
    [
        {"duration_ms": "-"},
        {"duration_ms": -1},
        {"duration_ms": [1]},
        {"rows": {"a": 1}},
        {"timestamp": 12},
        {"timestamp": "0001-01-01T00:00:00+14:00"},
        {"status": None},
        {"partner": ["x"]},
    ],
)
def test_broken_fields_do_not_end_the_count(facts: dict[str, Any]) -> None:
    """Every request is counted, whatever its fields hold."""
    assert numbers({**GOOD, **facts}, GOOD)["requests"] == 2


@given(st.lists(st.floats(min_value=0.01, max_value=1e6), min_size=1, max_size=200))
def test_quantiles_are_within_one_percent(durations: list[float]) -> None:
    """Of the smallest duration that this part of all requests does not exceed."""
    histogram = Histogram()
    for duration_ms in durations:
        histogram.add(duration_ms)

    for part in (0.5, 0.95, 0.99):
        exact = np.quantile(durations, part, method="inverted_cdf")
        assert histogram.quantile(part) == pytest.approx(exact, rel=0.01)


def test_memory_is_bounded_by_names_not_lines() -> None:
    """A log with a new name on every line is counted under one name from some point on."""
    summary = Summary()
    for index in range(MAX_NAMES + 5):
        summary.add({**GOOD, "partner": f"p{index}", "code": f"c{index}"})

    assert len(summary.partners) <= MAX_NAMES + 1
    assert len(summary.codes) <= MAX_NAMES + 1
    assert summary.partners[OTHERS].requests == 5
