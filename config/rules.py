"""What must hold between settings. Each rule gives a sentence for each problem."""

import re
from pathlib import Path

from config.secret_files import UnusableSecret, read_secret
from config.sections import (
    ControlSettings,
    LimitSettings,
    ModelSettings,
    ServerSettings,
    http_url,
)

_URL_WITH_USER = re.compile(r"[a-z+0-9]+://[^/:@]+@")
_PASSWORD_IN_URL = re.compile(r"://[^/@]*:[^/@]*@|[?&]password=")


def broken_rules(
    server: ServerSettings,
    control: ControlSettings,
    limits: LimitSettings,
    models: ModelSettings,
    issuer: str,
) -> list[str]:
    """Every problem of settings that are each good by themselves."""
    return [
        *_unsafe_waiting(server),
        *_unsafe_limits(limits, server),
        *_unsafe_issuer(issuer),
        *_unsafe_signatures(models),
        *_passwords_in_urls(control, limits),
        *_unusable_passwords(control, limits),
    ]


def _unsafe_waiting(server: ServerSettings) -> list[str]:
    if server.max_wait_s >= server.request_deadline_s:
        return ["server.max_wait_s must be less than server.request_deadline_s"]
    return []


def _unsafe_limits(limits: LimitSettings, server: ServerSettings) -> list[str]:
    if limits.in_memory and server.workers > 1:
        return [
            "limits.storage is memory:// with server.workers > 1: every worker would count for"
            " itself; name a Redis (redis+unix:///path or redis://host) or run one worker"
        ]
    return []


def _unsafe_issuer(issuer: str) -> list[str]:
    try:
        http_url(issuer)
    except ValueError as exc:
        return [f"auth.issuer {exc} (RFC 8414 section 2)"]
    return []


def _unsafe_signatures(models: ModelSettings) -> list[str]:
    if models.require_signature and not models.signing_public_key:
        return ["models.require_signature is on: name the key in models.signing_public_key"]
    return []


def _passwords_in_urls(control: ControlSettings, limits: LimitSettings) -> list[str]:
    # The environment can be read by whoever may look at a process or a container.
    urls = {
        "limits.storage": limits.storage,
        "control.database_url": control.database_url,
        "control.status_url": control.status_url,
    }
    return [
        f"{name} has a password in it: put that into a file, and name it in"
        f" {name.partition('.')[0]}.password_file"
        for name, url in urls.items()
        if _PASSWORD_IN_URL.search(url)
    ]


def _unusable_passwords(control: ControlSettings, limits: LimitSettings) -> list[str]:
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
