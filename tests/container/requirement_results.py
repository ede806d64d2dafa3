"""The requirements of docs/security.md, each with what became of its tests now."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from engine import ROOT

_ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| (.*) \|$", flags=re.MULTILINE)
_TEST = re.compile(r"`([\w/]+\.py::\w+)`")
_BESIDE_EACH_OTHER = ("--numprocesses", "2", "--dist", "loadfile")


def results(folder: Path) -> list[dict[str, Any]]:
    """Runs the tests; their reports are left in `folder`."""
    rows = _ROW.findall((ROOT / "docs/security.md").read_text())
    named = sorted({test for row in rows for test in _TEST.findall(row[3])})
    apart = [f"tests/{name}" for name in named if not name.startswith("container/")]
    outcomes = {
        **_run(folder / "tests.xml", *apart),
        # All of `make image-test`, named or not.
        **_run(folder / "image-test.xml", *_BESIDE_EACH_OTHER, "tests/container"),
    }
    return [_of_row(row, outcomes) for row in rows]


def _of_row(row: tuple[str, ...], outcomes: dict[str, str]) -> dict[str, Any]:
    number, requirement, state, proof = row
    tests = {test: outcomes.get(test, "not run") for test in _TEST.findall(proof)}
    reason = _TEST.sub("", proof).strip(" ,;")
    facts = {"number": f"SEC-{number}", "requirement": requirement, "state": state}
    return {**facts, "tests": tests, "reason": reason}


def _run(report: Path, *arguments: str) -> dict[str, str]:
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *arguments]
    subprocess.run(command, cwd=ROOT, check=False)
    return dict(_outcomes(report)) if report.exists() else {}


def _outcomes(report: Path) -> Iterator[tuple[str, str]]:
    """By test; of one with parameters, the worst."""
    found: dict[str, set[str]] = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  # pytest wrote it just now.
        path = (case.get("classname") or "").replace(".", "/").removeprefix("tests/")
        name = f"{path}.py::{(case.get('name') or '').partition('[')[0]}"
        bad = case.find("failure") is not None or case.find("error") is not None
        state = "failed" if bad else "skipped" if case.find("skipped") is not None else "passed"
        found.setdefault(name, set()).add(state)
    for name, states in found.items():
        yield name, next(state for state in ("failed", "skipped", "passed") if state in states)
