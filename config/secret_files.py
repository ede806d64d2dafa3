"""Passwords in files: read once, refused where others could read them, too."""

import os
import stat
from pathlib import Path


class UnusableSecret(Exception):
    """The file is missing, or open to others. The text is one sentence for the operator."""


def read_secret(path: Path) -> bytes:
    """What the file holds, without a final newline. Its group may read it: so parts share it.

    Raises: UnusableSecret.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o007:
                raise UnusableSecret(f"{path} is open to others (mode {mode:04o}): chmod 640 it")
            return file.read().rstrip(b"\r\n")
    except OSError as exc:
        raise UnusableSecret(f"{path} cannot be read: {exc.strerror}") from exc
