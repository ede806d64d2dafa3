"""Runs one module where it can do no harm: without network, keys, other processes or other files.

The child shuts the doors itself (`child`), before it imports anything or reads a byte of a
model, and says which ones the system let it shut. Linux only, and no rights are needed.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from model.errors import ArtifactRejected

# The package as nothing but its path: its own imports would load every library before the doors
# are shut.
_START = """
import sys, types
package = types.ModuleType("model")
package.__path__ = [sys.argv[1]]
sys.modules["model"] = package
from model.confinement.child import main
main(sys.argv[2:])
"""
_PACKAGE = Path(__file__).resolve().parents[1]

# One thread for each library; and what a library writes beside its work stays in the folder.
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "ORT_DISABLE_TELEMETRY": "1",
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
}
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "TZ")

_MAX_LINE_BYTES = 1 << 16
_MAX_REASON_CHARACTERS = 300
_READ_BYTES = 1 << 16


def run_confined(  # noqa: PLR0913  # Each limit is the caller's decision.
    module: str,
    folder: Path,
    *,
    memory_bytes: int,
    cpu_s: int,
    progress: Callable[[str], None],
    wall_s: float | None = None,
    search_path: Sequence[Path] = (),
) -> tuple[str, ...]:
    """Run `python -m module` in `folder`, which alone it may write; the protections in force.

    The module prints lines of JSON: {"progress": text} is passed on, {"rejected": reason} ends it.
    It may also raise ArtifactRejected. `search_path` are folders it may read and import from, after
    the installed packages. `wall_s` is by default twice the processor time, and a minute.

    Raises:
        ArtifactRejected: what the child said; or it died, or took too much of something.
    """
    wall_s = 2 * cpu_s + 60 if wall_s is None else wall_s
    order = _order(module, folder, memory_bytes, cpu_s, search_path)
    child = subprocess.Popen(  # noqa: S603  # Our own interpreter and our own text.
        [sys.executable, "-I", "-S", "-B", "-c", _START, str(_PACKAGE), json.dumps(order)],
        cwd=folder,
        env=_environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        conversation = _Conversation(progress)
        in_time = conversation.listen(child, time.monotonic() + wall_s)
    finally:
        _end(child)
    if not in_time:
        raise ArtifactRejected(f"The model took longer than {wall_s:g} s to be looked at.")
    if conversation.rejected is not None:
        raise ArtifactRejected(conversation.rejected)
    if child.returncode != 0:
        raise ArtifactRejected(_cause_of_death(child.returncode, cpu_s, conversation.last_words))
    return conversation.protections


class _Conversation:
    """What the child says. All of it comes from a process that may have turned hostile."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._lines = {"stdout": b"", "stderr": b""}
        self.protections: tuple[str, ...] = ()
        self.rejected: str | None = None
        self.last_words = ""
        self._began = False

    def listen(self, child: subprocess.Popen[bytes], deadline: float) -> bool:
        """Until the child has closed both pipes; False at the deadline."""
        with selectors.DefaultSelector() as selector:
            for name, pipe in (("stdout", child.stdout), ("stderr", child.stderr)):
                selector.register(cast("Any", pipe), selectors.EVENT_READ, name)
            while selector.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                for key, _ in selector.select(left):
                    data = os.read(key.fd, _READ_BYTES)
                    if not data:
                        selector.unregister(key.fileobj)
                    for line in self._complete(key.data, data):
                        self._take(key.data, line)
        return _ended(child, deadline)

    def _complete(self, stream: str, data: bytes) -> Iterator[bytes]:
        """The lines that are complete now; one without end is cut."""
        *lines, rest = (self._lines[stream] + (data or b"\n")).split(b"\n")
        self._lines[stream] = rest[:_MAX_LINE_BYTES]
        return iter(lines)

    def _take(self, stream: str, line: bytes) -> None:
        if stream == "stderr":
            self.last_words = _printable(line.decode("utf-8", "replace")) or self.last_words
            return
        message = _message(line)
        # Only the first word is the doorkeeper's own.
        if not self._began and isinstance(message.get("protections"), list):
            self._began = True
            self.protections = tuple(map(str, message["protections"]))
        elif isinstance(message.get("progress"), str):
            self._progress(_printable(message["progress"]))
        elif isinstance(message.get("rejected"), str):
            self.rejected = _printable(message["rejected"])


def _order(
    module: str, folder: Path, memory_bytes: int, cpu_s: int, search_path: Sequence[Path]
) -> dict[str, Any]:
    interpreter = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    return {
        "module": module,
        "folder": str(folder.resolve()),
        "memory_bytes": memory_bytes,
        "cpu_s": cpu_s,
        # Not the folder around this package: in a checkout, keys and data lie beside it.
        "readable": sorted({*interpreter, str(_PACKAGE), *map(str, search_path)}),
        "search_path": [str(path) for path in search_path],
        "parent": os.getpid(),
    }


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    home = str(folder.resolve())
    return {**_ENVIRONMENT, **kept, "HOME": home, "TMPDIR": home}


def _ended(child: subprocess.Popen[bytes], deadline: float) -> bool:
    """It may have closed its pipes and go on. Not reaped yet, it keeps its group's number."""
    while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _end(child: subprocess.Popen[bytes]) -> None:
    """Nothing of it stays: it leads a group of its own, which whatever it started belongs to."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()


def _message(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _cause_of_death(code: int, cpu_s: int, last_words: str) -> str:
    if code == -signal.SIGXCPU:
        return f"The model took more than {cpu_s} s of processor time to be looked at."
    if code < 0:
        name = signal.Signals(-code).name
        return f"The model ended the process that looked at it ({name}); it may need more memory."
    detail = f": {last_words}" if last_words else ""
    return f"The process that looked at the model failed{detail}."


def _printable(text: str) -> str:
    """One short line, without what a terminal would obey."""
    cleaned = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(cleaned.split())[:_MAX_REASON_CHARACTERS]
