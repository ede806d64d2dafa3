"""Migrations of the control store."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from gateway.control import migrate, schema
from gateway.control.database import writing_engine
from gateway.control.tables import metadata


def _url(folder: Path) -> str:
    return f"sqlite:///{folder}/control/control.sqlite3"


def test_migrations_make_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    """Names, types, keys and defaults: the comparison finds nothing to do."""
    migrate.upgrade(_url(tmp_path))
    with writing_engine(_url(tmp_path)).connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, metadata)
        made = set(inspect(connection).get_table_names())

    assert differences == []
    assert made == set(metadata.tables) | {"alembic_version"}


def test_the_store_knows_where_it_stands(tmp_path: Path) -> None:
    """None where there is no store, or an empty one; after an upgrade the head."""
    url = _url(tmp_path)
    assert schema.current(url) is None
    assert not (tmp_path / "control").exists()
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "control.sqlite3").touch()
    assert schema.current(url) is None
    migrate.upgrade(url)

    assert schema.current(url) == schema.HEAD == "0002"


def test_upgrading_again_changes_nothing(tmp_path: Path) -> None:
    """What was decided stays, byte for byte."""
    path = tmp_path / "control" / "control.sqlite3"
    migrate.upgrade(_url(tmp_path))
    before = path.read_bytes()
    migrate.upgrade(_url(tmp_path))

    assert path.read_bytes() == before


def test_what_was_active_is_current_and_the_first_promoted(tmp_path: Path) -> None:
    """From 0001 on: no model leaves service with the upgrade, and the way back begins there."""
    url = _url(tmp_path)
    (tmp_path / "control").mkdir()
    engine = writing_engine(url, create=True)
    with engine.begin() as connection:
        configuration = Config()
        configuration.set_main_option("script_location", str(migrate.MIGRATIONS))
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "0001")
        for version in ("1", "2"):
            row = f"('wine', '{version}', '{version * 64}', 'ada', {version}.5)"
            connection.exec_driver_sql(f"INSERT INTO model_versions VALUES {row}")  # noqa: S608
        connection.exec_driver_sql("INSERT INTO model_activations VALUES ('wine', '2')")
    migrate.upgrade(url)
    with engine.connect() as connection:
        deployed = connection.exec_driver_sql("SELECT * FROM model_deployments").all()
        promoted = connection.exec_driver_sql("SELECT * FROM model_promotions").all()
    engine.dispose()

    assert deployed == [("wine", "2", "current", None, None, None)]
    assert promoted == [(1, "wine", "2", 2.5)]


def test_there_is_one_line_of_migrations() -> None:
    """One head, and every migration leads to it."""
    scripts = ScriptDirectory(str(migrate.MIGRATIONS))

    assert scripts.get_heads() == [schema.HEAD]
    assert len(list(scripts.walk_revisions())) == len(
        list(migrate.MIGRATIONS.glob("versions/*.py"))
    )
