"""Programs of the tests that `make` starts by themselves find what they import."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# PYTHONPATH, and the program.
_STARTED = re.findall(
    r"PYTHONPATH=(\S+) \$\(BIN\)/python (tests/\S+)\.py", (ROOT / "Makefile").read_text()
)


@pytest.mark.parametrize(("paths", "program"), _STARTED, ids=[program for _, program in _STARTED])
def test_a_program_finds_its_modules(paths: str, program: str) -> None:
    """With the paths of its target, and not with pytest's."""
    import_it = f"import {Path(program).name}"
    folder = str((ROOT / program).parent)
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{paths}"}

    done = subprocess.run(
        [sys.executable, "-c", import_it],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_some_programs_are_found() -> None:
    """The expression above still fits the Makefile."""
    assert "tests/container/evidence" in [program for _, program in _STARTED]
