"""Compile a folder, and set all times in it to one: `python compile.py FOLDER [PLACE]`.

A read-only container cannot keep bytecode it makes, so it is made here: without it each start of
a process takes seconds more. Checked by no time or hash: the files do not change.
"""

import compileall
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from py_compile import PycInvalidationMode


def main(folder: Path, place: str | None = None) -> None:
    """`place` is where the folder will be, if that is elsewhere."""
    moved = {"stripdir": folder, "prependdir": place} if place else {}
    mode = PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(folder, 50, quiet=2, workers=2, invalidation_mode=mode, **moved)
    moment = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    for path in _everything(folder):
        os.utime(path, (moment, moment), follow_symlinks=False)


def _everything(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.rglob("*")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3])
