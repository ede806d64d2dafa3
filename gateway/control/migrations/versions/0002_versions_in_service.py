"""Versions in service: several of one model, each in a role, and the order of promotions."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "model_deployments",
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("version", sa.String(32), primary_key=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("percent", sa.Float),
        sa.Column("deprecated_at", sa.Float),
        sa.Column("sunset_at", sa.Float),
    )
    op.create_table(
        "model_promotions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.execute(
        "INSERT INTO model_deployments (name, version, role)"
        " SELECT name, version, 'current' FROM model_activations"
    )
    op.execute(
        "INSERT INTO model_promotions (name, version, at)"
        " SELECT a.name, a.version, v.added_at FROM model_activations a"
        " JOIN model_versions v ON v.name = a.name AND v.version = a.version"
    )
    op.drop_table("model_activations")
