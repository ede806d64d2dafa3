"""A container engine as the tests use it: to build, to run, to look."""

import json
import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
IMAGE = "model-gateway:image-test"
PYTHON_IMAGE, NGINX_IMAGE, REDIS_IMAGE = "python:3.11-slim", "nginx:1.28", "redis:7.4"
POSTGRES_IMAGE = "postgres:17"


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

    def health_check(self, image: str) -> list[str]:
        """The command that an image names; nothing of a shell's."""
        facts = self.inspect(image, "image")
        # Docker has the check in one place, podman in another.
        found = facts.get("Healthcheck") or facts["Config"]["Healthcheck"]
        how, *command = found["Test"]
        assert how == "CMD"
        return command

    def build(self, tag: str, variant: str = "runtime") -> None:
        """`make image`, as operations type it: the real Dockerfile, by the composition."""
        compose = [*self.compose]
        if self.build_options:
            compose += ["--podman-build-args", shlex.join(self.build_options)]
        settings = {
            "GATEWAY_VERSION": tag.partition(":")[2],
            "GATEWAY_VARIANT": variant,
            "COMPOSE": shlex.join(compose),
            # The outer make's own options are not for this one.
            "MAKEFLAGS": "",
        }
        self._run(("make", "image"), True, 580, settings)

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
