"""A data folder with models in service, ready for the stack to start on: made once, and copied."""

import compileall
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bench.kept import ROOT, kept
from bench.processes import ONE_THREAD
from gateway.cli.administration import service_settings
from gateway.cli.prepare import prepare

_GATEWAY = [sys.executable, "-m", "gateway.cli"]
# Under a plan without rates a reader could say that nothing was counted.
PLAN = "bench"
ENVIRONMENT = {"GATEWAY_PLANS": str(ROOT / "bench" / "plans.toml"), **ONE_THREAD}
# Whatever could change how a model is proved, compiled or kept makes all of it anew.
_SOURCES = ("gateway/cli", "gateway/control", "model", "config")

_LARGE_BYTES = 1_000_000


def install(data_dir: Path, models: Mapping[str, Path], plan: str) -> None:
    """Put a copy where the stack is to start; its code compiled, as an installed package is."""
    for package in ("gateway", "model", "config"):
        compileall.compile_dir(ROOT / package, quiet=1)
    shutil.copytree(prove(models, plan), data_dir)


def prove(models: Mapping[str, Path], plan: str) -> Path:
    """The folder with these models, added and proved as an operator's are, for copies only."""
    name = "installation-" + "-".join([*sorted(models), plan])
    sources = [path for part in _SOURCES for path in (ROOT / part).rglob("*.py")]
    made_of = [*models.values(), *sources, ROOT / "requirements/runtime.txt"]
    return kept(name, made_of, partial(_make, models=models, plan=plan))


def _make(data_dir: Path, models: Mapping[str, Path], plan: str) -> None:
    prepare(service_settings(data_dir), demo=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda name: _add(data_dir, name, models[name]), models))
    administer(data_dir, "partner", "set", "demo", "--plan", plan)


def _add(data_dir: Path, name: str, path: Path) -> None:
    # The large ones are here to be slow or large: they stay in their own library.
    engine = "native" if path.stat().st_size > _LARGE_BYTES else "auto"
    administer(data_dir, "model", "add", str(path), "--name", name, "--engine", engine, "--promote")


def administer(data_dir: Path, *arguments: str) -> str:
    """A command of the gateway; what it prints."""
    command = [*_GATEWAY, "--data-dir", str(data_dir), *arguments]
    environment = {**os.environ, **ENVIRONMENT}
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        raise RuntimeError(f"gateway {' '.join(arguments)}: {done.stderr}")
    return done.stdout
