"""Warnings in workers: one event for a line of code, no values, and a single filter."""

import json
import subprocess
import sys
from typing import Any

import pytest

PROGRAM = """
import warnings
import numpy as np
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
import gateway.app
from config.logging import configure_logging
from gateway.observability.library_warnings import log_each_warning_once

configure_logging("info")
log_each_warning_once()
rows, classes = load_iris(return_X_y=True)
forest = RandomForestClassifier(3, n_jobs=1).fit(rows, classes)
for secret in (1e9, 2e9):
    np.exp(np.float64(secret))
    warnings.warn(f"a value of {secret}", stacklevel=1)
    warnings.warn("for developers", DeprecationWarning, stacklevel=1)
    warnings.warn("X does not have valid feature names, but", UserWarning, stacklevel=1)
    forest.predict(rows[:1])
print(len(warnings.filters))
"""


def _events(*options: str) -> tuple[list[dict[str, Any]], int]:
    command = [sys.executable, *options, "-c", PROGRAM]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert done.stderr == b""
    *lines, filters = done.stdout.splitlines()
    return [json.loads(line) for line in lines], int(filters)


def test_each_line_of_code_is_logged_once_without_its_text() -> None:
    """An overflow and a model's own warning, twice each; the rest is for nobody here."""
    events, filters = _events()

    assert [(event["event"], event["level"]) for event in events] == [
        ("library_warning", "warning")
    ] * 2
    assert [event["category"] for event in events] == ["RuntimeWarning", "UserWarning"]
    assert all(event["place"].startswith("<string>:") for event in events)
    assert not any("e+09" in line or "a value" in line for line in map(json.dumps, events))
    # A forest sets up every filter for every tree.
    assert filters == 1


@pytest.mark.parametrize("option", ["-Wignore", "-Wdefault::UserWarning"])
def test_what_the_operator_says_of_warnings_holds(option: str) -> None:
    """Python's own option and variable: their filters stay."""
    events, filters = _events(option)

    assert filters > 1
    categories = [event["category"] for event in events]
    assert categories == ([] if option == "-Wignore" else ["RuntimeWarning", "UserWarning"])
