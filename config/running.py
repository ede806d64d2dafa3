"""Settings of a service that runs, for the commands that are typed beside it."""

import json
from pathlib import Path
from typing import Any

from pydantic_settings import PydanticBaseSettingsSource, TomlConfigSettingsSource

from config.settings import Settings, check_settings, load_settings


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

    return check_settings(RunningSettings, path, overrides)


def write_running_settings(settings: Settings) -> None:
    """Keep what the command line decided, so that `gateway …` in another shell knows it."""
    path = _running_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    server, limits = settings.server, settings.limits
    text = (
        f"[server]\nbind = {_quoted(server.bind)}\nworkers = {server.workers}\n"
        f"base_url = {_quoted(server.base_url)}\n\n[limits]\nstorage = {_quoted(limits.storage)}\n"
    )
    # Whole or not at all, and for its owner only: it says where the stores are.
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
