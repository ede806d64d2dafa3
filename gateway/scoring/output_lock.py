"""Only one run at a time writes an output and what stands beside it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gateway.scoring.errors import ScoringFailed


@contextmanager
def locked(output: Path) -> Iterator[None]:
    """Keep every other run from the files of this one; it holds as long as this process lives.

    Raises: ScoringFailed, where another run has them.
    """
    path = output.with_name(f"{output.name}.progress.lock")
    try:
        file = _locked_file(path)
    except BlockingIOError as exc:
        raise ScoringFailed(f"Another process is writing {output}.") from exc
    with file:
        try:
            yield
        finally:
            # Only whoever holds it takes it away: else a third run would find none.
            path.unlink(missing_ok=True)


def _locked_file(path: Path) -> BinaryIO:
    """Raises: BlockingIOError."""
    while True:
        file = path.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise
        if _is_at(path, file):
            return file
        # Whoever held it took it away after this one was opened: the next run would make another
        # file, and lock that.
        file.close()


def _is_at(path: Path, file: BinaryIO) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(file.fileno()))
