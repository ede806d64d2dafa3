"""Folders that appear complete or not at all, also when the power goes."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path


def write_durably(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write the files and wait until they are on the disk. All users may read them."""
    for filename, data in contents.items():
        (folder / filename).parent.mkdir(parents=True, exist_ok=True)
        with (folder / filename).open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
    for changed in {folder, *(parent for name in contents for parent in (folder / name).parents)}:
        if changed.is_relative_to(folder):
            changed.chmod(0o755)
            _sync_folder(changed)


def rename_durably(folder: Path, target: Path) -> None:
    """Give the folder its final place in one step. Raises FileExistsError if that is taken."""
    try:
        folder.rename(target)
    except OSError as exc:
        if exc.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise FileExistsError(exc.errno, "exists already", str(target)) from exc
        raise
    for changed in (target.parent, target.parent.parent):
        _sync_folder(changed)


def replace_durably(file: Path, target: Path) -> None:
    """Give the file its final place in one step, over what may be there."""
    file.replace(target)
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def entries(folder: Path) -> list[str]:
    """The names in a folder, in order; none where there is no folder."""
    try:
        return sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def files_below(folder: Path) -> list[str]:
    """The paths of all files in a folder and its folders, with "/", in order.

    A link is named like a file and never followed; an empty folder has no name here.
    """
    found: list[str] = []
    for parent, _, filenames in os.walk(folder):
        found += [(Path(parent) / name).relative_to(folder).as_posix() for name in filenames]
    links = [path for path in folder.rglob("*") if path.is_symlink() and path.is_dir()]
    return sorted({*found, *(link.relative_to(folder).as_posix() for link in links)})
