"""The composition as the black-box tests see it: by its door, its commands and its logs."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml
from engine import IMAGE, NGINX_IMAGE, POSTGRES_IMAGE, REDIS_IMAGE, ROOT, Engine
from free_ports import free_port
from stack_process import Stack

PROJECT = "gateway-image-test"
SERVICES = ("redis", "token-service", "gateway", "nginx")
READY_WITHIN_S = 120.0
# Each look starts a process in the container, which takes from what is waited for.
LOOK_EVERY_S = 0.25
_OVERRIDES = Path(__file__).with_name("docker-compose.test.yml")


class Composition(Stack):
    """`docker compose up` of this very docker-compose.yml, under a project name of its own.

    Args:
        folder: for files of the tests: the authority, plans, logs.
        profile: of COMPOSE_PROFILES; `postgres`, or none.
        certificate: the folder of GATEWAY_TLS; without it nginx shows a self-signed one.
    """

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        port: int | None = None,
        profile: str = "",
        certificate: Path | None = None,
    ) -> None:
        super().__init__(folder)
        self.engine = engine
        self._folder = folder
        self._profile = profile
        self.certificate = certificate
        self._project = f"{PROJECT}-{profile}" if profile else PROJECT
        self.services = (*SERVICES, profile) if profile else SERVICES
        self.port = port or self.port
        self.base_url = f"https://localhost:{self.port}"
        self.new_models = str(folder / "new-models")
        Path(self.new_models).mkdir(exist_ok=True)
        self.settings = {
            "GATEWAY_NEW_MODELS": self.new_models,
            "GATEWAY_VERSION": IMAGE.partition(":")[2],
            "GATEWAY_BASE_URL": self.base_url,
            "GATEWAY_PORT": str(self.port),
            "NGINX_IMAGE": NGINX_IMAGE,
            "REDIS_IMAGE": REDIS_IMAGE,
            "POSTGRES_IMAGE": POSTGRES_IMAGE,
            "COMPOSE_PROFILES": profile,
            "GATEWAY_DATABASE": profile,
            **({"GATEWAY_TLS": str(certificate)} if certificate else {}),
            "TEST_PLANS": str(folder / "plans.toml"),
            # podman's name of the driver that keeps lines in files.
            "GATEWAY_LOG_DRIVER": "k8s-file" if engine.has_stand_ins else "json-file",
        }

    @classmethod
    def attached(cls, description: str) -> "Composition":
        """The one that another process started, and described: without a profile."""
        facts = json.loads(description)
        engine = Engine(facts["program"], tuple(facts["compose"]), facts["environment"])
        return cls(engine, Path(facts["folder"]), facts["port"])

    def description(self) -> str:
        return json.dumps(
            {
                "program": self.engine.program,
                "compose": self.engine.compose,
                "environment": dict(self.engine.environment),
                "folder": str(self._folder),
                "port": self.port,
            }
        )

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = (*self._options(), *arguments)
        return self.engine.run_compose(*command, settings=self.settings, check=check)

    def _options(self) -> tuple[str, ...]:
        files = ("-f", str(ROOT / "docker-compose.yml"), "-f", str(_OVERRIDES))
        return ("-p", self._project, *files)

    def docker_compose_in_a_shell(self) -> str:
        """A function by which `docker compose …`, as people type it, speaks to this one."""
        compose = shlex.join([*self.engine.compose, *self._options()])
        # podman-compose has no `cp`.
        source = f"{self.container('${2%%:*}')}:${{2#*:}}"
        copy = f'command {self.engine.program} cp "{source}" "$3"'
        return f'docker() {{ shift; case $1 in cp) {copy};; *) command {compose} "$@";; esac; }}\n'

    def up(self) -> "Composition":
        """Start what does not run, and wait until every health check has passed."""
        if self.engine.has_stand_ins:
            self._up_one_by_one()
        else:
            self.compose("up", "-d", "--no-build")
        self.wait_until(self.healthy, READY_WITHIN_S, "healthy", LOOK_EVERY_S)
        self.fetch_authority()
        return self

    def _up_one_by_one(self) -> None:
        """In the order and on the conditions that the file states, which podman-compose ignores."""
        services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
        after = {
            name: facts.get("depends_on", {})
            for name, facts in services.items()
            if self._profile in facts.get("profiles", [self._profile])
        }
        wanted = list(TopologicalSorter(after).static_order())
        # All are made by one call of podman-compose, which takes a second or two for each.
        self.compose("up", "--no-start", "--no-build", "--no-deps", *wanted)
        for service in wanted:
            for earlier, how in after[service].items():
                holds = partial(self._holds, earlier, how["condition"])
                self.wait_until(holds, READY_WITHIN_S, earlier, LOOK_EVERY_S)
            self.engine.run("start", self.container(service))

    def _holds(self, service: str, condition: str) -> bool:
        if condition == "service_healthy":
            return self.is_healthy(service)
        state = self.engine.inspect(self.container(service))["State"]
        assert state["Running"] or state["ExitCode"] == 0, self.logs(service)
        return not state["Running"]

    def down(self, *, volumes: bool) -> None:
        self.compose("down", "-t", "20", *(["-v"] if volumes else []))

    def left_over(self) -> list[str]:
        """Containers, volumes and networks of this project."""
        mine = ("--filter", f"label=com.docker.compose.project={self._project}")
        lists = (("ps", "-aq"), ("volume", "ls", "-q"), ("network", "ls", "-q"))
        return [name for look in lists for name in self.engine.run(*look, *mine).stdout.split()]

    def healthy(self) -> bool:
        """Whether each service's own health check passes, asked as the engine asks it."""
        return all(self.is_healthy(service) for service in self.services)

    def is_healthy(self, service: str) -> bool:
        if self.engine.has_stand_ins:
            # Nothing here runs podman's checks by the clock.
            done = self.engine.run("healthcheck", "run", self.container(service), check=False)
            return done.returncode == 0
        state = self.engine.inspect(self.container(service))["State"]
        return str(state.get("Health", {}).get("Status")) == "healthy"

    def container(self, service: str) -> str:
        mark = "_" if self.engine.has_stand_ins else "-"
        return f"{self._project}{mark}{service}{mark}1"

    def pid(self, service: str) -> int:
        """Its first process, as the host numbers it; 0 while it does not run."""
        return int(self.engine.inspect(self.container(service))["State"]["Pid"])

    def fetch_authority(self) -> None:
        target = self.data_dir / "tls"
        target.mkdir(parents=True, exist_ok=True)
        if self.certificate is not None:
            shutil.copyfile(self.certificate / "server.pem", target / "ca.pem")
            return
        source = f"{self.container('nginx')}:/edge/tls/ca.pem"
        self.engine.run("cp", source, str(target / "ca.pem"))

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`docker compose exec token-service gateway …`."""
        if arguments[0] == "logs":
            # The log is where the engine keeps it, not in a container.
            local = [sys.executable, "-m", "gateway.cli", *arguments]
            done = subprocess.run(local, cwd=ROOT, capture_output=True, text=True, check=False)
        else:
            command = ("exec", self.container("token-service"), "gateway", *arguments)
            done = self.engine.run(*command, check=False)
        assert not check or done.returncode == 0, done.stderr + done.stdout
        return done

    def demo_credentials(self) -> dict[str, str]:
        """No demo partner is made here: the tests make their own."""
        path = self.data_dir / "demo-credentials.json"
        if not path.exists():
            made = self.create_partner("demo", "trial")
            path.write_text(json.dumps({**made, "base_url": self.base_url}))
        credentials: dict[str, str] = json.loads(path.read_text())
        return credentials

    def create_partner(self, name: str, plan: str = "unlimited") -> dict[str, str]:
        """Also where it is done and kept, but on a busy machine not yet served in three seconds."""
        scopes = ("--scope", "model:*:predict", "--scope", "model:*:read")
        command = ("partner", "create", name, "--plan", plan, *scopes, "--json")
        done = self.cli(*command, check=False)
        assert done.returncode in {0, 3}, done.stderr + done.stdout
        credentials: dict[str, str] = json.loads(done.stdout)
        self.wait_until(lambda: self.gives_tokens(credentials), 30, "giving tokens")
        return credentials

    def gives_tokens(self, credentials: Mapping[str, str]) -> bool:
        with self.client() as client:
            answer = client.post(
                "/oauth/token",
                data={"grant_type": "client_credentials"},
                auth=(credentials["client_id"], credentials["client_secret"]),
            )
        return answer.status_code == 200

    def logs(self, service: str) -> str:
        done = self.engine.run("logs", self.container(service))
        return done.stdout + done.stderr

    def events(self, event: str | None = None) -> list[dict[str, Any]]:
        events = [json.loads(line) for line in self._lines()]
        return [found for found in events if event is None or found["event"] == event]

    @property
    def log_path(self) -> Path:
        """The log of all parts, up to now, in one file."""
        path = self._folder / f"log-{os.getpid()}-{time.monotonic_ns()}.log"
        path.write_text("\n".join(self._lines()) + "\n")
        return path

    @log_path.setter
    def log_path(self, _path: Path) -> None:
        """The parts' logs are with the engine."""

    def _lines(self) -> list[str]:
        services = ("nginx", "gateway", "token-service")
        lines = [line for name in services for line in self.logs(name).splitlines()]
        return [line for line in lines if line.startswith("{")]

    def stderr(self) -> str:
        return "".join(
            self.logs(name)[-1500:] for name in ("prepare", "edge-files", *self.services)
        )


def new_composition(
    engine: Engine, folder: Path, plans: str, profile: str = "", certificate: Path | None = None
) -> Composition:
    (folder / "plans.toml").write_text(plans)
    return Composition(engine, folder, free_port(held=False), profile, certificate)


def as_environment(composition: Composition) -> Mapping[str, str]:
    """What makes `tests/system` test this composition."""
    return {**os.environ, "COMPOSITION_UNDER_TEST": composition.description()}
