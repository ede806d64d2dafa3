"""A container engine for the tests: Docker where there is one, else podman with stand-in bases.

Where no registry can be reached, `python`, `nginx` and `redis` cannot be pulled. Images of these
names are then made of Debian's packages: another build of Python 3.11, nginx and Redis, with the
Dockerfile and the composition untouched.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
IMAGE = "model-gateway:image-test"
PYTHON_IMAGE, NGINX_IMAGE, REDIS_IMAGE = "python:3.11-slim", "nginx:1.28", "redis:7.4"
PACKAGES = (
    *("podman", "buildah", "runc", "mmdebstrap"),
    *("netavark", "aardvark-dns", "iptables"),
)
# Bases and layers are kept this long: a new one has Debian's newer fixes.
KEEP_S = 7 * 24 * 3600
_HOSTS_FILES = ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")


class NoEngine(Exception):
    """No container can be built here; the text says why, and what would be needed."""


@dataclass(frozen=True)
class Engine:
    """How containers are built and run here.

    Attributes:
        program: `docker` or `podman`.
        compose: the compose command of that engine.
        environment: what both are called with.
        build_options: what a build needs here that the Dockerfile does not say.
    """

    program: str
    compose: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    build_options: tuple[str, ...] = ()

    @property
    def has_stand_ins(self) -> bool:
        return self.program == "podman"

    def run(
        self, *arguments: str, check: bool = True, timeout_s: float = 120, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return self._run((self.program, *arguments), check, timeout_s, stdin=stdin)

    def run_compose(
        self, *arguments: str, settings: Mapping[str, str], check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        return self._run((*self.compose, *arguments), check, 300, settings)

    def inspect(self, name: str, kind: str = "container") -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(self.run(kind, "inspect", name).stdout)
        return found[0]

    def build(self, tag: str, *arguments: str) -> str:
        """Build the real Dockerfile; what the build said."""
        done = self.run("build", *self.build_options, *arguments, "-t", tag, ".", timeout_s=580)
        return done.stdout + done.stderr

    def export(self, tag: str, folder: Path) -> None:
        """Unpack an image's file system as one, with owners and modes."""
        container = self.run("create", tag).stdout.strip().splitlines()[-1]
        try:
            command = (self.program, "export", container)
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, env=self._environment()
            ) as exporting:
                subprocess.run(
                    ["tar", "-xp", "-C", str(folder)], stdin=exporting.stdout, check=True
                )
            assert exporting.returncode == 0
        finally:
            self.run("rm", "-f", container)

    def _run(
        self,
        command: Sequence[str],
        check: bool,
        timeout_s: float,
        settings: Mapping[str, str] | None = None,
        stdin: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**self._environment(), **(settings or {})},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            input=stdin,
        )
        if check and done.returncode != 0:
            end = (done.stdout + done.stderr)[-4000:]
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{end}")
        return done

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment}


def find_engine() -> Engine:
    """Docker with Compose, or podman, made ready.

    Raises: NoEngine.
    """
    if shutil.which("docker") and _succeeds("docker", "info") and _succeeds("docker", "compose"):
        return Engine("docker", ("docker", "compose"))
    if os.geteuid() != 0:
        raise NoEngine("there is no Docker engine with Compose; podman is set up here as root only")
    _install_podman()
    return _podman(_cache())


def _succeeds(*command: str) -> bool:
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    return done.returncode == 0


def _install_podman() -> None:
    if all(shutil.which(name) for name in ("podman", "buildah", "runc", "mmdebstrap")):
        return
    if shutil.which("apt-get") is None:
        raise NoEngine(f"there is neither a Docker engine nor {' '.join(PACKAGES)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES]
    for command in (["apt-get", "update", "-q"], install):
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode != 0:
            raise NoEngine(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")


def cache_folder() -> Path:
    """Where images are kept between runs: outside the clone, which may be a new one each time."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "model-gateway-image-test"


def _cache() -> Path:
    """That folder, made anew when its bases have become old."""
    folder = cache_folder()
    born = folder / "born"
    if born.exists() and time.time() - born.stat().st_mtime > KEEP_S:
        remove_cache(folder)
    folder.mkdir(parents=True, exist_ok=True)
    born.touch(exist_ok=True) if not born.exists() else None
    return folder


def remove_cache(folder: Path) -> None:
    """All images, containers and layers of these tests."""
    if shutil.which("podman") and (folder / "storage.conf").is_file():
        environment = {**os.environ, **_podman_environment(folder)}
        subprocess.run(
            ["podman", "system", "reset", "-f"], env=environment, capture_output=True, check=False
        )
    shutil.rmtree(folder, ignore_errors=True)


def _podman_environment(folder: Path) -> dict[str, str]:
    return {
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "BUILDAH_ISOLATION": "chroot",
    }


def _podman(folder: Path) -> Engine:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    (folder / "containers.conf").write_text(
        f'[containers]\ndefault_ulimits = ["nofile={soft}:{hard}", "nproc=30000:30000"]\n'
        'log_driver = "k8s-file"\n[engine]\ncgroup_manager = "cgroupfs"\n'
        'events_logger = "file"\nruntime = "runc"\n[network]\nnetwork_backend = "netavark"\n'
    )
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/storage"\nrunroot = "{folder}/run"\n'
    )
    options = ["--pull=never", "--isolation", "chroot", "--network", "host", "--format", "docker"]
    for path in filter(os.path.exists, _HOSTS_FILES):
        # What this machine needs to reach its package index; none of it stays in the image.
        options += ["--volume", f"{path}:{path}:ro"]
    compose = (
        str(Path(sys.executable).parents[1].with_name(".venv-compose") / "bin/podman-compose"),
    )
    engine = Engine(
        "podman",
        (*compose, "--in-pod", "false"),
        _podman_environment(folder) | {"PODMAN_IGNORE_CGROUPSV1_WARNING": "1"},
        tuple(options),
    )
    if not _has(engine, PYTHON_IMAGE):
        _make_base(engine, folder)
    if not _has(engine, NGINX_IMAGE):
        _make_servers(engine)
    return engine


def _has(engine: Engine, image: str) -> bool:
    return engine.run("image", "exists", _full(image), check=False).returncode == 0


def _full(image: str) -> str:
    # The name under which every engine looks for a short one.
    return f"docker.io/library/{image}"


def _make_base(engine: Engine, folder: Path) -> None:
    """Debian with its Python 3.11, where the image of that name is expected to have it."""
    archive = folder / "base.tar"
    command = ["mmdebstrap", "--mode=root", "--variant=minbase"]
    command += ["--include=ca-certificates,python3,python3-venv,python3-pip"]
    for hook in (
        'ln -s /usr/bin/python3 "$1/usr/local/bin/python3"',
        'ln -s /usr/bin/python3 "$1/usr/local/bin/python"',
        'rm -f "$1"/usr/lib/python3.*/EXTERNALLY-MANAGED',
    ):
        command.append(f"--customize-hook={hook}")
    command += ["bookworm", str(archive), "-"]
    done = subprocess.run(
        command, input=_sources(), capture_output=True, text=True, timeout=400, check=False
    )
    if done.returncode != 0:
        raise NoEngine(f"no stand-in for {PYTHON_IMAGE}: {done.stderr[-2000:]}")
    path = "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    engine.run("import", "-q", "--change", path, str(archive), _full(PYTHON_IMAGE))
    archive.unlink()


def _sources() -> str:
    """This machine's own package sources, those of Debian 12."""
    lines = subprocess.run(
        [
            *("apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) main"),
            "Created-By: Packages",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    suites = ("bookworm", "bookworm-updates", "bookworm-security")
    found = sorted({line for line in lines if line.split()[2:] and line.split()[2] in suites})
    if not found:
        raise NoEngine("apt knows no sources of Debian 12 (bookworm) to make stand-in bases of")
    return "\n".join(found) + "\n"


def _make_servers(engine: Engine) -> None:
    text = (
        f"FROM {PYTHON_IMAGE}\n"
        "RUN apt-get update -q && apt-get install -y -q --no-install-recommends"
        " nginx-light redis-server\n"
    )
    with tempfile.TemporaryDirectory() as empty:
        (Path(empty) / "Dockerfile").write_text(text)
        tags = ("-t", _full(NGINX_IMAGE), "-t", _full(REDIS_IMAGE))
        engine.run("build", "-q", *engine.build_options, *tags, empty, timeout_s=300)
