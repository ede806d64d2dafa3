"""The requirement table of docs/security.md names tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "security.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_TEST = re.compile(r"`((?:system/|container/)?test_\w+\.py)::(test_\w+)`")
STATES = {"met", "in part", "later", "n/a"}


def test_every_requirement_has_one_row_in_order() -> None:
    """SEC-1 to SEC-100: none is missing, none is there twice."""
    assert [int(number) for number, *_ in _ROW.findall(PAGE)] == list(range(1, 101))


def test_what_is_met_names_its_tests_and_the_rest_its_reason() -> None:
    """A state without a test beside it would be a promise; one without a reason, an excuse."""
    for number, requirement, state, beside in _ROW.findall(PAGE):
        where = f"SEC-{number} {requirement}"
        reason = _TEST.sub("", beside).strip(" ,;")

        assert state in STATES, where
        assert _TEST.search(beside) or state not in {"met", "in part"}, where
        assert reason or state == "met", where


def test_every_named_test_exists() -> None:
    """A test that was renamed or removed leaves no claim behind."""
    missing = {
        f"{file}::{name}" for file, name in _TEST.findall(PAGE) if name not in _tests_of(file)
    }

    assert missing == set()


def test_every_file_and_name_in_the_table_is_well_formed() -> None:
    """Nothing with `::` escapes the check above by a slip of the pen."""
    assert PAGE.count("::test_") == len(_TEST.findall(PAGE))


@cache
def _tests_of(file: str) -> frozenset[str]:
    path = TESTS / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))
