"""Settings: `config/gateway.toml`, overridden by `GATEWAY_…` in the environment.

Sections nest with two underscores: `GATEWAY_LIMITS__STORAGE=redis://…` sets `[limits] storage`.
No setting is a secret: secrets are files under `data_dir`, made there or mounted there.
"""

import os
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from config.rules import broken_rules
from config.secret_files import read_secret
from config.sections import (
    AuthSettings,
    ControlSettings,
    DocsSettings,
    LimitSettings,
    LogSettings,
    ModelSettings,
    SageMakerSettings,
    ServerSettings,
)

SHIPPED_CONFIG = Path(__file__).with_name("gateway.toml")


class InvalidSettings(Exception):
    """The configuration cannot be used.

    Attributes:
        problems: one sentence each, every problem there is.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


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
        problems += broken_rules(
            settings.server, settings.control, settings.limits, settings.models, settings.issuer
        )
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
    return check_settings(Settings, config_file(), overrides)


def check_settings(kind: type[Settings], file: Path, overrides: dict[str, Any]) -> Settings:
    """The settings of this kind, whose source is the file. Raises: InvalidSettings."""
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


def _without_faults(data: dict[str, Any], exc: ValidationError) -> dict[str, Any]:
    rest = {key: dict(value) if isinstance(value, dict) else value for key, value in data.items()}
    for error in exc.errors():
        section, *names = error["loc"]
        if names and isinstance(rest.get(str(section)), dict):
            rest[str(section)].pop(str(names[0]), None)
        else:
            rest.pop(str(section), None)
    return rest


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
