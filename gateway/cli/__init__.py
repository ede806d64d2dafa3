"""`gateway …`: everything operations do, from the shell.

Exit codes: 0 done, 1 refused or failed (one line says why), 2 wrong usage, 3 done but not yet
served by every worker.
"""

import os
import signal
import sys
from importlib import import_module
from pathlib import Path

import click

# In the order of the help page. A command's module is imported when it is called: a partner is
# created in 0.4 s, and does not wait for scikit-learn.
COMMANDS = {
    "run": "Serve predictions and tokens.",
    "stack": "Serve in the production shape: nginx, TLS, Redis, separate processes.",
    "serve": "Serve as a SageMaker container does: without tokens, as one partner.",
    "init": "Make what a first start needs, where the parts run apart.",
    "access": "Make the passwords between parts that run apart.",
    "edge": "Write the configuration of an nginx that runs apart.",
    "status": "Workers, models and stores, as they are now.",
    "partner": "Create, show and change partners.",
    "key": "List, rotate and retire signing keys.",
    "token": "Issue a token to try things; revoke tokens.",
    "model": "Models and their versions.",
    "config": "Check the configuration.",
    "audit": "Who changed what, and when.",
    "logs": "Read the service's log.",
    "score": "Score a file of any size through the API.",
}


class _Commands(click.Group):
    """The commands above, each the function of its own name in the module of its own name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"gateway.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where keys, control store and models live. Default: data_dir of the settings (var).",
)
@click.pass_context
def main(context: click.Context, data_dir: Path | None) -> None:
    """A hardened gateway for model predictions."""
    if os.getpid() == 1:
        # The first process of a container ignores every signal that it has no handler for: what
        # starts, waits or works would go on until it is killed.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    context.obj = data_dir
