"""What must hold between settings. Each rule gives a sentence for each problem."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from config.secret_files import UnusableSecret, read_secret
from config.sections import http_url

if TYPE_CHECKING:
    from config.settings import Settings

_URL_WITH_USER = re.compile(r"[a-z+0-9]+://[^/:@]+@")


def broken_rules(settings: "Settings") -> list[str]:
    """Every problem of settings that are each good by themselves."""
    return [problem for rule in _RULES for problem in rule(settings)]


def _unsafe_waiting(settings: "Settings") -> list[str]:
    if settings.server.max_wait_s >= settings.server.request_deadline_s:
        return ["server.max_wait_s must be less than server.request_deadline_s"]
    return []


def _unsafe_limits(settings: "Settings") -> list[str]:
    if settings.limits.in_memory and settings.server.workers > 1:
        return [
            "limits.storage is memory:// with server.workers > 1: every worker would count for"
            " itself; name a Redis (redis+unix:///path or redis://host) or run one worker"
        ]
    return []


def _unsafe_issuer(settings: "Settings") -> list[str]:
    try:
        http_url(settings.issuer)
    except ValueError as exc:
        return [f"auth.issuer {exc} (RFC 8414 section 2)"]
    return []


def _unsafe_signatures(settings: "Settings") -> list[str]:
    if settings.models.require_signature and not settings.models.signing_public_key:
        return ["models.require_signature is on: name the key in models.signing_public_key"]
    return []


def _unusable_passwords(settings: "Settings") -> list[str]:
    control, limits = settings.control, settings.limits
    problems: list[str] = []
    if control.password_file and not _URL_WITH_USER.match(control.database_url):
        problems.append("control.password_file is set: control.database_url must name the user")
    for name, path in (("control", control.password_file), ("limits", limits.password_file)):
        try:
            if path:
                read_secret(Path(path))
        except UnusableSecret as exc:
            problems.append(f"{name}.password_file: {exc}")
    return problems


_RULES: tuple[Callable[["Settings"], list[str]], ...] = (
    _unsafe_waiting,
    _unsafe_limits,
    _unsafe_issuer,
    _unsafe_signatures,
    _unusable_passwords,
)
