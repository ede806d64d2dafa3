"""Bring a control store to the schema that this code reads and writes: `upgrade`, or
`python -m gateway.control.migrate`, with the URL in the settings.

Apart from `schema`, because importing Alembic takes a quarter of a second that no start needs
once the store is there.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config

from config.settings import load_settings
from gateway.control.database import sqlite_path, writing_engine

MIGRATIONS = Path(__file__).with_name("migrations")


def upgrade(url: str) -> None:
    """Create the control store where there is none, and run every migration it lacks."""
    path = sqlite_path(url)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite gives the files beside it the same mode: nobody else reads who the partners are.
        path.touch(mode=0o640)
    engine = writing_engine(url, create=True)
    try:
        with engine.begin() as connection:
            configuration = Config()
            configuration.set_main_option("script_location", str(MIGRATIONS))
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, "head")
    finally:
        engine.dispose()


if __name__ == "__main__":
    upgrade(load_settings().database_url)
