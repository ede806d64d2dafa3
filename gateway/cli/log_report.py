"""A summary as tables for people."""

from collections.abc import Iterator, Mapping, Sequence

import click

from gateway.cli.log_histogram import Histogram
from gateway.cli.log_summary import QUANTILES_SAY, Summary
from gateway.cli.output import show_table


def show_summary(summary: Summary) -> None:
    """Print it. Sections without an entry are left out."""
    show_table(("what", "value"), _overview(summary))
    _section("Statuses", ("status", "requests"), summary.statuses.most_common())
    _section("Errors", ("code", "requests"), summary.codes.most_common())
    _section(
        "Answered by nginx alone", ("status", "requests"), summary.answered_by_nginx.most_common()
    )
    phases = [
        _phase(name, held, summary)
        for name, held in (("whole request", summary.durations), *summary.slowest_phases())
        if held.count
    ]
    _section("Slowest phases", ("phase", "p50 ms", "p95 ms", "p99 ms", "share of time"), phases)
    _records("Top partners", summary.top_partners())
    _records("Slowest requests", summary.slowest_requests())
    if phases:
        click.echo(f"\n{QUANTILES_SAY}")


def _overview(summary: Summary) -> Iterator[tuple[str, object]]:
    rate = summary.requests_per_second
    yield "requests", summary.requests
    yield "rows", summary.rows
    yield "first", summary.first and summary.first.isoformat(timespec="milliseconds")
    yield "last", summary.last and summary.last.isoformat(timespec="milliseconds")
    yield "span", f"{summary.span_s:.1f} s"
    yield "rate", None if rate is None else f"{rate:.1f} requests/s"
    yield "other lines", summary.other_lines


def _phase(name: str, held: Histogram, summary: Summary) -> tuple[str, ...]:
    quantiles = (held.quantile(part) or 0.0 for part in (0.5, 0.95, 0.99))
    return name, *(f"{ms:.3g}" for ms in quantiles), f"{summary.share(held):.1%}"


def _records(title: str, records: Sequence[Mapping[str, object]]) -> None:
    if records:
        columns = tuple(name.replace("_", " ") for name in records[0])
        _section(title, columns, [tuple(record.values()) for record in records])


def _section(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    if rows:
        click.secho(f"\n{title}", bold=True)
        show_table(columns, rows)
