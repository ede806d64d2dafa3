"""The published matrix of clients and calls. Runs last: see `conftest.py`."""

import os

import pytest
from compatibility import DOCUMENT, Matrix, missing, render


def test_the_document_is_what_the_tests_saw(request: pytest.FixtureRequest, matrix: Matrix) -> None:
    """docs/compatibility.md claims what was seen in this very run, no more and no less."""
    left_out = missing({item.path for item in request.session.items})
    if left_out or request.config.getoption("keyword") or request.config.getoption("markexpr"):
        pytest.skip(f"only a run of all clients can tell; not run: {', '.join(sorted(left_out))}")
    assert not request.session.testsfailed, "another test failed, and may not have said all it saw"
    seen = render(matrix.cells)
    if os.environ.get("REWRITE_COMPATIBILITY") == "1":
        DOCUMENT.write_text(seen)

    assert DOCUMENT.read_text() == seen, "a client was added, changed or broken: make compatibility"
