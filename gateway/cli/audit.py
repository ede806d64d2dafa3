"""`gateway audit`: who changed what, and when."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from gateway.cli.administration import AdminCommand, administration
from gateway.cli.output import json_option, moment, show_json, show_table


@click.command(cls=AdminCommand)
@click.option(
    "-n",
    "--last",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="How many of the newest entries.",
)
@json_option
@click.pass_obj
def audit(data_dir: Path | None, last: int, as_json: bool) -> None:
    """Every change of the control store, newest last."""
    entries = administration(data_dir).store.audit_entries(last)
    if as_json:
        show_json([{**asdict(entry), "at": moment(entry.at)} for entry in entries])
        return
    rows = [
        (
            moment(entry.at),
            entry.actor,
            entry.action,
            entry.target,
            json.dumps(entry.before) if entry.before else None,
            json.dumps(entry.after) if entry.after else None,
        )
        for entry in entries
    ]
    show_table(("when", "who", "what", "target", "before", "after"), rows)
