"""The document that a partner reads, under the rules of others."""

import os
import subprocess
from pathlib import Path

import pytest
from stack_process import ROOT, Stack, bearer

_SPECTRAL = ROOT / ".spectral/node_modules/.bin/spectral"
_RULES = ROOT / "tests/spectral/ruleset.yaml"


def test_spectral_finds_nothing(stack: Stack, token: str, telephone: str, tmp_path: Path) -> None:
    """Not a warning in spectral's rules for OpenAPI, with models of numbers and of mixed types."""
    if not _SPECTRAL.exists():
        message = "make .spectral/.installed installs spectral (needs npm)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    document = tmp_path / "openapi.json"
    with stack.client() as client:
        document.write_bytes(client.get("/openapi.json", headers=bearer(token)).content)
    done = subprocess.run(
        [_SPECTRAL, "lint", document, "--ruleset", _RULES, "--fail-severity", "hint"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert telephone in document.read_text()
    assert done.returncode == 0, done.stdout + done.stderr
