"""One process of the stack: what it is, and how it is started so that it cannot be left over."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.cli.stack.readiness import Ready
from gateway.cli.stack.users import Identity

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Child:
    """A process to run.

    Attributes:
        ready: whether it can be used; asked until it is.
        once_ready: done once, before anything that needs the child starts.
        stop_signal: what makes it finish its work and end.
        stop_within_s: after which it is killed.
        vital: whether the stack ends with it; else it is started again, and that is said.
        identity: the user it runs as; None is the starting user.
    """

    name: str
    command: Sequence[str]
    ready: Ready
    stop_within_s: float
    once_ready: Callable[[], None] = _nothing
    stop_signal: signal.Signals = signal.SIGTERM
    vital: bool = True
    identity: Identity | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def start(child: Child, inherited: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """Start it with stdout and stderr on one pipe, in a process group of its own.

    A group of its own, so that Ctrl-C reaches only the supervisor, which then stops all in order.

    Args:
        inherited: descriptors that the child keeps open.
    """
    uid = child.identity.uid if child.identity else None
    return subprocess.Popen(  # noqa: S603  # Programs we found, arguments we made.
        list(child.command),
        env={**os.environ, **child.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=inherited,
        process_group=0,
        user=uid,
        group=uid,
        extra_groups=child.identity.groups if child.identity else None,
        # What a part writes is for itself and the groups it shares folders with.
        umask=0o007,
        preexec_fn=_end_with(os.getpid()),  # noqa: PLW1509  # This process has one thread.
    )


def _end_with(parent: int) -> Callable[[], None]:
    """What the child does just before it becomes another program.

    A supervisor killed by SIGKILL cannot stop anything, so the kernel does: the child asks for
    SIGTERM at its parent's death. It survives exec, but not a change of user, which subprocess
    makes before it calls this. No library offers it, hence ctypes. Only the masters of nginx and
    Gunicorn are our children; on SIGTERM each ends its own workers.
    """

    def end_with_parent() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        # It may have died before the request was made.
        if os.getppid() != parent:
            os._exit(1)

    return end_with_parent


def describe_end(name: str, returncode: int) -> str:
    """How a child ended, for people."""
    if returncode >= 0:
        return f"{name} ended with exit code {returncode}"
    try:
        return f"{name} was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"{name} was ended by signal {-returncode}"


def python_command(*arguments: str) -> list[str]:
    """`gateway …` under this very interpreter."""
    return [sys.executable, "-m", "gateway.cli", *arguments]
