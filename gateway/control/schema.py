"""Which schema a control store has, and which one this code needs."""

from sqlalchemy import inspect, text

from gateway.control.database import sqlite_path, writing_engine

# The newest migration in `migrations/versions`.
HEAD = "0002"


def current(url: str) -> str | None:
    """The migration a control store stands at; None where there is no control store."""
    path = sqlite_path(url)
    if path is not None and not path.is_file():
        return None
    engine = writing_engine(url)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    finally:
        engine.dispose()
