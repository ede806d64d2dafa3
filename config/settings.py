"""Settings: `config/gateway.toml`, overridden by `GATEWAY_…` in the environment.

Sections nest with two underscores: `GATEWAY_LIMITS__STORAGE=redis://…` sets `[limits] storage`.
No setting is a secret: secrets are files under `data_dir`, made there or mounted there.
"""

import ipaddress
import json
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from config.secret_files import UnusableSecret, read_secret

SHIPPED_CONFIG = Path(__file__).with_name("gateway.toml")

_BIND = re.compile(r"unix:/?[^\s\"']+|(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}")
_RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day)")
_URL_WITH_USER = re.compile(r"[a-z+0-9]+://[^/:@]+@")
_UNSAFE_IN_URL = re.compile(r"[\s\"'\\`$]")


class InvalidSettings(Exception):
    """The configuration cannot be used.

    Attributes:
        problems: one sentence each, every problem there is.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def _http_url(value: str) -> str:
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


HttpUrl = Annotated[str, AfterValidator(_http_url)]
# Without an end is no setting: it would switch a protection off.
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]
Rate = Annotated[str, AfterValidator(_rate)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(_Section):
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
    issuer: str = ""
    # Without an audience, tokens made for other services would be accepted (RFC 8725 3.9).
    audience: Annotated[str, Field(min_length=1, pattern=r"\S")] = "model-gateway"
    access_token_ttl_s: Annotated[int, Field(ge=60, le=86_400)] = 900
    leeway_s: Annotated[int, Field(ge=0, le=30)] = 30
    max_token_bytes: Annotated[int, Field(ge=1024, le=16_384)] = 8192
    refuse_tokens_after_s: Seconds = 60.0


class ControlSettings(_Section):
    database_url: str = ""
    password_file: str = ""
    status_url: str = ""
    poll_s: Annotated[float, Field(gt=0, le=1.5)] = 1.0


class LimitSettings(_Section):
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
    directory: str = ""
    default: str = ""
    retired_for_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 86_400.0
    require_signature: bool = False
    signing_public_key: str = ""


class DocsSettings(_Section):
    openapi: bool = True
    page: bool = True


class SageMakerSettings(_Section):
    # Empty: nobody. Only `gateway serve` reads this, and does not start without it.
    partner: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9._-]{0,62})?$")] = ""
    plan: str = "unlimited"


class LogSettings(_Section):
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(BaseSettings):
    """All settings. Frozen; `load_settings` is the way to get one."""

    model_config = SettingsConfigDict(
        env_prefix="GATEWAY_", env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    data_dir: Path = Path("var")
    server: ServerSettings = ServerSettings()
    auth: AuthSettings = AuthSettings()
    control: ControlSettings = ControlSettings()
    limits: LimitSettings = LimitSettings()
    models: ModelSettings = ModelSettings()
    docs: DocsSettings = DocsSettings()
    sagemaker: SageMakerSettings = SageMakerSettings()
    log: LogSettings = LogSettings()

    @property
    def issuer(self) -> str:
        return self.auth.issuer or self.server.base_url

    @property
    def database_url(self) -> str:
        return self._with_password(self.control.database_url) or self._sqlite_url("control")

    @property
    def status_url(self) -> str:
        if self.control.status_url:
            return self._with_password(self.control.status_url)
        if self.control.database_url and not self.control.database_url.startswith("sqlite"):
            return self.database_url
        return self._sqlite_url("status")

    def _with_password(self, url: str) -> str:
        """The URL with the password of its user, where that is in a file."""
        if not self.control.password_file:
            return url
        password = read_secret(Path(self.control.password_file)).decode()
        user, at, place = url.partition("@")
        return f"{user}:{quote(password, safe='')}{at}{place}"

    def _sqlite_url(self, name: str) -> str:
        # In a URL, % and ? in the name of a folder would mean something else.
        return f"sqlite:///{quote(str(self.data_dir))}/{name}/{name}.sqlite3"

    @property
    def keys_dir(self) -> Path:
        return self.data_dir / "keys"

    @property
    def models_dir(self) -> Path:
        return Path(self.models.directory) if self.models.directory else self.data_dir / "models"

    @model_validator(mode="wrap")
    @classmethod
    def _collect_every_problem(
        cls, data: dict[str, Any], validate: ModelWrapValidatorHandler["Settings"]
    ) -> "Settings":
        problems: list[str] = []
        while True:
            try:
                settings = validate(data)
                break
            except ValidationError as exc:
                # What is left without the faulty settings may break further rules: say them too.
                problems += _sentences(exc)
                data = _without_faults(data, exc)
        problems += [
            *_unsafe_waiting(settings),
            *_unsafe_limits(settings),
            *_unsafe_issuer(settings),
            *_unsafe_signatures(settings),
            *_unusable_passwords(settings),
        ]
        if problems:
            raise InvalidSettings(problems)
        return settings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic names them
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls, toml_file=config_file())
        return init_settings, env_settings, *cls._running(), toml

    @classmethod
    def _running(cls) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where the settings of a running service come from; nothing for the service itself."""
        return ()


def _unsafe_waiting(settings: Settings) -> list[str]:
    if settings.server.max_wait_s >= settings.server.request_deadline_s:
        return ["server.max_wait_s must be less than server.request_deadline_s"]
    return []


def _unsafe_limits(settings: Settings) -> list[str]:
    if settings.limits.in_memory and settings.server.workers > 1:
        return [
            "limits.storage is memory:// with server.workers > 1: every worker would count for"
            " itself; name a Redis (redis+unix:///path or redis://host) or run one worker"
        ]
    return []


def _unsafe_issuer(settings: Settings) -> list[str]:
    try:
        _http_url(settings.issuer)
    except ValueError as exc:
        return [f"auth.issuer {exc} (RFC 8414 section 2)"]
    return []


def _unsafe_signatures(settings: Settings) -> list[str]:
    if settings.models.require_signature and not settings.models.signing_public_key:
        return ["models.require_signature is on: name the key in models.signing_public_key"]
    return []


def _unusable_passwords(settings: Settings) -> list[str]:
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


def _without_faults(data: dict[str, Any], exc: ValidationError) -> dict[str, Any]:
    rest = {key: dict(value) if isinstance(value, dict) else value for key, value in data.items()}
    for error in exc.errors():
        section, *names = error["loc"]
        if names and isinstance(rest.get(str(section)), dict):
            rest[str(section)].pop(str(names[0]), None)
        else:
            rest.pop(str(section), None)
    return rest


def _refuse_wildcard_forwarding() -> list[str]:
    # Gunicorn reads this variable itself; a wildcard lets any peer forge its address.
    if "*" in os.environ.get("FORWARDED_ALLOW_IPS", ""):
        return ["FORWARDED_ALLOW_IPS is a wildcard: unset it; the proxy's unix socket is trusted"]
    return []


def _unknown_variables() -> list[str]:
    # Only names with a section: Kubernetes sets GATEWAY_PORT for a service called gateway.
    sections = {name.upper() for name in Settings.model_fields}
    given = [name for name in os.environ if name.startswith("GATEWAY_") and "__" in name]
    return [
        f"{name}: there is no such section of settings"
        for name in sorted(given)
        if name.removeprefix("GATEWAY_").partition("__")[0] not in sections
    ]


def config_file() -> Path:
    """The file in use: `GATEWAY_CONFIG`, else `config/gateway.toml` here, else the shipped one."""
    named = os.environ.get("GATEWAY_CONFIG")
    if named:
        return Path(named)
    local = Path("config/gateway.toml")
    return local if local.is_file() else SHIPPED_CONFIG


def load_settings(**overrides: Any) -> Settings:
    """Read and check all settings.

    Raises:
        InvalidSettings: with every problem of the configuration at once.
    """
    return _checked(Settings, config_file(), overrides)


def _checked(kind: type[Settings], file: Path, overrides: dict[str, Any]) -> Settings:
    problems = [*_refuse_wildcard_forwarding(), *_unknown_variables()]
    if not file.is_file():
        raise InvalidSettings([*problems, f"GATEWAY_CONFIG names {file}: no such file"])
    try:
        settings = kind(**overrides)
    except InvalidSettings as exc:
        raise InvalidSettings([*problems, *exc.problems]) from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InvalidSettings([*problems, f"{file} is not valid TOML: {exc}"]) from exc
    except (OSError, SettingsError) as exc:
        raise InvalidSettings([*problems, str(exc)]) from exc
    if problems:
        raise InvalidSettings(problems)
    return settings


def load_running_settings(**overrides: Any) -> Settings:
    """Settings as the service in this data directory runs with, where one was started.

    The environment still wins. Raises: InvalidSettings.
    """
    path = _running_file(load_settings(**overrides))
    if not path.is_file():
        return load_settings(**overrides)

    class RunningSettings(Settings):
        @classmethod
        def _running(cls) -> tuple[PydanticBaseSettingsSource, ...]:
            return (TomlConfigSettingsSource(cls, toml_file=path),)

    return _checked(RunningSettings, path, overrides)


def write_running_settings(settings: Settings) -> None:
    """Keep what the command line decided, so that `gateway …` in another shell knows it."""
    path = _running_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    server, limits = settings.server, settings.limits
    text = (
        f"[server]\nbind = {_quoted(server.bind)}\nworkers = {server.workers}\n"
        f"base_url = {_quoted(server.base_url)}\n\n[limits]\nstorage = {_quoted(limits.storage)}\n"
    )
    # Whole or not at all, and for its owner only: the URL of a Redis may hold a password.
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600, exist_ok=False)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _quoted(value: str) -> str:
    """A TOML basic string. JSON's escapes are among its own."""
    return json.dumps(value, ensure_ascii=False)


def _running_file(settings: Settings) -> Path:
    return settings.data_dir / "run" / "service.toml"


def _sentences(exc: ValidationError) -> list[str]:
    sentences: list[str] = []
    for error in exc.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in error["loc"])
        sentences.append(f"{name}: {_plain(error['msg'])}")
    return sentences


def _plain(message: str) -> str:
    if message == "Extra inputs are not permitted":
        return "there is no such setting"
    return message.removeprefix("Value error, ")
