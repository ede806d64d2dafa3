"""Every command of docs/partner.md, pasted in order into one shell against the running stack."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from stack_process import ROOT, Stack

_GUIDE = (ROOT / "docs/partner.md").read_text(encoding="utf-8")
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
# Printed between two commands, so that each one's output can be told from the next one's.
_END = "--- end of command ---"


class Command(NamedTuple):
    """A fenced block of shell, and the block of output that follows it, if one does."""

    text: str
    promised: str | None
    heading: str


def _commands() -> Iterator[Command]:
    blocks = list(_FENCE.finditer(_GUIDE))
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        if block[1] != "sh":
            continue
        headings = re.findall(r"^##+ (.*)$", _GUIDE[: block.start()], flags=re.MULTILINE)
        promised = None
        if following is not None and not _GUIDE[block.end() : following.start()].strip():
            promised = following[2] if following[1] in {"json", "text"} else None
        yield Command(block[2], promised, headings[-1] if headings else "")


COMMANDS = list(_commands())


@pytest.fixture(scope="module")
def outputs(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each command printed."""
    return _run_all(stack, tmp_path_factory.mktemp("partner"))


def _run_all(stack: Stack, work: Path) -> list[str]:
    assert stack.demo_credentials()
    (work / "examples").symlink_to(ROOT / "examples")
    (work / "var").symlink_to(stack.data_dir)
    script = ["set -euo pipefail", f"export CURL_CA_BUNDLE={stack.data_dir}/tls/ca.pem"]
    for command in COMMANDS:
        text = re.sub(r"^BASE=.*$", f"BASE={stack.base_url}", command.text, flags=re.MULTILINE)
        text = text.replace("gateway score ", "gateway score --ca-file var/tls/ca.pem ")
        script += [text, f"echo; echo '{_END}'"]
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=work,
        env={"PATH": path, "HOME": str(work)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    printed = done.stdout.split(f"\n{_END}\n")[:-1]

    assert done.returncode == 0, (COMMANDS[len(printed)].text, done.stdout[-500:], done.stderr)
    return printed


def test_every_command_works_and_prints_what_is_promised(outputs: list[str]) -> None:
    """No command fails, no answer is an error, and where the page shows an answer it is that."""
    assert len(outputs) == len(COMMANDS) > 10
    for command, printed in zip(COMMANDS, outputs, strict=True):
        assert "urn:gateway:problem" not in printed, (command.heading, printed)
        assert '"error":' not in printed, (command.heading, printed)
        if command.promised is not None and "…" not in command.promised:
            assert _same(_read(printed), _read(command.promised)), (command.heading, printed)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()


def _same(found: Any, promised: Any) -> bool:
    """Equal, but for the last digits of floats."""
    if isinstance(promised, float):
        return isinstance(found, float) and math.isclose(found, promised, rel_tol=1e-6)
    if isinstance(promised, list):
        return len(found) == len(promised) and all(map(_same, found, promised))
    if isinstance(promised, dict):
        return found.keys() == promised.keys() and all(
            _same(found[name], value) for name, value in promised.items()
        )
    return bool(found == promised)


def test_the_client_in_python_works(stack: Stack, tmp_path: Path) -> None:
    """The program of the guide runs as it is, and prints the line that the guide shows."""
    section = _GUIDE[_GUIDE.index("## A client in Python") :]
    program = next(block[2] for block in _FENCE.finditer(section) if block[1] == "python")
    promised = next(block[2] for block in _FENCE.finditer(section) if block[1] == "text")
    assert stack.demo_credentials()
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "var").symlink_to(stack.data_dir)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"SSL_CERT_FILE": str(stack.data_dir / "tls/ca.pem")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split("[[")[0] == promised.split("[[")[0]
