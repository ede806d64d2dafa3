"""What containers need of the first start: `gateway init`, `access` and `edge`."""

import os
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli_fixtures import Shell
from click.testing import CliRunner, Result
from edge_server import installed
from own_certificate import own_certificate

from examples.breast_cancer import train
from gateway.auth.keys import make_signing_key, write_private_key
from gateway.cli import main


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained example, as the image carries it."""
    folder = tmp_path_factory.mktemp("example")
    train.main(folder)
    return folder


@pytest.fixture
def empty(tmp_path: Path) -> Shell:
    """Somebody with an empty volume."""
    return Shell(tmp_path / "var")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_first_start_makes_what_is_needed_and_no_partner(empty: Shell, example: Path) -> None:
    """A key that signs, the pepper, the example in service; and three lines of what to do."""
    started = empty.run("init", "--example", str(example))
    lines = started.stderr.splitlines()

    assert started.exit_code == 0, started.output
    assert lines[0].startswith(
        "Next: docker compose exec token-service gateway partner create acme --plan trial"
    )
    assert len(lines) == 3
    assert [row.state for row in empty.store.signing_keys()] == ["active"]
    assert mode(empty.data_dir / "keys" / "pepper") == 0o600
    assert [(row.name, row.role) for row in empty.store.model_versions()] == [
        ("breast-cancer", "current")
    ]
    assert empty.store.partners() == []


def test_second_start_changes_nothing(empty: Shell, example: Path) -> None:
    """Keys, models and the audit are those of the first; with a partner nothing more is said."""
    empty.done("init", "--example", str(example))
    empty.done("partner", "create", "acme", "--plan", "trial", "--scope", "model:*:predict")
    before = [entry.id for entry in empty.store.audit_entries(100)]
    again = empty.run("init", "--example", str(example))

    assert (again.exit_code, again.output) == (0, "")
    assert [entry.id for entry in empty.store.audit_entries(100)] == before


def test_key_that_others_can_read_is_refused(empty: Shell) -> None:
    """Before anything is made."""
    pepper = empty.data_dir / "keys" / "pepper"
    pepper.parent.mkdir(parents=True)
    pepper.write_bytes(b"p" * 32)
    pepper.chmod(0o644)

    assert "is open to others (mode 0644): chmod 600 it" in empty.refused("init")
    assert not (empty.data_dir / "control").exists()


def test_mounted_key_is_taken_before_a_new_one_is_made(empty: Shell) -> None:
    """Where keys come as a secret, the first is that one, and the next the one added to it."""
    first, second = make_signing_key(), make_signing_key()
    write_private_key(empty.data_dir / "keys", first)
    empty.done("init")
    signs = [row.kid for row in empty.store.signing_keys() if row.state == "active"]
    write_private_key(empty.data_dir / "keys", second)
    empty.done("key", "rotate")
    states = {row.kid: row.state for row in empty.store.signing_keys()}

    assert signs == [first.kid]
    assert states == {first.kid: "retiring", second.kid: "active"}


def test_retired_key_does_not_come_back_with_its_file(empty: Shell) -> None:
    """It may have been retired because it leaked."""
    leaked = make_signing_key()
    write_private_key(empty.data_dir / "keys", leaked)
    empty.done("init")
    empty.done("key", "rotate")
    empty.done("key", "retire", leaked.kid, "--force")
    write_private_key(empty.data_dir / "keys", leaked)
    empty.done("key", "rotate")

    assert leaked.kid not in {row.kid for row in empty.store.signing_keys()}


def test_key_can_be_made_for_a_secret(empty: Shell, tmp_path: Path) -> None:
    """A key and a pepper, for their owner only; a second key leaves the pepper."""
    secret = tmp_path / "secret"
    first = Path(empty.done("key", "make", str(secret)).strip())
    pepper = (secret / "pepper").read_bytes()
    second = Path(empty.done("key", "make", str(secret)).strip())

    assert first != second
    assert {mode(path) for path in secret.iterdir()} == {0o600}
    assert (secret / "pepper").read_bytes() == pepper


# Passwords.


def access(folder: Path) -> dict[str, str]:
    done = CliRunner().invoke(main, ["access", str(folder)])
    assert done.exit_code == 0, done.output
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.*")} | {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_each_part_gets_its_own_passwords(tmp_path: Path) -> None:
    """Those of the token service are not where prediction workers look; Redis has a digest."""
    made = access(tmp_path)

    assert set(made) == {
        *("redis/redis.conf", "postgres/owner", "postgres/roles.sql"),
        *("tokens/redis", "tokens/postgres", "predictions/redis", "predictions/postgres"),
    }
    assert made["tokens/redis"] == made["predictions/redis"]
    assert made["tokens/redis"] not in made["redis/redis.conf"]
    assert len({made["tokens/postgres"], made["predictions/postgres"], made["postgres/owner"]}) == 3
    assert {mode(path) for path in tmp_path.rglob("*") if path.is_file()} == {0o640}


def test_passwords_stay(tmp_path: Path) -> None:
    """A restart must not lock the parts out of their stores."""
    assert access(tmp_path) == access(tmp_path)


# nginx.


LATER = datetime.now(UTC) + timedelta(days=60)
EARLIER = datetime.now(UTC) - timedelta(days=1)


def edge(out: Path, *options: str, url: str = "https://localhost:8443") -> Result:
    out.mkdir(exist_ok=True)
    command = ["edge", "--out", str(out), *options]
    return CliRunner().invoke(main, command, env={"GATEWAY_SERVER__BASE_URL": url})


def test_first_look_has_a_certificate_that_is_called_self_signed(tmp_path: Path) -> None:
    """For localhost only; a second start keeps it."""
    made = edge(tmp_path / "edge")
    certificate = (tmp_path / "edge/tls/server.pem").read_bytes()
    edge(tmp_path / "edge")

    assert made.exit_code == 0, made.output
    assert "self-signed and good for a first look only" in made.stderr
    assert (tmp_path / "edge/tls/server.pem").read_bytes() == certificate
    assert "server_name localhost;" in (tmp_path / "edge/nginx/place/server.conf").read_text()


@pytest.mark.parametrize("only", ["predictions", "tokens"])
def test_nginx_beside_one_application_sends_everything_there(tmp_path: Path, only: str) -> None:
    """As in a pod: the other's socket is not there."""
    made = edge(tmp_path / "edge", "--only", only)
    upstreams = (tmp_path / "edge/nginx/place/upstreams.conf").read_text()

    assert made.exit_code == 0, made.output
    assert upstreams.count(f'server "unix:/run/gateway/{only}/app.sock"') == 2


def test_nginx_has_the_caps_and_the_deadline_of_the_settings(tmp_path: Path) -> None:
    """A larger body or a longer deadline is not cut off before the application."""
    settings = {
        "GATEWAY_SERVER__BASE_URL": "https://localhost:8443",
        "GATEWAY_SERVER__MAX_BODY_BYTES": "33554432",
        "GATEWAY_SERVER__REQUEST_DEADLINE_S": "29.5",
    }
    made = CliRunner().invoke(main, ["edge", "--out", str(tmp_path)], env=settings)
    place = tmp_path / "nginx" / "place"

    assert made.exit_code == 0, made.output
    assert (place / "caps.conf").read_text().splitlines() == [
        "client_max_body_size 33554432;",
        "proxy_send_timeout 32s;",
        "proxy_read_timeout 32s;",
    ]
    assert "worker_shutdown_timeout 35s;" in (place / "process.conf").read_text()


def test_own_certificate_is_served(tmp_path: Path) -> None:
    """Where it is for this name: by name, or by a wildcard."""
    for number, name in enumerate(("scores.example.org", "*.example.org")):
        folder = own_certificate(tmp_path / str(number), name, ends=LATER)
        made = edge(
            tmp_path / "edge",
            "--own-certificate",
            str(folder),
            url="https://scores.example.org",
        )

        assert made.exit_code == 0, made.output
        assert "self-signed" not in made.stderr
        server = (tmp_path / "edge/nginx/place/server.conf").read_text()
        assert f'ssl_certificate "{folder}/server.pem";' in server
        assert "server_name scores.example.org;" in server


@pytest.mark.parametrize(
    ("names", "ends", "other_key", "said"),
    [
        (("other.example.org",), LATER, False, "is not for scores.example.org but for: other"),
        (("scores.example.org",), EARLIER, False, "ended on"),
        (("scores.example.org",), LATER, True, "is not the key of"),
    ],
)
def test_unfit_certificate_stops_the_start(
    tmp_path: Path, names: tuple[str, ...], ends: datetime, other_key: bool, said: str
) -> None:
    """Before a caller sees it."""
    folder = own_certificate(tmp_path / "own", *names, ends=ends, other_key=other_key)
    url = "https://scores.example.org"
    made = edge(tmp_path / "edge", "--own-certificate", str(folder), url=url)

    assert made.exit_code == 1
    assert said in made.stderr
    assert not (tmp_path / "edge/nginx").exists()


def test_own_key_that_others_can_read_stops_the_start(tmp_path: Path) -> None:
    """As with every other key: it names the file, and what to do."""
    folder = own_certificate(tmp_path / "own", "localhost", ends=LATER)
    (folder / "server.key").chmod(0o644)
    made = edge(tmp_path / "edge", "--own-certificate", str(folder))

    assert made.exit_code == 1
    assert "server.key is open to others (mode 0644): chmod 640 it" in made.stderr


def test_there_is_no_certificate_for_another_name(tmp_path: Path) -> None:
    """A self-signed one for partners would teach them to trust anybody."""
    made = edge(tmp_path / "edge", url="https://scores.example.org")

    assert made.exit_code == 1
    assert "mount a folder with server.pem and server.key" in made.stderr


def test_nginx_takes_the_configuration(tmp_path: Path) -> None:
    """All of it, with networks that are exempt from the limits per address."""
    run = tmp_path / "run"
    (run / "nginx/temp").mkdir(parents=True)
    made = edge(tmp_path / "edge", "--run-dir", str(run), "--exempt", "10.0.0.0/8")
    configuration = tmp_path / "edge/nginx/nginx.conf"
    check = [installed("nginx"), "-t", "-q", "-e", "stderr"]
    checked = subprocess.run(
        [*check, "-p", f"{run}/nginx/", "-c", str(configuration)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TZ": "UTC"},
    )

    assert made.exit_code == 0, made.output
    assert checked.returncode == 0, checked.stderr
    assert "10.0.0.0/8 1;" in (configuration.parent / "place/addresses.conf").read_text()
    assert "error_log stderr alert;" in (configuration.parent / "place/process.conf").read_text()


def test_exempt_must_be_a_network(tmp_path: Path) -> None:
    """What is written into nginx's configuration is no text of anybody's choice."""
    assert edge(tmp_path / "edge", "--exempt", "all; }").exit_code == 2
