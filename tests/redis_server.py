"""A real Redis for tests, on a Unix socket of its own."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

START_WITHIN_S = 60.0


@contextmanager
def running_redis(directory: Path) -> Iterator[Path]:
    """The socket of a Redis that lives as long as the block and keeps nothing."""
    process = start_redis(directory)
    try:
        yield socket_in(directory)
    finally:
        stop_redis(process)


def start_redis(directory: Path) -> subprocess.Popen[bytes]:
    """Start a Redis on `socket_in(directory)` and return once it answers."""
    socket_path = socket_in(directory)
    options = {"port": "0", "unixsocket": str(socket_path), "save": "", "dir": str(directory)}
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    process = subprocess.Popen([_program(), *arguments], stdout=subprocess.DEVNULL)
    try:
        _wait_for_answer(process, socket_path)
    except BaseException:
        stop_redis(process)
        raise
    return process


def stop_redis(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def socket_in(directory: Path) -> Path:
    return directory / "redis.sock"


def _program() -> str:
    program = shutil.which("redis-server")
    if program is not None:
        return program
    if os.environ.get("CI") == "true":
        pytest.fail("redis-server is not installed: apt-get install redis-server")
    pytest.skip("NOT TESTED: redis-server is not installed (apt-get install redis-server)")


def _wait_for_answer(process: subprocess.Popen[bytes], socket_path: Path) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    with redis.Redis(unix_socket_path=str(socket_path)) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                client.ping()
                return
            except redis.ConnectionError:
                time.sleep(0.01)
    raise RuntimeError("redis-server did not start")
