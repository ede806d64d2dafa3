"""The composition as operations have it: hardened, separated, and back after whatever ends."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from composition import LOOK_EVERY_S, SERVICES, Composition, as_environment
from engine import ROOT
from stack_process import EXAMPLE_BODY, PREDICT, bearer

ONES_OF_OURS = ("gateway", "token-service")


@pytest.fixture(scope="session")
def credentials(composition: Composition) -> dict[str, str]:
    return composition.create_partner("lasting")


class BlackBox(NamedTuple):
    """A run of other tests."""

    process: subprocess.Popen[bytes]
    report: Path


def predict(composition: Composition, token: str) -> int:
    with composition.client() as client:
        return client.post(PREDICT, content=EXAMPLE_BODY, headers=bearer(token)).status_code


def status_of(composition: Composition, service: str) -> dict[str, str]:
    """What the kernel says of a container's first process."""
    text = Path(f"/proc/{composition.pid(service)}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def test_first_start_says_what_to_do_next(composition: Composition) -> None:
    """Three lines, the first of them to be pasted; and no partner has been made."""
    partners = composition.cli_json("partner", "list")
    said = composition.logs("prepare").splitlines()[:3]

    assert said[0].startswith(
        "Next: docker compose exec token-service gateway partner create acme --plan trial"
    )
    assert [line.split(":")[0] for line in said] == ["Next", "Then", "Then"]
    assert "self-signed" in composition.logs("edge-files")
    assert partners == []


@pytest.fixture(scope="session")
def black_box(
    composition: Composition, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BlackBox]:
    """The tests of `tests/system`, which call while this file looks at the same composition."""
    report = tmp_path_factory.mktemp("black-box") / "report.txt"
    # Plugins that none of them uses take seconds to load.
    spared = ("-p", "no:schemathesis", "-p", "no:hypothesispytest", "-p", "no:xdist")
    with report.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *spared, "tests/system"],
            cwd=ROOT,
            env=dict(as_environment(composition)),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            yield BlackBox(process, report)
        finally:
            process.kill()
            process.wait()


@pytest.mark.usefixtures("black_box")
def test_journey_of_the_readme(composition: Composition) -> None:
    """Its commands word for word, but for the port, and the answer that it shows."""
    section = (ROOT / "README.md").read_text().split("## In containers")[1].split("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)
    [shown] = re.findall(r"```json\n(.*?)```", section, flags=re.DOTALL)
    # The first two commands are what has been done.
    assert blocks.pop(0) == "make image\ndocker compose up -d\n"
    script = "".join(blocks).replace("localhost:8443", f"localhost:{composition.port}")
    folder = composition.data_dir / "journey"
    folder.mkdir(parents=True)
    (folder / "examples").symlink_to(ROOT / "examples")
    done = subprocess.run(
        ["bash", "-ec", composition.docker_compose_in_a_shell() + script],
        cwd=folder,
        env={**os.environ, **composition.engine.environment, **composition.settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    answer, expected = json.loads(done.stdout.splitlines()[-1]), json.loads(shown)
    assert answer.pop("probabilities")[0] == pytest.approx(expected.pop("probabilities")[0])
    assert answer == expected


@pytest.mark.parametrize("service", SERVICES)
def test_processes_have_no_rights(composition: Composition, service: str) -> None:
    """Another user than root, no capability, none to gain, a filter on system calls."""
    status = status_of(composition, service)
    facts = composition.engine.inspect(composition.container(service))

    assert "0" not in status["Uid"].split()
    assert {status[name].strip() for name in ("CapEff", "CapPrm", "CapBnd", "CapInh")} == {"0" * 16}
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"
    assert facts["HostConfig"]["ReadonlyRootfs"]
    assert facts["HostConfig"]["Memory"] > 0
    assert facts["HostConfig"]["NanoCpus"] > 0
    assert 0 < facts["HostConfig"]["PidsLimit"] <= 256
    assert '"20m' in json.dumps(facts["HostConfig"]["LogConfig"]).lower()
    assert not facts["HostConfig"]["Privileged"]


def test_only_nginx_is_published(composition: Composition) -> None:
    """On the address of this machine that was asked for, and nowhere else."""
    published = {service: _bindings(composition, service) for service in SERVICES}
    nginx = published.pop("nginx")

    assert [binding["HostIp"] for binding in nginx] == ["127.0.0.1"]
    assert not any(published.values())


def _bindings(composition: Composition, service: str) -> list[dict[str, str]]:
    facts = composition.engine.inspect(composition.container(service))
    bindings = facts["HostConfig"]["PortBindings"] or {}
    return [binding for found in bindings.values() for binding in found or []]


def _in(composition: Composition, service: str, code: str) -> subprocess.CompletedProcess[str]:
    command = ("exec", composition.container(service), "python", "-c", code)
    return composition.engine.run(*command, check=False)


_CAN_READ = """
import sys, pathlib
for name in sys.argv[1:] or ["keys", "access", "control", "models"]:
    folder = pathlib.Path("/var/lib/gateway") / name
    for path in folder.rglob("*"):
        try:
            path.is_file() and path.read_bytes() and print(name, path.name)
        except OSError:
            pass
"""
_CAN_WRITE = """
import pathlib
for name in ["control", "keys", "models", "access", "status"]:
    try:
        (pathlib.Path("/var/lib/gateway") / name / "probe").write_text("x")
        (pathlib.Path("/var/lib/gateway") / name / "probe").unlink()
        print(name)
    except OSError:
        pass
for folder in ["/", "/app", "/opt/gateway", "/etc", "/run/gateway"]:
    try:
        (pathlib.Path(folder) / "probe").write_text("x")
        print(folder)
    except OSError:
        pass
"""


def test_predictions_have_public_keys_only(composition: Composition) -> None:
    """Whoever takes a prediction worker over finds no key, and can change no decision."""
    readable = {
        line.split()[0] for line in _in(composition, "gateway", _CAN_READ).stdout.splitlines()
    }
    writable = _in(composition, "gateway", _CAN_WRITE).stdout.split()

    assert readable == {"access", "control", "models"}
    assert writable == ["status"]


def test_the_token_service_has_no_models(composition: Composition) -> None:
    """It holds the keys, and opens nothing that could take them."""
    readable = {
        line.split()[0] for line in _in(composition, "token-service", _CAN_READ).stdout.splitlines()
    }

    assert readable == {"access", "control", "keys"}


_CONNECT = """
import socket
for host, port in [("redis", 6379), ("1.1.1.1", 443), ("nginx", 8443)]:
    try:
        socket.create_connection((host, port), timeout=2).close()
        print(host)
    except OSError:
        pass
"""


def test_predictions_reach_redis_and_nothing_else(composition: Composition) -> None:
    """A model that was taken over cannot send what it sees to anybody: there is no route out."""
    routes = Path(f"/proc/{composition.pid('gateway')}/net/route").read_text().splitlines()[1:]
    default = [route for route in routes if route.split()[1] == "00000000"]
    reached = _in(composition, "gateway", _CONNECT.replace('("1.1.1.1", 443), ', "")).stdout.split()

    assert default == []
    assert reached == ["redis"]


def test_redis_wants_its_password(composition: Composition) -> None:
    """Being in the same network is not enough."""
    code = (
        "import redis; from redis.retry import Retry; from redis.backoff import NoBackoff\n"
        "client = redis.Redis('redis', retry=Retry(NoBackoff(), 0))\n"
        "for call in (client.ping, client.flushall):\n"
        "    try: print('done', call())\n"
        "    except redis.RedisError as exc: print(type(exc).__name__)\n"
    )
    said = _in(composition, "gateway", code).stdout.split()

    assert set(said) == {"AuthenticationError"}


def test_models_come_by_a_container_without_keys(
    composition: Composition, credentials: dict[str, str]
) -> None:
    """It opens the new model; the workers then serve it."""
    engine = composition.engine
    model_admin = ("--profile", "admin", "run", "--rm", "model-admin", "model")
    engine.run("cp", f"{composition.container('gateway')}:/app/example", composition.new_models)
    added = composition.compose(
        *model_admin, "add", "/new-models/example", "--name", "second", "--promote"
    )
    token = composition.token(credentials)
    with composition.client() as client:
        path = "/v1/models/second/predict"
        answer = client.post(path, content=EXAMPLE_BODY, headers=bearer(token))
    composition.cli("model", "retire", "second", "--all")

    assert answer.status_code == 200, added.stdout + added.stderr
    assert answer.json()["model"] == "second"


def test_black_box_tests_pass(black_box: BlackBox) -> None:
    """The same tests that `make stack` passes, over TLS, against the containers."""
    code = black_box.process.wait(timeout=300)
    report = black_box.report.read_text()
    passed = re.search(r"(\d+) passed", report)
    sys.stderr.write(f"\nblack-box tests against the composition: {report.splitlines()[-1]}\n")

    assert code == 0, report[-8000:]
    assert passed is not None
    assert int(passed[1]) > 60


def test_killed_containers_come_back(composition: Composition, credentials: dict[str, str]) -> None:
    """kill -9 of each one's first process: the engine starts it again, and all serves as before."""
    token = composition.token(credentials)
    for service in SERVICES:
        pid = composition.pid(service)
        os.kill(pid, signal.SIGKILL)
        composition.wait_until(
            lambda service=service, pid=pid: (
                composition.pid(service) not in {0, pid} and composition.is_healthy(service)
            ),
            60,
            f"back: {service}",
            LOOK_EVERY_S,
        )
    composition.wait_until(lambda: predict(composition, token) == 200, 30, "predicting")

    assert composition.token(credentials)
    composition.wait_until(
        lambda: composition.cli_json("status", check=False)["healthy"], 30, "well"
    )


def test_predictions_go_on_without_the_token_service(
    composition: Composition, credentials: dict[str, str]
) -> None:
    """Stopped, not killed: also past the age at which tokens are refused without the store."""
    token = composition.token(credentials)
    composition.engine.run("stop", "-t", "20", composition.container("token-service"))
    try:
        deadline = time.monotonic() + 6
        answers = Counter()
        while time.monotonic() < deadline:
            answers[_answer(composition, token)] += 1
            time.sleep(0.5)  # A pause between calls, for as long as the claim is about.
    finally:
        composition.engine.run("start", composition.container("token-service"))
    healthy = partial(composition.is_healthy, "token-service")
    composition.wait_until(healthy, 60, "healthy again", LOOK_EVERY_S)

    # On a busy machine a call may have waited too long; that is another matter.
    assert set(answers) <= {"200", "overloaded"}
    assert answers["200"] > answers["overloaded"]


def _answer(composition: Composition, token: str) -> str:
    with composition.client() as client:
        answer = client.post(PREDICT, content=EXAMPLE_BODY, headers=bearer(token))
    return "200" if answer.status_code == 200 else str(answer.json()["code"])


def test_everything_decided_survives_new_containers(
    composition: Composition, credentials: dict[str, str]
) -> None:
    """`docker compose down` and `up`: partners, keys, tokens and models are those of before."""
    token = composition.token(credentials)
    revoked = composition.token(credentials)
    composition.cli("token", "revoke", "--token", revoked)
    with composition.client() as client:
        keys = client.get("/.well-known/jwks.json").json()
    models = _models(composition)
    authority = (composition.data_dir / "tls/ca.pem").read_bytes()
    composition.compose("stop", "-t", "20")
    codes = {
        service: composition.engine.inspect(composition.container(service))["State"]["ExitCode"]
        for service in SERVICES
    }
    composition.down(volumes=False)
    composition.up()
    with composition.client() as client:
        kept = client.get("/.well-known/jwks.json").json()

    assert codes == dict.fromkeys(SERVICES, 0)
    assert kept == keys
    assert _models(composition) == models
    assert (composition.data_dir / "tls/ca.pem").read_bytes() == authority
    assert predict(composition, token) == 200
    assert predict(composition, revoked) == 401
    # On a busy machine Redis may not have answered the new containers in time yet.
    composition.wait_until(lambda: composition.gives_tokens(credentials), 30, "giving tokens")


def _models(composition: Composition) -> list[tuple[str, str, str]]:
    """What is known and in service, by its digest; not which worker serves it."""
    keys = ("model", "version", "manifest_digest", "active")
    return [tuple(m[key] for key in keys) for m in composition.cli_json("model", "list")]


def test_every_line_of_the_log_is_json(composition: Composition) -> None:
    """From nginx and both applications; with no token, secret or private key in it."""
    lines = [
        line
        for service in ("nginx", *ONES_OF_OURS)
        for line in composition.logs(service).splitlines()
        if line.strip()
    ]
    text = "\n".join(lines)

    assert lines
    assert all(isinstance(json.loads(line), dict) for line in lines)
    assert not re.search(r"eyJ[\w-]+\.eyJ|PRIVATE KEY|client_secret=", text)


@pytest.fixture(scope="session", autouse=True)
def _tools() -> None:
    if shutil.which("curl") is None:
        pytest.fail("the README's journey needs curl")
