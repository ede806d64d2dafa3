"""The sections of `config/gateway.toml`: what each setting may be, and its default.

A new setting is a line here and, with its comment, a line in that file.
"""

import ipaddress
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_BIND = re.compile(r"unix:/?[^\s\"']+|(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}")
_RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day)")
_UNSAFE_IN_URL = re.compile(r"[\s\"'\\`$]")


def http_url(value: str) -> str:
    """The URL without a slash at its end. Raises ValueError, saying what it must be."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an http or https URL without query or fragment")
    if parts.username is not None or _UNSAFE_IN_URL.search(value) or parts.port == 0:
        raise ValueError("must have no user, no white space and no quotes")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("must be https for any host but this machine's loopback")
    return value.rstrip("/")


def _rate(value: str) -> str:
    if not _RATE.fullmatch(value):
        raise ValueError('must be a rate such as "100/second" or "60/minute"')
    return value


def _bind(value: str) -> str:
    if not _BIND.fullmatch(value):
        raise ValueError("must be host:port or unix:/path")
    return value


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


HttpUrl = Annotated[str, AfterValidator(http_url)]
# Without an end is no setting: it would switch a protection off.
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]
Rate = Annotated[str, AfterValidator(_rate)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(_Section):
    """How requests come in, and what one may cost."""

    bind: Annotated[str, AfterValidator(_bind)] = "127.0.0.1:8000"
    workers: Count = 1
    base_url: HttpUrl = "http://localhost:8000"
    request_deadline_s: Seconds = 10.0
    max_wait_s: Seconds = 2.0
    max_body_bytes: Count = 16 * 1024 * 1024
    max_inflated_bytes: Count = 64 * 1024 * 1024
    max_inflation_ratio: Count = 200
    json_max_depth: Annotated[int, Field(ge=4, le=1000)] = 32
    json_max_elements: Count = 5_000_000
    max_abandoned_predictions: Count = 2
    graceful_timeout_s: Count = 30
    max_in_flight_per_worker: Count = 32

    @property
    def max_in_flight(self) -> int:
        """Predictions that may be under way or wait, in all workers."""
        return self.workers * self.max_in_flight_per_worker


class AuthSettings(_Section):
    """Access tokens: made by the token service, checked by the workers."""

    issuer: str = ""
    # Without an audience, tokens made for other services would be accepted (RFC 8725 3.9).
    audience: Annotated[str, Field(min_length=1, pattern=r"\S")] = "model-gateway"
    access_token_ttl_s: Annotated[int, Field(ge=60, le=86_400)] = 900
    leeway_s: Annotated[int, Field(ge=0, le=30)] = 30
    max_token_bytes: Annotated[int, Field(ge=1024, le=16_384)] = 8192
    refuse_tokens_after_s: Seconds = 60.0


class ControlSettings(_Section):
    """Where the control store is, and how often workers look at it."""

    database_url: str = ""
    password_file: str = ""
    status_url: str = ""
    poll_s: Annotated[float, Field(gt=0, le=1.5)] = 1.0


class LimitSettings(_Section):
    """Where calls are counted, and what is admitted while that place is away."""

    storage: Annotated[str, Field(pattern=r"^(memory://|rediss?://|redis\+unix://)")] = "memory://"
    password_file: str = ""
    timeout_s: Annotated[float, Field(gt=0, le=1)] = 0.05
    fallback_share: Annotated[float, Field(gt=0, le=1)] = 0.25
    lease_ttl_s: Count = 30
    lease_quota: bool = True
    failed_authentications_per_address: Rate = "3000/minute"
    tokens_per_address: Rate = "600/minute"
    tokens_in_all: Rate = "100/second"
    failed_secrets_per_client_and_address: Rate = "10/minute"

    @property
    def in_memory(self) -> bool:
        return self.storage.startswith("memory://")


class ModelSettings(_Section):
    """Which models there are to serve, and whose signatures count."""

    directory: str = ""
    default: str = ""
    retired_for_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 86_400.0
    require_signature: bool = False
    signing_public_key: str = ""


class DocsSettings(_Section):
    """What partners and visitors can read."""

    openapi: bool = True
    page: bool = True


class SageMakerSettings(_Section):
    """For `gateway serve` alone."""

    # Empty: nobody. Only `gateway serve` reads this, and does not start without it.
    partner: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9._-]{0,62})?$")] = ""
    plan: str = "unlimited"


class LogSettings(_Section):
    """What is written down."""

    level: Literal["debug", "info", "warning", "error"] = "info"
