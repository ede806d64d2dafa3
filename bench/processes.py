"""Servers as child processes: started, waited for, weighed, and stopped with all they started."""

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# Servers stand beside each other while they are measured in turn: the ports after the first are
# those that some of them open as well. Two runs on one machine begin at different ones.
_PORTS = iter(range(21_000 + os.getpid() % 1000 * 5, 32_000, 5))
_QUIET_TICKS = 1
_LOOK_AGAIN_S = 0.05
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class NotReady(Exception):
    """A server did not answer in time, or ended."""


@dataclass
class Server:
    """A running server and all processes that it started.

    Args:
        log: where its output goes.
        ready_s: seconds from start to the first good answer.
    """

    process: subprocess.Popen[bytes]
    log: Path
    started_at: float = field(default_factory=time.monotonic)
    ready_s: float = 0.0

    def wait(self, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None,
             within_s: float = 90.0) -> bytes:  # fmt: skip
        """Ask until it answers 200; that answer. Raises: NotReady."""
        trusting = ssl._create_unverified_context()  # noqa: S323  # Its own certificate, loopback.
        reason = "no answer"
        while time.monotonic() < self.started_at + within_s:
            if self.process.poll() is not None:
                raise NotReady(f"it ended with {self.process.returncode}; see {self.log}")
            try:
                request = urllib.request.Request(url, body, dict(headers or {}))
                with urllib.request.urlopen(request, timeout=20, context=trusting) as answer:
                    content: bytes = answer.read()
                self.ready_s = time.monotonic() - self.started_at
                return content
            except urllib.error.HTTPError as exc:
                reason = f"{exc.code} {exc.read()[:200]!r}"
            except (OSError, json.JSONDecodeError) as exc:
                reason = str(exc)
            time.sleep(0.05)
        raise NotReady(f"not ready in {within_s:.0f} s: {reason}; see {self.log}")

    def pss_mb(self) -> float:
        """Proportional set size of the whole process tree, in MB (1e6 bytes)."""
        return _pss_mb(tree(self.process.pid))

    def pss_of_children_mb(self) -> float:
        """The same without the process that started the others."""
        return _pss_mb(tree(self.process.pid)[1:])

    def open_files(self) -> int:
        """File descriptors of the whole process tree."""
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in tree(self.process.pid))


def _pss_mb(pids: Sequence[int]) -> float:
    kilobytes = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    kilobytes += int(line.split()[1])
    return kilobytes * 1024 / 1e6


@contextlib.contextmanager
def running(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Run a command until the block ends; its output goes to `folder`/log."""
    _stop_when_terminated()
    log = folder / "log"
    variables = {**os.environ, **ONE_THREAD, **(environment or {})}
    # Whoever runs this may not want compiled files; servers start with theirs, as installed.
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdout=output, stderr=output, start_new_session=True
        )
    server = Server(process, log)
    try:
        yield server
    finally:
        _stop(server)


def _stop_when_terminated() -> None:
    """Servers must not outlive a run that `timeout` or a CI job ends: its blocks end, too."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))


def _stop(server: Server) -> None:
    pids = tree(server.process.pid)
    server.process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.process.wait(timeout=20)
    # Some leave children behind when they are asked to end.
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.process.wait(timeout=20)


def tree(root: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def cpu_ticks(root: int) -> int:
    """CPU time so far of all below a process, in the kernel's hundredths of a second."""
    spent = 0
    for pid in tree(root)[1:]:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            spent += int(fields[11]) + int(fields[12])
    return spent


def await_quiet(within_s: float = 2.0) -> None:
    """Until nothing that this process started works any more; not for long, for some always do."""
    deadline = time.monotonic() + within_s
    before = cpu_ticks(os.getpid())
    while time.monotonic() < deadline:
        time.sleep(_LOOK_AGAIN_S)
        now = cpu_ticks(os.getpid())
        if now - before <= _QUIET_TICKS:
            return
        before = now


def free_port() -> int:
    """A port that is free, with the four above it."""
    for port in _PORTS:
        if all(_is_free(port + more) for more in range(5)):
            return port
    raise NotReady("no free port is left")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False
