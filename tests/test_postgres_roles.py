"""PostgreSQL as the control store of separated parts: who may read and write what."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from click.testing import CliRunner
from postgres_server import PostgresServer
from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import DBAPIError, ProgrammingError

from config.plans import SHIPPED_PLANS
from config.sections import ControlSettings
from config.settings import InvalidSettings, Settings
from gateway.cli import main
from gateway.control import migrate, schema
from gateway.control.database import reading_engine, writing_engine
from gateway.control.snapshot import SnapshotReader
from gateway.control.status_database import create_status_database
from gateway.control.store import ControlStore
from gateway.control.tables import metadata, partners
from gateway.control.worker_status import WorkerReport, live_workers


@pytest.fixture(scope="module")
def server(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> PostgresServer:
    """With the roles that `gateway access` writes, and a control store made by `tokens`."""
    folder = tmp_path_factory.mktemp("access")
    made = CliRunner().invoke(main, ["access", str(folder)])
    assert made.exit_code == 0, made.output
    postgres.run("CREATE DATABASE gateway")
    postgres.run_script(folder / "postgres" / "roles.sql")
    migrate.upgrade(postgres.url("gateway", "tokens"))
    create_status_database(postgres.url("gateway_status", "tokens"))
    return postgres


@pytest.fixture
def engines(server: PostgresServer) -> Iterator[dict[str, Engine]]:
    """How each part sees each database."""
    made = {
        "tokens": writing_engine(server.url("gateway", "tokens")),
        "predictions": writing_engine(server.url("gateway", "predictions")),
        "predictions, reading": reading_engine(server.url("gateway", "predictions")),
        "tokens, status": writing_engine(server.url("gateway_status", "tokens")),
        "predictions, status": writing_engine(server.url("gateway_status", "predictions")),
    }
    yield made
    for engine in made.values():
        engine.dispose()


def test_predictions_read_what_tokens_write(engines: dict[str, Engine]) -> None:
    """A snapshot has what was decided."""
    store = ControlStore(engines["tokens"], actor="anna", clock=lambda: 1.0)
    revision = store.create_partner("acme", "acme-id", "trial", ("model:*:predict",), "d" * 64)
    snapshot = SnapshotReader(engines["predictions, reading"], SHIPPED_PLANS).read()

    assert snapshot.revision == revision
    assert snapshot.clients["acme-id"].partner == "acme"


def test_predictions_cannot_decide(engines: dict[str, Engine]) -> None:
    """Not with the engine they have, and not with one they could make."""
    row = {"name": "evil", "client_id": "e", "plan": "trial", "scopes": [], "enabled": True}
    for name, reason in (
        ("predictions", "permission denied"),
        ("predictions, reading", "read-only"),
    ):
        with pytest.raises(DBAPIError, match=reason), engines[name].begin() as connection:
            connection.execute(insert(partners).values(**row, created_at=1.0))
    with pytest.raises(ProgrammingError), engines["predictions"].begin() as connection:
        connection.exec_driver_sql("CREATE TABLE mine (x int)")


def test_predictions_report_how_they_are(engines: dict[str, Engine]) -> None:
    """In a database of its own; the token service reads it, and both may tidy up."""
    report = WorkerReport(engines["predictions, status"], "predictions", clock=lambda: 5.0)
    report.write(3, {}, limits_fallback=False)
    seen = live_workers(engines["tokens, status"], 6.0)
    report.remove()

    assert [(worker.role, worker.revision) for worker in seen] == [("predictions", 3)]
    assert live_workers(engines["tokens, status"], 6.0) == []


def test_snapshot_is_of_one_moment(server: PostgresServer, engines: dict[str, Engine]) -> None:
    """What is committed while it is read is not in a part of it."""
    store = ControlStore(engines["tokens"], actor="anna", clock=lambda: 1.0)
    with engines["predictions, reading"].connect() as connection:
        before = len(connection.execute(select(partners)).all())
        store.create_partner("between", "between-id", "trial", (), "d" * 64)
        after = len(connection.execute(select(partners)).all())

    assert before == after


def test_migrations_make_exactly_the_tables_of_the_code(postgres: PostgresServer) -> None:
    """In PostgreSQL as in SQLite: names, types, keys, defaults; a second upgrade changes none."""
    url = postgres.url(postgres.database())
    assert schema.current(url) is None
    migrate.upgrade(url)
    migrate.upgrade(url)
    engine = writing_engine(url)
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, metadata)
    engine.dispose()

    assert differences == []
    assert schema.current(url) == schema.HEAD


def test_password_comes_from_a_file(tmp_path: Path) -> None:
    """Whatever is in it; in both URLs, and never in the settings."""
    file = tmp_path / "password"
    file.write_text("p@ss/w:rd\n")
    file.chmod(0o640)
    settings = Settings(
        control=ControlSettings(
            database_url="postgresql+psycopg://tokens@db/gateway",
            status_url="postgresql+psycopg://tokens@db/gateway_status",
            password_file=str(file),
        )
    )

    assert settings.database_url == "postgresql+psycopg://tokens:p%40ss%2Fw%3Ard@db/gateway"
    assert settings.status_url.endswith(":p%40ss%2Fw%3Ard@db/gateway_status")
    assert "p@ss" not in repr(settings)


@pytest.mark.parametrize(
    ("url", "mode", "said"),
    [
        ("postgresql+psycopg://db/gateway", 0o640, "must name the user"),
        ("postgresql+psycopg://tokens@db/gateway", 0o644, "is open to others"),
    ],
)
def test_unusable_password_is_a_problem(tmp_path: Path, url: str, mode: int, said: str) -> None:
    """Said at the start, with the file's name."""
    file = tmp_path / "password"
    file.write_text("secret")
    file.chmod(mode)
    with pytest.raises(InvalidSettings, match=said):
        Settings(control=ControlSettings(database_url=url, password_file=str(file)))
