"""What takes long to make and comes out the same each time: kept under var/bench/kept."""

import hashlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
_KEPT = ROOT / "var" / "bench" / "kept"


def kept(name: str, made_of: Iterable[Path], make: Callable[[Path], None]) -> Path:
    """A folder that `make` has filled; filled anew when a file it is made of has changed."""
    folder, note = _KEPT / name, _KEPT / f"{name}.made-of"
    digest = _digest(made_of)
    if not folder.is_dir() or not note.is_file() or note.read_text() != digest:
        note.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        # Written last: what was begun and not ended is not taken for whole.
        note.write_text(digest)
    return folder


def _digest(files: Iterable[Path]) -> str:
    whole = hashlib.sha256()
    for file in sorted(files):
        place = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file.name
        whole.update(f"{place}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()
