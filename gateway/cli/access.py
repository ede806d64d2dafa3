"""`gateway access`: the passwords between the gateway and stores that run apart."""

import secrets
from pathlib import Path

import click

from gateway.cli.administration import AdminCommand
from gateway.cli.stack.redis_files import network_configuration

REDIS_USER = "gateway"

# Run once, by whoever made the empty database `gateway`. The prediction workers' user reads what
# the token service's user writes; only how the workers are is theirs to write.
_ROLES = """\
CREATE ROLE tokens LOGIN PASSWORD '{tokens}';
CREATE ROLE predictions LOGIN PASSWORD '{predictions}';
CREATE DATABASE gateway_status;
REVOKE ALL ON DATABASE gateway, gateway_status FROM PUBLIC;
GRANT CONNECT ON DATABASE gateway, gateway_status TO tokens, predictions;
\\connect gateway
GRANT USAGE, CREATE ON SCHEMA public TO tokens;
GRANT USAGE ON SCHEMA public TO predictions;
ALTER DEFAULT PRIVILEGES FOR ROLE tokens GRANT SELECT ON TABLES TO predictions;
\\connect gateway_status
GRANT USAGE, CREATE ON SCHEMA public TO tokens;
GRANT USAGE ON SCHEMA public TO predictions;
ALTER DEFAULT PRIVILEGES FOR ROLE tokens
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO predictions;
"""


@click.command(cls=AdminCommand)
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
def access(out: Path) -> None:
    """Make passwords where there are none, in folders of OUT, one for each part.

    tokens and predictions get their passwords for redis and postgres; redis and postgres get what
    makes them know these. Files are readable by the group of their folder.
    """
    redis = _shared(out, "redis")
    _write(out / "redis" / "redis.conf", network_configuration(REDIS_USER, redis.encode()))
    roles = {name: _password(out / name / "postgres") for name in ("tokens", "predictions")}
    _password(out / "postgres" / "owner")
    _write(out / "postgres" / "roles.sql", _ROLES.format(**roles))


def _shared(out: Path, name: str) -> str:
    """One password that both applications have."""
    password = _password(out / "tokens" / name)
    _write(out / "predictions" / name, password)
    return password


def _password(path: Path) -> str:
    """The one that is there, or a new one."""
    if not path.exists():
        _write(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o640, exist_ok=False)
    new.write_text(text, encoding="utf-8")
    new.replace(path)
