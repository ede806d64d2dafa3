"""What a security scanner looks for in the image, looked for in the unpacked image itself."""

import os
import re
import stat
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import ROOT, Engine

# Nobody installs, builds, opens a shell or changes user in there.
ABSENT_PROGRAMS = {
    *("sh", "bash", "dash", "busybox", "apt", "apt-get", "dpkg", "perl", "gcc", "cc", "ld", "make"),
    *("pip", "pip3", "curl", "wget", "nc", "su", "sudo", "mount", "passwd", "ssh", "openssl"),
}
PARTS = ("redis", "postgres", "tokens", "predictions")
SECRET = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\r?\n[A-Za-z0-9+/=]{20}")
SECRET_NAMES = re.compile(r"\.(pem|key|p12|pfx|jks)$|^(pepper|\.env|\.netrc|id_rsa|password)$")
# Public certificates of authorities, and a library's own examples of public keys.
KNOWN_PEM = re.compile(r"/(certifi|pip)/.*cacert\.pem$")


@pytest.fixture(scope="session")
def files(root: Path) -> list[Path]:
    return [Path(folder) / name for folder, _, names in os.walk(root) for name in names]


def _regular(files: list[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    for path in files:
        found = path.lstat()
        if stat.S_ISREG(found.st_mode):
            yield path, found


def test_nothing_changes_its_user(files: list[Path]) -> None:
    """No setuid or setgid program, no file capability."""
    odd = [path for path, found in _regular(files) if found.st_mode & (stat.S_ISUID | stat.S_ISGID)]
    capable = [path for path, _ in _regular(files) if "security.capability" in os.listxattr(path)]

    assert odd == []
    assert capable == []


def test_nobody_but_root_can_change_a_file(root: Path, files: list[Path]) -> None:
    """Every file is root's and writable by root alone; folders that are not are the volumes'."""
    loose = [path for path, found in _regular(files) if found.st_uid != 0 or found.st_mode & 0o022]
    folders = [Path(top) / name for top, names, _ in os.walk(root) for name in names]
    open_folders = {
        str(path.relative_to(root))
        for path in folders
        if path.lstat().st_uid != 0 or (path.lstat().st_mode & 0o022 and not path.is_symlink())
    }

    assert loose == []
    assert open_folders == {
        *("tmp", "edge", "run/gateway/predictions", "run/gateway/tokens", "var/lib/gateway"),
        *(f"var/lib/gateway/{name}" for name in ("control", "keys", "models", "status")),
        *(f"var/lib/gateway/access/{name}" for name in PARTS),
    }


def test_anyone_can_read_the_program(files: list[Path]) -> None:
    """So that it works under any user id."""
    closed = [path for path, found in _regular(files) if not found.st_mode & 0o004]

    assert closed == []


def test_there_is_no_shell_no_installer_and_no_compiler(root: Path, files: list[Path]) -> None:
    """What is not there cannot be used by whoever gets in."""
    programs = {path.name for path in files if os.access(path, os.X_OK)}
    installers = [*root.rglob("pip"), *root.rglob("setuptools"), *root.rglob("ensurepip")]

    assert programs & ABSENT_PROGRAMS == set()
    assert installers == []


def test_there_are_no_tests_and_no_caches(root: Path) -> None:
    """Nothing of ours that only tests, and nothing that a build left."""
    libraries = next((root / "opt/gateway/lib").glob("python3*/site-packages"))

    assert {path.name for path in (root / "app").iterdir()} >= {"gateway", "model", "config"}
    assert not (root / "app/tests").exists()
    assert [str(path) for path in libraries.rglob("tests")] == []
    assert not (root / "root").exists()
    assert not any((root / "tmp").iterdir())
    assert not (root / "var/cache").exists()
    assert not (root / "var/lib/apt").exists()


def test_everything_has_one_time(root: Path, files: list[Path]) -> None:
    """SOURCE_DATE_EPOCH's: two builds of the same sources have the same layers."""
    parts = tuple(str(root / part) for part in ("app", "opt", "usr", "var"))
    folders = [Path(top) for top, _, _ in os.walk(root)]
    of_the_image = [path for path in (*files, *folders) if str(path).startswith(parts)]
    odd = {str(path.relative_to(root)) for path in of_the_image if path.lstat().st_mtime != 0}

    assert odd == set()


def test_there_is_no_secret(files: list[Path]) -> None:
    """No private key by its content, no key or password file by its name."""
    by_content = [path for path, _ in _regular(files) if SECRET.search(path.read_bytes())]
    by_name = [
        path
        for path, _ in _regular(files)
        if SECRET_NAMES.search(path.name) and not KNOWN_PEM.search(str(path))
    ]

    assert by_content == []
    assert by_name == []


def test_users_have_neither_shell_nor_password(root: Path) -> None:
    """Names for numbers, nothing to log in with."""
    users = [line.split(":") for line in (root / "etc/passwd").read_text().splitlines()]

    assert {user[0] for user in users} == {
        *("root", "predictions", "tokens", "redis", "nginx", "nobody")
    }
    assert {user[6] for user in users} == {"/nonexistent"}
    assert not (root / "etc/shadow").exists()


def test_scanners_find_the_packages(root: Path) -> None:
    """Each Debian package a file comes from is recorded with its version, as distroless does."""
    records = root / "var/lib/dpkg/status.d"
    versions = {
        path.name: dict(
            line.split(": ", 1) for line in path.read_text().splitlines() if ": " in line
        )
        for path in records.iterdir()
    }

    assert {"libc6", "libssl3", "libsqlite3-0", "ca-certificates"} <= set(versions)
    assert all(facts["Version"] for facts in versions.values())
    assert "ID=debian" in (root / "etc/os-release").read_text()


def test_how_it_is_started(engine: Engine, image: str) -> None:
    """A numeric user, an exec-form entry point, a health check without curl, nothing secret."""
    facts = engine.inspect(image, "image")
    # Docker has the check in one place, podman in another.
    config = {"Healthcheck": facts.get("Healthcheck"), **facts["Config"]}
    assert config["User"] == "64201:64200"
    assert config["Entrypoint"] == ["gateway"]
    assert engine.health_check(image) == ["python", "-m", "gateway.health"]
    assert config["StopSignal"] == "SIGTERM"
    assert not [name for name in config["Env"] if re.search(r"PASSWORD|SECRET|TOKEN|KEY", name)]
    assert config.get("Volumes") is None


def test_labels_say_what_it_is(engine: Engine, image: str) -> None:
    """Of which commit, and of when that is; the version is the package's."""
    named = engine.inspect(image, "image")["Config"]["Labels"].items()
    labels = {name.rpartition(".")[2]: text for name, text in named if "opencontainers" in name}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert labels["title"] == project["name"]
    assert labels["version"] == project["version"]
    assert labels["licenses"] == project["license"]
    assert labels["description"]
    assert labels["revision"].removesuffix("-dirty") == _of_the_commit("%H", "unknown")
    assert labels["created"] == _of_the_commit("%cI", "1970-01-01T00:00:00Z")


def _of_the_commit(what: str, without: str) -> str:
    if not (ROOT / ".git").exists():
        return without
    command = ["git", "show", "--no-patch", f"--format={what}", "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout[:-1]


def test_size(root: Path, files: list[Path]) -> None:
    """What the README says of each part, give or take a tenth."""
    measured = {
        part: sum(
            found.st_size for path, found in _regular(files) if path.is_relative_to(root / part)
        )
        >> 20
        for part in ("opt/gateway", "app", "usr")
    }
    stated = _stated_sizes()
    readme = (ROOT / "README.md").read_text()

    assert measured.keys() == stated.keys()
    assert f"The image is\n{sum(stated.values())} MB" in readme
    for part, size in measured.items():
        assert abs(size - stated[part]) <= max(5, stated[part] // 10), (part, size, stated[part])


def _stated_sizes() -> dict[str, int]:
    text = (ROOT / "docs/container.md").read_text()
    rows = re.findall(r"^\| `/([a-z/]+)` \| (\d+) \|", text, flags=re.MULTILINE)
    return {part: int(size) for part, size in rows}
