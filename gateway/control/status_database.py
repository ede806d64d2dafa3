"""The database in which workers say how they are: tables, and how it is made.

It lives beside the control store, so that prediction workers, which run models, need no right to
write the control store. It may be lost: it is made anew at the next start.
"""

from sqlalchemy import JSON, Boolean, Column, Float, Integer, MetaData, String, Table

from gateway.control.database import sqlite_path, writing_engine

metadata = MetaData()

worker_status = Table(
    "worker_status",
    metadata,
    Column("worker", String(160), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("host", String(120), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("models", JSON, nullable=False),
    Column("limits_fallback", Boolean, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
)

# Sums over all workers since the pair of versions was first compared.
shadow_statistics = Table(
    "shadow_statistics",
    metadata,
    Column("model", String(63), primary_key=True),
    # The version that answered, and the one that answered a copy.
    Column("version", String(32), primary_key=True),
    Column("shadow", String(32), primary_key=True),
    Column("measure", String(32), primary_key=True),
    Column("value", Float, nullable=False),
)

# Sums over all workers, of what each partner asked of a version.
model_statistics = Table(
    "model_statistics",
    metadata,
    Column("partner", String(63), primary_key=True),
    Column("model", String(63), primary_key=True),
    Column("version", String(32), primary_key=True),
    Column("measure", String(32), primary_key=True),
    Column("value", Float, nullable=False),
)


def create_status_database(url: str) -> None:
    """Make the tables where there are none."""
    path = sqlite_path(url)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    engine = writing_engine(url, create=True, durable=False)
    metadata.create_all(engine)
    engine.dispose()
