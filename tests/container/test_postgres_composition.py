"""The profile `postgres`: the control store in a real PostgreSQL, beside the rest."""

import ssl
import subprocess
from functools import partial
from pathlib import Path

import pytest
from composition import LOOK_EVERY_S, Composition
from mounted_certificate import mount_certificate
from stack_process import EXAMPLE_BODY, PREDICT, bearer


@pytest.fixture(scope="module")
def token(with_postgres: Composition) -> str:
    # Every worker has reported by then, and follows what is decided.
    with_postgres.wait_until(
        lambda: with_postgres.cli_json("status", check=False)["healthy"], 60, "well"
    )
    token = with_postgres.token(with_postgres.create_partner("acme"))
    with_postgres.wait_until(lambda: predict(with_postgres, token) == 200, 30, "predicting")
    return token


def predict(composition: Composition, token: str) -> int:
    with composition.client() as client:
        return client.post(PREDICT, content=EXAMPLE_BODY, headers=bearer(token)).status_code


def log_in(composition: Composition, user: str, password: str) -> str:
    """From where the predictions run, by the network; what PostgreSQL's client has to say."""
    code = (
        "import psycopg, pathlib, sys\n"
        "user, password = sys.argv[1:]\n"
        "try: psycopg.connect(host='postgres', dbname='gateway', user=user,\n"
        "    password=password or pathlib.Path('/var/lib/gateway/access/predictions/postgres')"
        ".read_text(), connect_timeout=5)\n"
        "except psycopg.Error as exc: print(exc)\n"
    )
    return _python(composition, "gateway", code, user, password).stdout


def _python(
    composition: Composition, service: str, code: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    command = ("exec", composition.container(service), "python", "-c", code, *arguments)
    return composition.engine.run(*command)


def test_decisions_are_in_postgres(with_postgres: Composition, token: str) -> None:
    """A partner's whole way works, and no file holds what was decided."""
    files = "import pathlib; print([*pathlib.Path('/var/lib/gateway/control').iterdir()])"

    assert predict(with_postgres, token) == 200
    assert _python(with_postgres, "token-service", files).stdout.strip() == "[]"
    assert with_postgres.cli_json("status")["healthy"]
    # Both programs' workers have said so in a database of their own.
    roles = {worker["role"] for worker in with_postgres.cli_json("status")["workers"]}
    assert roles == {"predictions", "tokens"}


def test_whoever_comes_by_the_network_needs_the_password(with_postgres: Composition) -> None:
    """Being in the same network is not enough; what `access` made is."""
    assert log_in(with_postgres, "predictions", "") == ""
    for user in ("predictions", "tokens", "gateway"):
        assert "password authentication failed" in log_in(with_postgres, user, "guessed")


def test_predictions_go_on_without_the_database(with_postgres: Composition, token: str) -> None:
    """It is killed: calls are answered meanwhile, and it comes back with all that was decided."""
    engine, name = with_postgres.engine, with_postgres.container("postgres")
    engine.run("stop", "-t", "0", name)
    try:
        without = predict(with_postgres, token)
    finally:
        engine.run("start", name)
    healthy = partial(with_postgres.is_healthy, "postgres")
    with_postgres.wait_until(healthy, 60, "healthy again", LOOK_EVERY_S)
    # Here tokens are refused when a worker has not seen the store for four seconds.
    with_postgres.wait_until(lambda: predict(with_postgres, token) == 200, 30, "predicting")
    names = [found["partner"] for found in with_postgres.cli_json("partner", "list")]

    assert without == 200
    assert names == ["acme"]
    assert with_postgres.engine.inspect(name)["HostConfig"]["ReadonlyRootfs"]


def shown(composition: Composition) -> str:
    """The certificate that a caller meets, in PEM form."""
    return ssl.get_server_certificate(("localhost", composition.port))


def test_own_certificate_is_shown_and_renewed(with_postgres: Composition, token: str) -> None:
    """By its mount; after a renewal by the one command that docs/container.md names."""
    folder = with_postgres.certificate
    if folder is None:
        pytest.skip("NOT TESTED: a certificate for nginx's group can be written by root only")
    first, expected = shown(with_postgres), pem(folder)
    mount_certificate(folder)
    with_postgres.compose("kill", "-s", "HUP", "nginx")
    with_postgres.wait_until(lambda: shown(with_postgres) != first, 10, "renewed")
    with_postgres.fetch_authority()

    assert first == expected
    assert "self-signed" not in with_postgres.logs("edge-files")
    assert shown(with_postgres) == pem(folder)
    assert predict(with_postgres, token) == 200


def pem(folder: Path) -> str:
    return (folder / "server.pem").read_text()
