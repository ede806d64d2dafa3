"""What every administrative command needs: the settings, the control store, and patience."""

import getpass
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from config.plans import InvalidPlans, Plan, load_plans, plans_file
from config.running import load_running_settings
from config.settings import InvalidSettings, Settings, load_settings
from gateway.control import schema
from gateway.control.change import ControlError
from gateway.control.database import sqlite_path, writing_engine
from gateway.control.store import ControlStore
from gateway.control.worker_status import wait_until_served

P = ParamSpec("P")
T = TypeVar("T")

SERVED_WITHIN_S = 3.0
EXIT_NOT_SERVED_YET = 3


class AdminCommand(click.Command):
    """A command whose trouble with files and databases is one line, not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SQLAlchemyError as exc:
            cause = str(getattr(exc, "orig", None) or exc).splitlines()[0]
            raise click.ClickException(f"The control store cannot be used: {cause}") from exc
        except InvalidPlans as exc:
            raise click.ClickException("\n".join(exc.problems)) from exc
        except BrokenPipeError:
            raise
        except OSError as exc:
            raise click.ClickException(f"{exc.filename or 'A file'}: {exc.strerror}") from exc


class AdminGroup(AdminCommand, click.Group):
    """A group of such commands."""


@dataclass(frozen=True)
class Administration:
    """One command's view of a gateway. Made by `administration`."""

    settings: Settings

    @cached_property
    def store(self) -> ControlStore:
        """The control store, in the name of whoever types.

        Raises: click.ClickException, where there is none yet.
        """
        url = self.settings.database_url
        current = schema.current(url)
        if current is None:
            place = sqlite_path(url) or "the database"
            raise click.ClickException(
                f"There is no control store at {place}. Start the gateway once (gateway run), or"
                " name its folder: gateway --data-dir DIR …"
            )
        if current != schema.HEAD:
            raise click.ClickException("The control store is of another version: gateway run")
        return ControlStore(writing_engine(url), actor=actor(), clock=time.time)

    @cached_property
    def status_engine(self) -> Engine:
        return writing_engine(self.settings.status_url, durable=False)

    def plans(self) -> dict[str, Plan]:
        """Raises: InvalidPlans, which `AdminCommand` says."""
        return dict(load_plans(plans_file()))

    def plan_named(self, name: str) -> Plan:
        """Raises: click.ClickException, naming the plans there are."""
        plans = self.plans()
        if name not in plans:
            raise click.ClickException(f"There is no plan {name}; there are: {', '.join(plans)}")
        return plans[name]

    def await_served(self, revision: int) -> bool:
        """Return when every live worker serves a revision; warn if some still do not."""
        status_file = sqlite_path(self.settings.status_url)
        if status_file is not None and not status_file.exists():
            return True
        try:
            late = wait_until_served(self.status_engine, revision, SERVED_WITHIN_S)
        except SQLAlchemyError:
            click.echo("Warning: done and kept; who serves it cannot be told.", err=True)
            return False
        if late:
            names = ", ".join(worker.worker for worker in late)
            click.echo(
                f"Warning: done and kept, but after {SERVED_WITHIN_S:g} s not yet served by"
                f" {names} (see: gateway status).",
                err=True,
            )
        return not late

    def close(self) -> None:
        """Close every connection."""
        if "store" in self.__dict__:
            self.store.close()
        if "status_engine" in self.__dict__:
            self.status_engine.dispose()

    def finish(self, revision: int) -> None:
        """End a command that changed something: 0, or 3 where a worker lags."""
        if not self.await_served(revision):
            click.get_current_context().exit(EXIT_NOT_SERVED_YET)


def administration(data_dir: Path | None) -> Administration:
    """Read the settings for one command.

    Raises: click.ClickException, with every problem of the configuration.
    """
    overrides = {"data_dir": data_dir} if data_dir is not None else {}
    return Administration(_loaded(load_running_settings, **overrides))


def service_settings(data_dir: Path | None = None) -> Settings:
    """The settings for a service that is about to start, whatever another one ran with."""
    overrides = {"data_dir": data_dir} if data_dir is not None else {}
    return _loaded(load_settings, **overrides)


def _loaded(load: Callable[..., Settings], **overrides: object) -> Settings:
    try:
        return load(**overrides)
    except InvalidSettings as exc:
        raise click.ClickException("\n".join(exc.problems)) from exc


def refusable(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call the store; its refusal becomes one line and exit code 1."""
    try:
        return call(*args, **kwargs)
    except ControlError as exc:
        raise click.ClickException(str(exc)) from exc


def actor() -> str:
    """Who types, for the audit table: the login, and who it was before sudo."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    before_sudo = os.environ.get("SUDO_USER")
    return f"{before_sudo} as {user}" if before_sudo and before_sudo != user else user
