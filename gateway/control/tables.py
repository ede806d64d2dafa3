"""Tables of the control store. Times are seconds since 1970, UTC. Changed only by a migration."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
)

metadata = MetaData()

control_state = Table(
    "control_state",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("revision", Integer, nullable=False),
)

partners = Table(
    "partners",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("client_id", String(80), nullable=False, unique=True),
    Column("plan", String(63), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
)

client_secrets = Table(
    "client_secrets",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("partner", String(63), ForeignKey("partners.name"), nullable=False),
    # HMAC-SHA-256 of the secret under the pepper, in hexadecimal.
    Column("digest", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_used_at", Float),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", String(64), primary_key=True),
    Column("algorithm", String(16), nullable=False),
    Column("public_jwk", JSON, nullable=False),
    # staged: published, not yet signing; active: signs; retiring: verifies only.
    Column("state", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
)

revocations = Table(
    "revocations",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    # jti, client or all; subject is the jti or the client_id, and empty for all.
    Column("kind", String(8), nullable=False),
    Column("subject", String(128), nullable=False),
    # Tokens issued at or before this time are dead (client and all).
    Column("issued_before", Float),
    # No token that this row could concern lives longer: it may be deleted then.
    Column("expires_at", Float, nullable=False),
    Column("created_at", Float, nullable=False),
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("version", String(32), primary_key=True),
    Column("manifest_digest", String(64), nullable=False),
    Column("added_by", String(128), nullable=False),
    Column("added_at", Float, nullable=False),
)

model_deployments = Table(
    "model_deployments",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("version", String(32), primary_key=True),
    # current, canary, shadow or retired; see `deployments`.
    Column("role", String(16), nullable=False),
    # The share of partners that a canary answers.
    Column("percent", Float),
    # Since when callers are told, and until when those who name the version are answered.
    Column("deprecated_at", Float),
    Column("sunset_at", Float),
)

# What was promoted, in that order: the way back.
model_promotions = Table(
    "model_promotions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(63), nullable=False),
    Column("version", String(32), nullable=False),
    Column("at", Float, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("action", String(64), nullable=False),
    Column("target", String(160), nullable=False),
    Column("before", JSON),
    Column("after", JSON),
    Column("revision", Integer, nullable=False),
    # Whether a service has already said it in its log.
    Column("logged", Boolean, nullable=False),
)
