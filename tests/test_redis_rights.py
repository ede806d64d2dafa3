"""Redis's user may do what the code does, and the code does all that the user may."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from edge_server import installed
from redis_server import running_redis

from config.plans import Plan
from config.sections import LimitSettings
from config.settings import Settings
from gateway.auth.token_limits import TokenLimits
from gateway.cli.stack.redis_files import network_configuration
from gateway.errors import RateLimited
from gateway.limits import RedisLimits
from gateway.redis_rights import COMMANDS, access_rule
from gateway.wsgi.parts import make_flask_limiter, make_partner_limiter

PLAN = Plan("p", 1000, 2, requests_per_second=10, requests_per_minute=100, rows_per_hour=10_000)
PASSWORD = "a-password-of-the-test"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of a Redis that knows `gateway`, with the rights of the composition's."""
    with running_redis(tmp_path_factory.mktemp("redis")) as socket:
        with redis.Redis(unix_socket_path=str(socket)) as admin:
            rule = f"on >{PASSWORD} {access_rule()}".split()
            admin.execute_command("ACL", "SETUSER", "gateway", *rule)  # type: ignore[no-untyped-call]
        yield socket


@pytest.fixture
def settings(server: Path, tmp_path: Path) -> LimitSettings:
    password = tmp_path / "password"
    password.write_text(f"{PASSWORD}\n")
    password.chmod(0o640)
    storage = f"redis+unix://gateway@{server}"
    few = {"tokens_per_address": "1/minute", "failed_secrets_per_client_and_address": "1/minute"}
    return LimitSettings(storage=storage, password_file=str(password), timeout_s=1, **few)


def test_the_code_needs_each_right_and_no_other(server: Path, settings: LimitSettings) -> None:
    """Every way through the limits: nothing is refused, and no right is left unused."""
    with redis.Redis(unix_socket_path=str(server)) as admin:
        admin.config_resetstat()
        limiter = make_flask_limiter(settings)
        partners = make_partner_limiter(limiter, settings)
        admitted = partners.charge("acme", PLAN, 5)
        partners.charge_failed_call("acme", PLAN)
        partners.peek("acme", PLAN)
        RedisLimits(limiter.storage.storage).ping()  # How a worker sees that it is back.
        partners.release(admitted)
        tokens = TokenLimits(limiter, settings, endpoint="token", required=True)
        tokens.count_request("10.0.0.1")
        with pytest.raises(RateLimited):
            tokens.count_request("10.0.0.1")
        tokens.count_issuance()
        tokens.count_wrong_secret("id", "10.0.0.1")
        with pytest.raises(RateLimited):
            tokens.refuse_guessing("id", "10.0.0.1")
        denied = admin.acl_log()
        statistics = admin.info("commandstats")

    used = {name.removeprefix("cmdstat_") for name in statistics}
    # The test's own, and what a connection may always do.
    used -= {"config|resetstat", "info", "acl|log", "auth", "select", "hello", "client|setinfo"}
    assert denied == []
    assert used == set(COMMANDS)


def test_password_is_needed(server: Path) -> None:
    """Without it, and with another, nothing is counted."""
    for password in ("", "wrong"):
        limits = LimitSettings(storage=f"redis+unix://gateway:{password}@{server}", timeout_s=1)
        storage = make_flask_limiter(limits).storage

        assert not storage.check()


def test_configuration_for_a_network_is_taken(tmp_path: Path) -> None:
    """By a real Redis: nobody without a password, and no digest of it but SHA-256."""
    path = tmp_path / "redis.conf"
    path.write_text(network_configuration("gateway", b"secret"))
    text = path.read_text().replace("port 6379", f"port 0\nunixsocket {tmp_path}/s")
    path.write_text(text)
    process = subprocess.Popen([installed("redis-server"), str(path)], stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(
            unix_socket_path=f"{tmp_path}/s", username="gateway", password="secret"
        ) as known:
            while not _answers(known):
                assert process.poll() is None
            with pytest.raises(redis.exceptions.NoPermissionError):
                known.flushall()
        with (
            redis.Redis(unix_socket_path=f"{tmp_path}/s") as unknown,
            pytest.raises(redis.exceptions.AuthenticationError),
        ):
            unknown.ping()
    finally:
        process.terminate()
        process.wait()

    assert "secret" not in text


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.exceptions.ConnectionError:
        return False


def test_password_that_others_can_read_stops_the_start(tmp_path: Path) -> None:
    """The configuration is refused, with the file's name."""
    password = tmp_path / "password"
    password.write_text("x")
    password.chmod(0o644)
    with pytest.raises(Exception, match="password is open to others") as refused:
        Settings(limits=LimitSettings(storage="redis://h", password_file=str(password)))

    assert type(refused.value).__name__ == "InvalidSettings"
