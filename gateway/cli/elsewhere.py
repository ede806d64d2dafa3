"""A group whose commands live in modules of their own, imported when they are called."""

from collections.abc import Mapping
from importlib import import_module

import click

from gateway.cli.administration import AdminGroup


class GroupElsewhere(AdminGroup):
    """A group with further commands, each the function of its own name in a module.

    A version is promoted in half a second, and does not wait for scikit-learn, which the command
    beside it needs.

    Args:
        elsewhere: the module of each such command.
    """

    def __init__(
        self, *args: object, elsewhere: Mapping[str, str] | None = None, **kwargs: object
    ) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # click's own arguments
        self._elsewhere = elsewhere or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._elsewhere})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._elsewhere:
            return super().get_command(ctx, cmd_name)
        module = import_module(self._elsewhere[cmd_name])
        command: click.Command = getattr(module, cmd_name)
        return command
