"""A real PostgreSQL for tests, Debian's, on a Unix socket of its own. Run: installs it, as root."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

_PACKAGE = "postgresql"
# Nothing of a test need survive a power cut.
_FAST = (
    *("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses="),
    *("shared_buffers=16MB", "autovacuum=off", "max_connections=200"),
)


class PostgresServer:
    """A running server.

    Args:
        folder: of its socket.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self.folder = folder
        self._count = 0

    def database(self) -> str:
        """The name of a new, empty database."""
        self._count += 1
        self.run(f"CREATE DATABASE test_{self._count}")
        return f"test_{self._count}"

    def url(self, database: str, user: str = "postgres") -> str:
        return f"postgresql+psycopg://{user}@/{database}?host={self.folder}"

    def run_script(self, script: Path) -> None:
        """Run a file as the official image does: by psql, as the owner of the server."""
        place = ["-h", self.folder, "-U", "postgres", "-d", "postgres"]
        command = [self._programs / "psql", "-q", "-v", "ON_ERROR_STOP=1", *place, "-f", script]
        subprocess.run(command, check=True, capture_output=True, timeout=30)

    def run(self, sql: str, database: str = "postgres") -> None:
        place = {"host": str(self.folder), "user": "postgres", "dbname": database}
        with psycopg.connect(**place, autocommit=True) as connection:
            connection.execute(sql)  # type: ignore[arg-type]  # any text of the tests' own


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that lives as long as the block."""
    programs = _programs()
    # Not pytest's folder: the path of a socket is at most 107 bytes long.
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        user = _user(folder)
        data = folder / "data"
        initdb = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"]
        _run_as(user, folder, *initdb, "-E", "UTF8", "--no-locale")
        settings = " ".join(f"-c {setting}" for setting in _FAST)
        control = [programs / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-t", "120"]
        _run_as(user, folder, *control, "-o", f"{settings} -k {name}", "start")
        try:
            yield PostgresServer(programs, folder)
        finally:
            _run_as(user, folder, *control, "-m", "immediate", "stop")


def _run_as(user: int | None, folder: Path, *command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, user=user, cwd=folder, timeout=180)


def _user(folder: Path) -> int | None:
    """PostgreSQL refuses to be root; Debian's package brings a user for it."""
    if os.geteuid() != 0:
        return None
    uid = pwd.getpwnam("postgres").pw_uid
    os.chown(folder, uid, -1)
    return uid


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    if os.environ.get("CI") == "true":
        pytest.fail(f"PostgreSQL is not installed: apt-get install {_PACKAGE}")
    pytest.skip(f"NOT TESTED: PostgreSQL is not installed (apt-get install {_PACKAGE})")


def install() -> None:
    """Install it where that is allowed; exits with what to do where not."""
    if any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit(f"PostgreSQL is missing: apt-get install {_PACKAGE}")
    # No cluster and no server of Debian's own: the tests start theirs.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", _PACKAGE]
    for command in (["apt-get", "update", "-q"], install):
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    install()
