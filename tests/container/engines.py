"""The engine there is: Docker, else podman with stand-ins for what cannot be pulled."""

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import stand_ins
from engine import Engine, NoEngine

PACKAGES = (
    *("podman", "buildah", "runc", "mmdebstrap"),
    *("netavark", "aardvark-dns", "iptables"),
)
# Bases and layers are kept this long: a new one has Debian's newer fixes.
KEEP_S = 7 * 24 * 3600
_HOSTS_FILES = ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")


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
    stand_ins.make(engine, folder)
    return engine
