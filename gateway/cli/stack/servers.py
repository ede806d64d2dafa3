"""nginx and Redis: Debian's, found or, where that is allowed, installed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Each has the program of its name.
PACKAGES = ("nginx", "redis-server")
# Debian keeps servers where other users' PATH does not look.
_SEARCH_PATH = os.pathsep.join([os.defpath, "/usr/local/sbin", "/usr/sbin", "/sbin"])


class ServersMissing(Exception):
    """nginx or Redis is not there and cannot be installed; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Absolute paths of the programs."""

    nginx: str
    redis: str


def find_servers(
    say: Callable[[str], None], *, may_install: bool, search_path: str = _SEARCH_PATH
) -> Servers:
    """Find both programs.

    Args:
        may_install: whether Debian's packages may be installed where one is missing: only root
            may, and only where there is apt-get.
    Raises:
        ServersMissing: one is missing and stays so.
    """
    missing = _missing(search_path)
    apt_get = shutil.which("apt-get", path=search_path)
    if missing and may_install and apt_get:
        _install(apt_get, missing, search_path, say)
    return Servers(nginx=_find("nginx", search_path), redis=_find("redis-server", search_path))


def _missing(search_path: str) -> list[str]:
    return [name for name in PACKAGES if shutil.which(name, path=search_path) is None]


def _find(program: str, search_path: str) -> str:
    found = shutil.which(program, path=search_path)
    if found is None:
        raise ServersMissing(_what_to_do(_missing(search_path)))
    return found


def _install(
    apt_get: str, packages: Sequence[str], search_path: str, say: Callable[[str], None]
) -> None:
    _run([apt_get, "update"], packages, say)
    _run([apt_get, "install", "-y", "--no-install-recommends", *packages], packages, say)
    # Debian starts a server when it installs one, and at each boot: ports nobody asked for.
    systemctl = shutil.which("systemctl", path=search_path)
    if systemctl is not None:
        command = [systemctl, "disable", "--now", *packages]
        subprocess.run(command, capture_output=True, check=False)  # noqa: S603  # Constants.


def _run(command: Sequence[str], packages: Sequence[str], say: Callable[[str], None]) -> None:
    say(f"Installing Debian's {' and '.join(packages)}: {' '.join(command)}")
    done = subprocess.run(  # noqa: S603  # apt-get and constants.
        command,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-5:])
        raise ServersMissing(f"{' '.join(command)} failed:\n{last}\n{_what_to_do(packages)}")


def _what_to_do(packages: Sequence[str]) -> str:
    names = " ".join(packages)
    return (
        f"The stack needs Debian's packages nginx and redis-server; missing: {names}."
        f" Install them (apt-get install {names}) and try again."
    )


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main() -> None:
    """Find or install them, ahead of the tests; exits with what to do where that fails."""
    try:
        find_servers(_say, may_install=os.geteuid() == 0)
    except ServersMissing as exc:
        sys.exit(str(exc))
