"""`gateway model promote|rollback|canary|shadow|retire|compare`: versions in service."""

import time
from pathlib import Path
from typing import Any

import click

from gateway.cli.administration import AdminCommand, Administration, administration, refusable
from gateway.cli.moments import MomentType
from gateway.cli.output import json_option, show_json, show_table
from gateway.cli.percentages import Percentage
from gateway.cli.served_versions import finish_change
from gateway.control.shadow_statistics import ShadowStatistics, shadow_statistics_of

_COMPARED_AT_LEAST = 100


@click.command(cls=AdminCommand)
@click.argument("name")
@click.argument("version")
@click.option(
    "--if-disagreement-below",
    "bar",
    type=Percentage(),
    help="Only if, as a shadow, it disagreed on less than this share of the rows.",
)
@click.option(
    "--at-least",
    type=click.IntRange(1),
    default=_COMPARED_AT_LEAST,
    show_default=True,
    help="Rows that must have been compared for that.",
)
@click.pass_obj
def promote(
    data_dir: Path | None, name: str, version: str, bar: float | None, at_least: int
) -> None:
    """Let a version answer in place of the current one.

    The one before answers those who name it for models.retired_for_s more.
    """
    admin = administration(data_dir)
    if bar is not None:
        _require_agreement(admin, name, version, bar, at_least)
    promote_version(admin, name, version)


def promote_version(admin: Administration, name: str, version: str) -> None:
    """Make a version current, and say what became of it in the workers."""
    keep_s = admin.settings.models.retired_for_s
    refusable(admin.store.promote_model, name, version, keep_s)
    click.echo(f"Version {version} of model {name} is current.")
    finish_change(admin, name, version)


@click.command(cls=AdminCommand)
@click.argument("name")
@click.pass_obj
def rollback(data_dir: Path | None, name: str) -> None:
    """Go back to the version promoted before; the current one leaves service at once."""
    admin = administration(data_dir)
    refusable(admin.store.rollback_model, name)
    current = _current(admin, name)
    click.echo(f"Version {current} of model {name} is current again.")
    finish_change(admin, name, current)


@click.command(cls=AdminCommand)
@click.argument("name")
@click.argument("version", required=False)
@click.option("--percent", type=Percentage(), required=True, help="Of the partners; 0 ends it.")
@click.pass_obj
def canary(data_dir: Path | None, name: str, version: str | None, percent: float) -> None:
    """Let a version answer a share of the partners, always the same ones."""
    admin = administration(data_dir)
    if percent == 0:
        refusable(admin.store.end_canary, name)
        click.echo(f"Model {name} has no canary any more.")
    elif version is None:
        raise click.UsageError("Name the version.")
    else:
        refusable(admin.store.set_canary, name, version, percent)
        click.echo(f"Version {version} of model {name} answers {percent:g} % of the partners.")
    finish_change(admin, name, version)


@click.command(cls=AdminCommand)
@click.argument("name")
@click.argument("version", required=False)
@click.option("--end", is_flag=True, help="No shadow any more.")
@click.pass_obj
def shadow(data_dir: Path | None, name: str, version: str | None, *, end: bool) -> None:
    """Let a version answer copies of the requests, and compare. Callers notice nothing."""
    if end == (version is not None):
        raise click.UsageError("Name the version, or give --end.")
    admin = administration(data_dir)
    if version is None:
        refusable(admin.store.end_shadow, name)
        click.echo(f"Model {name} has no shadow any more.")
    else:
        refusable(admin.store.set_shadow, name, version)
        click.echo(f"Version {version} shadows model {name} (see: gateway model compare {name}).")
    finish_change(admin, name, version)


@click.command(cls=AdminCommand)
@click.argument("name")
@click.argument("version", required=False)
@click.option("--all", "whole", is_flag=True, help="The model, with all its versions.")
@click.option(
    "--sunset", type=MomentType(), help="Until then it answers who names it: 30d, or a date."
)
@click.pass_obj
def retire(
    data_dir: Path | None, name: str, version: str | None, sunset: float | None, *, whole: bool
) -> None:
    """Take a version out of service, at once or at its sunset."""
    if whole == (version is not None):
        raise click.UsageError("Name the version, or give --all for the whole model.")
    admin = administration(data_dir)
    sunset_at = sunset if sunset is not None else time.time()
    if version is None:
        refusable(admin.store.withdraw_model, name, sunset_at)
    else:
        refusable(admin.store.retire_model, name, version, sunset_at)
    what = f"Version {version} of model {name}" if version is not None else f"Model {name}"
    click.echo(f"{what} leaves service{' at once' if sunset is None else ' at its sunset'}.")
    finish_change(admin, name)


@click.command(cls=AdminCommand)
@click.argument("name")
@json_option
@click.pass_obj
def compare(data_dir: Path | None, name: str, as_json: bool) -> None:
    """How the answers of shadow versions differ from those that were given."""
    admin = administration(data_dir)
    compared = shadow_statistics_of(admin.status_engine, name)
    if as_json:
        show_json([_facts(statistics) for statistics in compared])
        return
    if not compared:
        raise click.ClickException(
            f"Nothing of model {name} was compared yet (gateway model shadow {name} VERSION)"
        )
    for statistics in compared:
        _show(statistics)


def _current(admin: Administration, name: str) -> str | None:
    rows = admin.store.model_versions()
    return next((row.version for row in rows if row.name == name and row.active), None)


def _require_agreement(
    admin: Administration, name: str, version: str, bar: float, at_least: int
) -> None:
    current = _current(admin, name)
    statistics = next(
        (
            each
            for each in shadow_statistics_of(admin.status_engine, name)
            if (each.pair.version, each.pair.shadow) == (current, version)
        ),
        None,
    )
    rows = statistics.rows + statistics.failed_rows if statistics is not None else 0
    if statistics is None or statistics.disagreement is None or rows < at_least:
        raise click.ClickException(
            f"Version {version} was compared with version {current} of model {name} on {rows} rows,"
            f" and {at_least} are asked for (gateway model shadow {name} {version})"
        )
    if statistics.disagreement * 100 >= bar:
        raise click.ClickException(
            f"Version {version} of model {name} disagrees with version {current} on"
            f" {statistics.disagreement:.3%} of {rows} rows: not below {bar:g} %"
            f" (see: gateway model compare {name})"
        )


def _facts(statistics: ShadowStatistics) -> dict[str, Any]:
    return {
        "model": statistics.pair.model,
        "version": statistics.pair.version,
        "shadow": statistics.pair.shadow,
        "calls": statistics.calls,
        "rows": statistics.rows,
        "disagreeing_rows": statistics.disagreeing,
        "disagreement": statistics.disagreement,
        "failed_calls": statistics.failed_calls,
        "failed_rows": statistics.failed_rows,
        "dropped_calls": statistics.dropped_calls,
        "latency_ratio": statistics.latency_ratio,
        "score_differences": {f"{bound:g}": rows for bound, rows in statistics.bins.items()},
    }


def _show(statistics: ShadowStatistics) -> None:
    facts = _facts(statistics)
    differences = facts.pop("score_differences")
    shares = {"disagreement": ".3%", "latency_ratio": ".2f"}
    rows = [
        (key, format(value, shares[key]) if key in shares and value is not None else value)
        for key, value in facts.items()
    ]
    show_table(("", ""), rows)
    compared = sum(differences.values())
    if compared:
        parts = [(name, count, f"{count / compared:.2%}") for name, count in differences.items()]
        show_table(("scores apart by at most", "rows", "share"), parts)
