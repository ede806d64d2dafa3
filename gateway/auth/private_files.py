"""Files that only their owner may read: written whole or not at all, refused if open to others."""

import os
import stat
import tempfile
from pathlib import Path


class UnusableFile(Exception):
    """The file is missing, or open to others. The text is one sentence for the operator."""


def write_private(path: Path, content: bytes) -> None:
    """Write a new file of mode 0600, in a folder of mode 0700. On the disk when this returns.

    Raises:
        FileExistsError: there is one, which is kept as it is.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            _give_to_folder_owner(file.fileno(), path.parent)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # Unlike a rename, a link never replaces what is there.
        os.link(temporary, path)
    finally:
        Path(temporary).unlink()
    _sync_folder(path.parent)


def read_private(path: Path) -> bytes:
    """Read a file that only its owner may read.

    Where that is somebody else, our group may, too: so a mounted secret reaches whoever it is for.

    Raises: UnusableFile, if it is missing or open to others.
    """
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            mode = stat.S_IMODE(found.st_mode)
            mounted = found.st_uid not in {os.geteuid(), os.getuid()}
            if mode & (0o037 if mounted else 0o077):
                raise UnusableFile(f"{path} is open to others (mode {mode:04o}): chmod 600 it")
            return file.read()
    except OSError as exc:
        raise UnusableFile(f"{path} cannot be read: {exc.strerror}") from exc


def _give_to_folder_owner(descriptor: int, folder: Path) -> None:
    # An operator working as root makes keys for a token service that runs as another user.
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
