"""Collect the root file system of the image: Python, the libraries it loads, and little else.

Run in the build stage: `python collect.py VENV TARGET`. What is copied is found, not listed: the
interpreter that the virtual environment names, its standard library, and every shared library that
these and the environment's own modules ask for. Each Debian package a file comes from keeps its
entry in `var/lib/dpkg/status.d`, where scanners look for it.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

# What nothing of ours imports; `ensurepip` holds a whole pip.
UNUSED = (
    *("ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "tests", "tkinter", "turtledemo"),
    *("site-packages", "dist-packages", "__pycache__", "config-*", "sitecustomize.py"),
    *("_tkinter.*", "_dbm.*", "_gdbm.*", "_curses*", "readline.*", "nis.*", "ossaudiodev.*"),
    *("_test*", "_ctypes_test.*", "xxlimited*"),
)
# `ldd` does not see what is loaded by name at run time: a thread's end needs this one.
LOADED_BY_NAME = ("libgcc_s.so.1",)
PLAIN_FILES = ("/etc/debian_version", "/etc/os-release", "/usr/lib/os-release")
# The groups and users of the composition; any other number works as well.
USERS = {"predictions": 64201, "tokens": 64202, "redis": 64203, "nginx": 64204}
GATEWAY_GROUP = 64200


def main(venv: Path, target: Path) -> None:
    """Fill `target`, and say how much it is."""
    for link, where in (("lib", "usr/lib"), ("lib64", "usr/lib64")):
        (target / where).mkdir(parents=True)
        (target / link).symlink_to(where)
    copied = {*_python(venv, target), *_libraries(venv, target)}
    copied |= {path for path in map(Path, PLAIN_FILES) if _copy(path, target)}
    _make_importable(venv)
    _certificates(target)
    _accounts(target)
    _folders(target)
    packages = _record_packages(copied, target)
    shutil.copytree("/etc/ld.so.conf.d", target / "etc/ld.so.conf.d")
    shutil.copyfile("/etc/ld.so.conf", target / "etc/ld.so.conf")
    _run("ldconfig", "-X", "-r", str(target))
    sys.stdout.write(f"{len(copied)} files of {len(packages)} packages: {' '.join(packages)}\n")


def _python(venv: Path, target: Path) -> Iterator[Path]:
    """The interpreter behind the environment, by every link on the way, and its library."""
    path = venv / "bin" / "python"
    while path.is_symlink():
        path = path.parent / path.readlink()
        _copy(path, target)
        yield path
    library = Path(sysconfig.get_paths()["stdlib"])
    shutil.copytree(
        library, target / library.relative_to("/"), ignore=shutil.ignore_patterns(*UNUSED)
    )
    for found in (target / library.relative_to("/")).rglob("*.py"):
        yield Path("/") / found.relative_to(target)


def _make_importable(venv: Path) -> None:
    """Our code, by every interpreter of the environment: one that ignores variables, too."""
    [packages] = venv.glob("lib/python3*/site-packages")
    (packages / "gateway.pth").write_text("/app\n")


def _libraries(venv: Path, target: Path) -> Iterator[Path]:
    interpreter = (venv / "bin" / "python").resolve()
    modules = [*target.rglob("*.so"), *venv.rglob("*.so"), *venv.rglob("*.so.*")]
    for path in _needed([interpreter, *modules]) - {interpreter}:
        if not path.is_relative_to(venv) and not path.is_relative_to(target):
            yield from _copy_with_links(path, target)


def _needed(files: Iterable[Path]) -> set[Path]:
    """Every library that the loader takes for these, as it names them."""
    found = subprocess.run(
        ["ldd", *map(str, files)], capture_output=True, text=True, check=False
    ).stdout
    words = (word for line in found.splitlines() for word in line.split())
    paths = {Path(word) for word in words if word.startswith("/") and not word.endswith(":")}
    folder = next(path.parent for path in paths if path.name.startswith("libc.so"))
    return {path for path in paths | {folder / name for name in LOADED_BY_NAME} if path.exists()}


def _copy_with_links(path: Path, target: Path) -> Iterator[Path]:
    while True:
        _copy(path, target)
        yield path
        if not path.is_symlink():
            return
        path = path.parent / path.readlink()


def _copy(path: Path, target: Path) -> bool:
    if not path.exists():
        return False
    copy = target / _real_folder(path).relative_to("/")
    copy.parent.mkdir(parents=True, exist_ok=True)
    if not copy.is_symlink() and not copy.exists():
        shutil.copy2(path, copy, follow_symlinks=False)
    return True


def _real_folder(path: Path) -> Path:
    """The path with links in its folders resolved: `/lib/…` is `/usr/lib/…`."""
    return Path(os.path.realpath(path.parent)) / path.name


def _certificates(target: Path) -> None:
    """Debian's authorities, from the package itself: a build's own addition stays out."""
    bundle = target / "etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True)
    authorities = sorted(Path("/usr/share/ca-certificates/mozilla").glob("*.crt"))
    bundle.write_text("".join(path.read_text().strip() + "\n" for path in authorities))
    _copy(Path("/etc/ssl/openssl.cnf"), target)
    (target / "usr/lib/ssl").mkdir()
    for name in ("certs", "openssl.cnf"):
        (target / "usr/lib/ssl" / name).symlink_to(f"/etc/ssl/{name}")


def _accounts(target: Path) -> None:
    """Names for the numbers; nobody has a shell, a password or a home."""
    users = {"root": 0, **USERS, "nobody": 65534}
    (target / "etc/passwd").write_text(
        "".join(
            f"{name}:x:{uid}:{0 if uid == 0 else GATEWAY_GROUP}::/nonexistent:/nonexistent\n"
            for name, uid in users.items()
        )
    )
    (target / "etc/group").write_text("root:x:0:\ngateway:x:64200:\nnogroup:x:65534:\n")
    (target / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")


def _folders(target: Path) -> None:
    """Where volumes are mounted: a new one takes owner and mode from here."""
    data = target / "var/lib/gateway"
    # The group may write, so that one container alone (`serve`) can keep its data there; which part
    # of a composition may, is decided by its mounts.
    _folder(data, USERS["tokens"], 0o2770)
    modes = {"control": 0o2770, "keys": 0o700, "models": 0o2770, "status": 0o2770}
    modes |= {f"access/{name}": 0o2750 for name in ("redis", "postgres", "tokens", "predictions")}
    for name, mode in modes.items():
        _folder(data / name, USERS["tokens"], mode)
    for name in ("predictions", "tokens"):
        _folder(target / "run/gateway" / name, USERS[name], 0o2770)
    _folder(target / "edge", USERS["nginx"], 0o700)
    _folder(target / "tmp", 0, 0o1777)


def _folder(path: Path, owner: int, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, owner, GATEWAY_GROUP if owner else 0)
    path.chmod(mode)


def _record_packages(files: Iterable[Path], target: Path) -> list[str]:
    names = sorted({"ca-certificates", *_owners(files)})
    folder = target / "var/lib/dpkg/status.d"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name.partition(":")[0]).write_text(_run("dpkg-query", "--status", name))
    return names


def _owners(files: Iterable[Path]) -> Iterator[str]:
    # A package may have recorded a file under the folder's other name.
    asked = {str(form) for path in files for form in (path, _real_folder(path))}
    asked |= {path.removeprefix("/usr") for path in asked if path.startswith("/usr/lib")}
    done = subprocess.run(
        ["dpkg-query", "--search", *sorted(asked)], capture_output=True, text=True, check=False
    )
    for line in done.stdout.splitlines():
        owners, _, path = line.partition(": ")
        if path in asked and not line.startswith("diversion "):
            yield from owners.split(", ")


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
