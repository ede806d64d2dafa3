"""Reading what somebody brings: files and folders that may be anything."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from model.errors import ArtifactRejected

MAX_FILES = 2_000
MAX_BYTES = 8 * 1024**3

# What tools leave beside a model and no model reads. Names with a leading dot are left out, too.
_LEFT_OUT = frozenset({"__pycache__", "node_modules"})


def read_file(path: Path, limit: int = MAX_BYTES) -> bytes:
    """The bytes of an ordinary file, read once. Never waits, as a pipe would have it.

    Raises:
        ArtifactRejected: it cannot be read, is no ordinary file, or has more bytes than `limit`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                raise ArtifactRejected(f"{path.name} is no ordinary file.")
            if about.st_size > limit:
                raise ArtifactRejected(f"{path.name} is larger than {limit // 1024**2} MiB.")
            return file.read()
    except OSError as exc:
        raise ArtifactRejected(f"{path.name} cannot be read: {_cause(exc)}.") from exc


def read_folder(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its path from there, with "/".

    Raises:
        ArtifactRejected: too many files or bytes, something that is no file, or a link that leads
            out of the folder or to a folder.
    """
    files: dict[str, bytes] = {}
    left = MAX_BYTES
    for path in _walk(folder):
        if len(files) == MAX_FILES:
            raise ArtifactRejected(
                f"{folder.name} has more than {MAX_FILES} files; leave in it only what the model"
                " reads."
            )
        data = read_file(path, left)
        left -= len(data)
        files[path.relative_to(folder).as_posix()] = data
    return files


def _walk(folder: Path) -> Iterator[Path]:
    home = folder.resolve()
    for here, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(name for name in folders if _is_taken(name))
        for name in folders:
            _refuse_link(Path(here) / name, home, to_folder=True)
        for name in sorted(filter(_is_taken, names)):
            path = Path(here) / name
            _refuse_link(path, home, to_folder=False)
            yield path


def _is_taken(name: str) -> bool:
    return not name.startswith(".") and name not in _LEFT_OUT and not name.endswith(".pyc")


def _refuse_link(path: Path, home: Path, *, to_folder: bool) -> None:
    if not path.is_symlink():
        return
    if to_folder:
        raise ArtifactRejected(f"{path.name} is a link to a folder; put the folder itself there.")
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError) as exc:
        raise ArtifactRejected(f"{path.name} is a link that leads nowhere.") from exc
    if not target.is_relative_to(home):
        raise ArtifactRejected(
            f"{path.name} is a link that leads out of the folder; put the file itself there."
        )


def _refuse(exc: OSError) -> None:
    name = Path(exc.filename or "").name
    raise ArtifactRejected(f"{name} cannot be read: {_cause(exc)}.") from exc


def _cause(exc: OSError) -> str:
    if exc.errno == errno.ENXIO:
        return "it is no ordinary file"
    return exc.strerror or type(exc).__name__
