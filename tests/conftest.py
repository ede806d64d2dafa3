"""Fixtures of the unit tests. System tests have their own: they never import the app."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_fixture import AppFixture, make_app
from cli_fixtures import Shell, make_data_dir
from hypothesis import HealthCheck, settings
from postgres_server import PostgresServer, running_postgres

from gateway.control import migrate
from gateway.control.tables import metadata

# Settings of the shell that runs the tests must not decide what they see.
for _name in [name for name in os.environ if name.startswith("GATEWAY_")]:
    del os.environ[_name]
for _name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(_name, None)

# A test run that was started in the background ignores Ctrl-C, and what it starts would too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, however slow the machine: a change fails for what it did, and not
# for what chance found elsewhere. `--hypothesis-profile search` looks further, at random.
# How examples are made up is not what is tested: whether too many were too large or thrown away
# is found anew with each constant of the code, which Hypothesis tries as well.
_HOW = [
    *(HealthCheck.too_slow, HealthCheck.data_too_large),
    *(HealthCheck.filter_too_much, HealthCheck.large_base_example),
]
settings.register_profile(
    "same", derandomize=True, database=None, deadline=None, suppress_health_check=_HOW
)
settings.register_profile("search", max_examples=1000, deadline=None, suppress_health_check=_HOW)
settings.load_profile("same")


@pytest.fixture
def gateway(tmp_path: Path) -> AppFixture:
    """The prediction app with the model `wine` and the partner `acme` (plan standard)."""
    return make_app(tmp_path)


@pytest.fixture(scope="session")
def shared_gateway(tmp_path_factory: pytest.TempPathFactory) -> AppFixture:
    """The same for tests that change nothing, and without limits that they could use up."""
    limits = {"failed_authentications_per_address": "1000000/minute"}
    gateway = make_app(tmp_path_factory.mktemp("gateway"), limits=limits)
    gateway.control.set_partner("acme", plan="unlimited")
    return gateway


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A data directory as `make run` makes it, and its commands. Not to be changed: copy it."""
    return Shell(make_data_dir(tmp_path_factory.mktemp("prepared")))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL, with a control store in its database `control`."""
    with running_postgres() as server:
        server.run("CREATE DATABASE control")
        migrate.upgrade(server.url("control"))
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """An empty control store in PostgreSQL: as after its migrations."""
    tables = ", ".join(set(metadata.tables) - {"control_state"})
    postgres.run(f"TRUNCATE {tables} RESTART IDENTITY", "control")
    postgres.run("UPDATE control_state SET revision = 1", "control")
    return postgres.url("control")
