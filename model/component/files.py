"""The files of a component in a private folder, for as long as the model lives.

Classes of Seldon's convention open "model.pkl" beside them and import their own modules, so they
need a folder. It holds a copy of the verified bytes that nobody else may read or change.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from model.component.imports import OwnModules
from model.errors import ArtifactRejected

_PREFIX = "gateway-component-"
# A folder is locked a moment after it is made; younger ones are never taken for abandoned.
_ABANDONED_AFTER_S = 60.0

# The working directory and the table of modules belong to the whole process.
_PROCESS = threading.RLock()


class PlacedFiles:
    """A private folder (0700) with these files, removed with this object.

    Only the process that made it removes it, so workers forked later may drop theirs. What a
    killed process left behind is removed when the next folder is made.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """`files` maps paths relative to the folder, with "/", to verified bytes."""
        _require_inside(files)
        _remove_abandoned()
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = _hold(self.folder)
        weakref.finalize(self, _remove, self.folder, self._lock, os.getpid())
        _write(self.folder, files)
        self.modules = OwnModules(files, self.folder, _PROCESS)

    @contextlib.contextmanager
    def at_home(self) -> Iterator[None]:
        """Within this, the folder is the working directory, and its modules can be imported.

        One component at a time: both belong to the whole process.
        """
        with self.modules.importable():
            before = os.open(".", os.O_PATH | os.O_DIRECTORY)
            os.chdir(self.folder)
            try:
                yield
            finally:
                os.fchdir(before)
                os.close(before)

    def origin(self, exc: BaseException) -> str:
        """What was raised and where: "ValueError at Model.py:12". Quotes no text of it."""
        place, at = "", exc.__traceback__
        while at is not None:
            path = Path(at.tb_frame.f_code.co_filename)
            if path.is_relative_to(self.folder):
                place = f" at {path.relative_to(self.folder)}:{at.tb_lineno}"
            at = at.tb_next
        return f"{type(exc).__name__}{place}"


def _require_inside(paths: Mapping[str, bytes]) -> None:
    for path in paths:
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\0" in path:
            raise ArtifactRejected(f"The file name {path!r} leads out of the model's folder.")


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    try:
        for path, data in files.items():
            target = folder / path
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            target.write_bytes(data)
    except OSError as exc:
        raise ArtifactRejected(
            f"The model's files cannot be written to {folder.parent} ({exc.strerror});"
            " make room there, or set TMPDIR."
        ) from exc


def _hold(folder: Path) -> int:
    # The lock is shared with every process forked later, and ends with the last of them.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def _remove(folder: Path, lock: int, creator: int) -> None:
    os.close(lock)
    if os.getpid() == creator:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Another process may remove it at the same time, and another user's is not ours to open.
        with contextlib.suppress(OSError):
            about = folder.lstat()
            if about.st_uid != os.getuid() or time.time() - about.st_mtime < _ABANDONED_AFTER_S:
                continue
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
