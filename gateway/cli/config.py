"""`gateway config …`: the configuration, before it is used."""

from pathlib import Path

import click
from sqlalchemy.exc import SQLAlchemyError

from config.plans import InvalidPlans, load_plans, plans_file
from config.settings import InvalidSettings, Settings, config_file, load_settings
from gateway.auth.keys import UnusableKey, key_problems, load_private_key
from gateway.cli.output import json_option, show_json
from gateway.control import schema
from gateway.control.database import reading_engine
from gateway.control.snapshot import SnapshotReader


@click.group()
def config() -> None:
    """Check the configuration."""


@config.command()
@json_option
@click.pass_obj
def check(data_dir: Path | None, as_json: bool) -> None:
    """Print every problem of the configuration at once; exit 1 if there is one."""
    problems = all_problems(data_dir)
    if as_json:
        show_json({"problems": problems})
    else:
        for problem in problems:
            click.echo(problem)
        if not problems:
            click.echo(f"No problems in {config_file()}, {plans_file()} and the environment.")
    click.get_current_context().exit(1 if problems else 0)


def all_problems(data_dir: Path | None) -> list[str]:
    """One sentence for each problem of settings, plans, key files and the plans in use."""
    problems: list[str] = []
    settings: Settings | None = None
    try:
        settings = load_settings(**({"data_dir": data_dir} if data_dir is not None else {}))
    except InvalidSettings as exc:
        problems += exc.problems
    try:
        load_plans(plans_file())
    except InvalidPlans as exc:
        problems += exc.problems
    if settings is not None:
        problems += key_problems(settings.keys_dir)
        problems += [] if problems else _store_problems(settings)
    return problems


def _store_problems(settings: Settings) -> list[str]:
    """Plans that partners have but the file lacks; a signing key that has no file."""
    try:
        if schema.current(settings.database_url) is None:
            return []
        snapshot = SnapshotReader(reading_engine(settings.database_url), plans_file()).read()
        if snapshot.signing_key is not None:
            load_private_key(settings.keys_dir, snapshot.signing_key.kid)
    except InvalidPlans as exc:
        return exc.problems
    except UnusableKey as exc:
        return [f"The key that signs tokens cannot be used: {exc}"]
    except (SQLAlchemyError, ImportError) as exc:
        cause = str(getattr(exc, "orig", None) or exc).splitlines()[0]
        return [f"control.database_url: the control store cannot be read: {cause}"]
    return []
