"""What a security scanner looks for in the image, looked for in the unpacked image itself."""

import os
import re
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Engine

# Nobody installs, builds, opens a shell or changes user in there.
ABSENT_PROGRAMS = {
    *("sh", "bash", "dash", "busybox", "apt", "apt-get", "dpkg", "perl", "gcc", "cc", "ld", "make"),
    *("pip", "pip3", "curl", "wget", "nc", "su", "sudo", "mount", "passwd", "ssh", "openssl"),
}
PARTS = ("redis", "postgres", "tokens", "predictions")
TMP = "/tmp"  # noqa: S108  # the container's
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
    labels = {name.rpartition(".")[2] for name in config["Labels"] if "opencontainers" in name}

    assert config["User"] == "64201:64200"
    assert config["Entrypoint"] == ["gateway"]
    assert config["Healthcheck"]["Test"][:2] == ["CMD", "python"]
    assert config["StopSignal"] == "SIGTERM"
    assert labels >= {"title", "description", "licenses", "version", "revision", "created"}
    assert not [name for name in config["Env"] if re.search(r"PASSWORD|SECRET|TOKEN|KEY", name)]
    assert config.get("Volumes") is None


def _run(
    engine: Engine, image: str, *arguments: str, options: tuple[str, ...] = ()
) -> "subprocess.CompletedProcess[str]":
    hardened = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
    command = ("run", "--rm", "--network", "none", *hardened, "--tmpfs", TMP, *options)
    return engine.run(*command, image, *arguments, check=False)


@pytest.mark.parametrize("user", ["64201:64200", "123456:0", "999999"])
def test_any_user_may_run_it(engine: Engine, image: str, user: str) -> None:
    """Read-only, without capabilities, without a home."""
    options = ("--user", user, "--tmpfs", "/data:mode=1777", "-e", "GATEWAY_DATA_DIR=/data")
    done = _run(engine, image, "init", "--example", "/app/example", options=options)

    # The engine has its own to say about health checks.
    said = [line for line in done.stderr.splitlines() if not line.startswith("time=")]

    assert done.returncode == 0, done.stderr
    assert said[0].startswith("Next: docker compose exec token-service gateway partner create")
    assert len(said) == 3


def test_a_key_that_others_can_read_stops_the_start(
    engine: Engine, image: str, tmp_path: Path
) -> None:
    """It names the file, and what to do."""
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "pepper").write_bytes(b"p" * 32)
    (keys / "pepper").chmod(0o644)
    options = ("-v", f"{keys}:/var/lib/gateway/keys:ro")
    started = _run(engine, image, "run", "--role", "tokens", options=options)

    assert started.returncode == 1
    assert "pepper is open to others (mode 0644): chmod 600 it" in started.stderr


def test_sagemakers_contract(engine: Engine, image: str) -> None:
    """`docker run IMAGE serve`: /ping is 200 on port 8080 once the model is in service."""
    name = "gateway-image-test-serve"
    engine.run("rm", "-f", name, check=False)
    partner = ("-e", "GATEWAY_SAGEMAKER__PARTNER=cloud")
    command = ("run", "-d", "--name", name, "--network", "none", *partner, image)
    engine.run(*command, "serve", "--workers", "2", "/app/example")
    ping = ("exec", name, "python", "-m", "gateway.health", "127.0.0.1:8080", "/ping")
    try:
        deadline = time.monotonic() + 60
        while engine.run(*ping, check=False).returncode != 0:
            assert time.monotonic() < deadline, engine.run("logs", name).stderr[-2000:]
        engine.run("stop", "-t", "30", name)
        code = engine.inspect(name)["State"]["ExitCode"]
    finally:
        engine.run("rm", "-f", name)

    assert code == 0


def test_the_command_line_is_all_there(engine: Engine, image: str) -> None:
    """Administration, and whatever else `gateway` does, from the same image."""
    done = _run(engine, image, "--help")

    assert done.returncode == 0
    for command in ("run", "partner", "model", "key", "status"):
        assert re.search(rf"^  {command} ", done.stdout, flags=re.MULTILINE)


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
    readme = (Path(__file__).parents[2] / "README.md").read_text()

    assert measured.keys() == stated.keys()
    assert f"The image is\n{sum(stated.values())} MB" in readme
    for part, size in measured.items():
        assert abs(size - stated[part]) <= max(5, stated[part] // 10), (part, size, stated[part])


def _stated_sizes() -> dict[str, int]:
    text = (Path(__file__).parents[2] / "docs/container.md").read_text()
    rows = re.findall(r"^\| `/([a-z/]+)` \| (\d+) \|", text, flags=re.MULTILINE)
    return {part: int(size) for part, size in rows}
