"""Take out of the image what nobody runs there: `python prune.py VENV tests|installers`."""

import shutil
import subprocess
import sys
from pathlib import Path

UNUSED = {
    # Tests and data of tests, sources and headers: no import of ours reaches them.
    "tests": (
        *("**/tests", "onnx/backend/test", "onnx/test", "sklearn/datasets/images"),
        *("**/*.pyi", "**/*.pxd", "**/*.pyx", "**/*.c", "**/*.h", "**/*.hpp", "**/*.cc"),
    ),
    # The installers, and what they leave to be run at each start of Python.
    "installers": (
        *("pip", "pip-*", "setuptools", "setuptools-*", "pkg_resources", "_distutils_hack"),
        "distutils-precedence.pth",
    ),
}
# These wheels come with debugging symbols, together 40 MB. (Not all may be stripped: libraries that
# a wheel's repair has moved break by it.)
WITH_SYMBOLS = ("zstandard/*.so", "csimdjson*.so", "_brotli*.so", "sqlalchemy/**/*.so")
# The libraries' own commands go, the interpreter stays.
KEPT_COMMANDS = ("python", "python3", "python3.*")


def main(venv: Path, what: str) -> None:
    """Remove it, and say how much it was."""
    [packages] = venv.glob("lib/python3*/site-packages")
    if what == "tests":
        modules = [path for pattern in WITH_SYMBOLS for path in packages.glob(pattern)]
        subprocess.run(["strip", "--strip-debug", *modules], check=True)
    doomed = [path for pattern in UNUSED[what] for path in packages.glob(pattern)]
    if what == "installers":
        doomed += [venv / "include", *_commands(venv)]
    size = sum(map(_size, doomed))
    for path in doomed:
        _remove(path)
    sys.stdout.write(f"{size >> 20} MB of {what} removed\n")


def _commands(venv: Path) -> list[Path]:
    commands = (venv / "bin").iterdir()
    return [path for path in commands if not any(map(path.match, KEPT_COMMANDS))]


def _size(path: Path) -> int:
    if path.is_dir() and not path.is_symlink():
        return sum(map(_size, path.iterdir()))
    return path.lstat().st_size if path.exists() else 0


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
