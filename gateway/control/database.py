"""Engines for the control and status databases: SQLite by default, PostgreSQL for many hosts."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError

BUSY_TIMEOUT_S = 5.0
# A database that does not answer must not hold up the thread that looks for changes.
_CONNECT_WITHIN_S = 3


def reading_engine(url: str) -> Engine:
    """An engine that can only read, and connects anew each time.

    A new connection each time notices a database that was moved away or restored from a backup,
    and survives a fork. It costs 0.3 ms, once a poll.
    """
    if sqlite_path(url) is None:
        # One state for all of a snapshot's queries, and no way to write by mistake.
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        return _engine(url, mode="ro", begin="", poolclass=NullPool, execution_options=options)
    return _engine(url, mode="ro", begin="BEGIN", poolclass=NullPool)


def writing_engine(url: str, *, create: bool = False, durable: bool = True) -> Engine:
    """An engine that writes. SQLite takes its write lock at once, so that no write is lost.

    Args:
        create: make the file where there is none. Services never do: an empty database in place
            of a lost one would look like one without revocations.
        durable: wait for the disk at each commit. Not worth it for the status database.
    """
    synchronous = "FULL" if durable else "OFF"
    mode = "rwc" if create else "rw"
    return _engine(url, mode=mode, begin="BEGIN IMMEDIATE", synchronous=synchronous)


class HeldOpen:
    """A connection of a reader, kept open beside those that come and go.

    SQLite removes its companion files with the last connection, and who may only read can neither
    make them again nor open the database without them. With this one a reader goes on while every
    writer is away. Another database needs nothing of the kind.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def hold(self) -> None:
        """Hold on to the file that is there now, and let go of the one before."""
        if self._engine.dialect.name != "sqlite":
            return
        connection = self._engine.connect()
        # It counts once it has read of the file; the transaction must not last.
        connection.exec_driver_sql("SELECT count(*) FROM sqlite_schema")
        connection.rollback()
        earlier, self._connection = self._connection, connection
        if earlier is not None:
            earlier.close()


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite URL; None for another database."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return None
    return Path(parsed.database).absolute()


def _engine(
    url: str, *, mode: str, begin: str, synchronous: str = "FULL", **options: Any
) -> Engine:
    path = sqlite_path(url)
    if path is None:
        options["connect_args"] = {"connect_timeout": _CONNECT_WITHIN_S}
        return create_engine(url, pool_pre_ping=True, **options)
    options["connect_args"] = {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
    # SQLite reads this as a URI: a % or # in the path must not be one there.
    query = {"mode": mode, "uri": "true"}
    uri = URL.create("sqlite", database=f"file:{quote(str(path))}", query=query)
    engine = create_engine(uri, **options)
    _configure_sqlite(engine, begin, wal=mode != "ro", synchronous=synchronous)
    _follow_file(engine, path)
    return engine


def _follow_file(engine: Engine, path: Path) -> None:
    """Give up connections to a file that has been replaced, by a restored backup for instance.

    What is written through them, a revocation perhaps, nobody would ever read.
    """

    @event.listens_for(engine, "connect")
    def _on_connect(_connection: Any, record: Any) -> None:
        record.info["file"] = _identity(path)

    @event.listens_for(engine, "checkout")
    def _on_checkout(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info["file"] != _identity(path):
            raise DisconnectionError("the database file has been replaced")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _configure_sqlite(engine: Engine, begin: str, *, wal: bool, synchronous: str) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        # The driver's own transactions begin too late: SQLAlchemy begins them below.
        connection.isolation_level = None
        if wal:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={synchronous}")
            connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)
