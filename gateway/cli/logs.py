"""`gateway logs`: the service's log for people, the story of one request, and a summary."""

import re
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from gateway.cli.log_events import LEVELS, Event, EventFilter, parse, printable, printable_line
from gateway.cli.log_explanations import explain
from gateway.cli.log_lines import LinePainter
from gateway.cli.log_output import LineOutput, colours_wanted, quiet_end, terminal
from gateway.cli.log_report import show_summary
from gateway.cli.log_stream import STDIN, follow_lines, read_lines
from gateway.cli.log_summary import Summary
from gateway.cli.output import json_option, show_json

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT = "show"
# A request of the gateway's own making has a handful; a stream may claim any number.
MAX_EVENTS_OF_REQUEST = 1000


class _LogsGroup(click.Group):
    """A group whose first word may be left out: `gateway logs FILE` is `gateway logs show FILE`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.commands[DEFAULT].format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def _input(_context: click.Context, _parameter: click.Parameter, path: str) -> str:
    if path == STDIN and sys.stdin.isatty():
        raise click.UsageError("Name a file, or pipe a log in: `make stack | gateway logs`.")
    return path


def _statuses(_context: object, _parameter: object, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not re.fullmatch(r"[1-5](?:[0-9]{2}|xx)", value):
            raise click.BadParameter(f"{value!r} is neither a status (429) nor a class (4xx).")
    return tuple(value.removesuffix("xx") for value in values)


def file_argument(command: F) -> F:
    """Add `[FILE]`: a path, or `-` for standard input, which is the default."""
    kind = click.Path(exists=True, dir_okay=False, allow_dash=True)
    return click.argument("file", type=kind, default=STDIN, callback=_input)(command)


def filter_options(command: F) -> F:
    """Add the options that pick lines. Each may be given several times."""
    exact = {
        "partner": "Of this partner.",
        "code": "With this problem code.",
        "model": "For this model.",
        "request-id": "Of this request.",
    }
    for name, help in reversed(exact.items()):
        command = click.option(f"--{name}", multiple=True, help=help)(command)
    return click.option(
        "--status", multiple=True, callback=_statuses, help="With this status: 429, 4xx or 5xx."
    )(command)


@click.group(cls=_LogsGroup)
def logs() -> None:
    """Read the service's log: one JSON object a line, from FILE or standard input.

    \b
    gateway logs FILE              every event as one line (the same as: logs show FILE)
    gateway logs why ID FILE       what was decided on one request, by which rule
    gateway logs summary FILE      counts, slowest phases, top partners

    A file that is called like a command is given as ./why. Containers' logs are read with
    `docker compose logs --no-log-prefix | gateway logs`.
    """


@logs.command(DEFAULT)
@file_argument
@click.option("-f", "--follow", is_flag=True, help="Wait for more, also after rotation.")
@filter_options
@click.option(
    "--level",
    type=click.Choice(LEVELS, case_sensitive=False),
    default=LEVELS[0],
    help="Of this level or a graver one.",
)
@click.option("--json", "as_json", is_flag=True, help="Pass matching JSON lines on unchanged.")
@click.option("--color/--no-color", default=None, help="Colours. Default: on a terminal.")
def show(
    *,
    file: str,
    follow: bool,
    status: tuple[str, ...],
    level: str,
    as_json: bool,
    color: bool | None,
    **exact: tuple[str, ...],
) -> None:
    """Every event as one compact line; other lines as they are, with control characters escaped.

    Several values of one filter are alternatives; several filters must all match.
    """
    fields = {name: frozenset(values) for name, values in exact.items() if values}
    wanted = EventFilter(fields, status, level)
    output = LineOutput()
    write = _json_writer(output) if as_json else _line_writer(output, colours_wanted(color))
    with quiet_end():
        for line in follow_lines(file, output.pause) if follow else read_lines(file):
            event = parse(line)
            if wanted.admits(event):
                write(line, event)


@logs.command()
@click.argument("request_id")
@file_argument
@click.pass_context
def why(context: click.Context, request_id: str, file: str) -> None:
    """What was decided on one request and by which rule.

    Exit code 1 when nothing in the stream carries this id.
    """
    request_id = request_id.strip()
    if not request_id:
        raise click.BadParameter("The request id is empty.")
    events = _events_of(request_id, file)
    if not events:
        click.echo(f"Nothing in this log carries the request id {printable(request_id)}.", err=True)
        context.exit(1)
    output, painter = LineOutput(), LinePainter(colours_wanted(None))
    with quiet_end():
        output.write(f"Request {printable(request_id)}")
        for sentence in explain(events):
            output.write(f"  {sentence}")
        output.write("Logged for this request:")
        for event in events:
            output.write(f"  {painter.line(event)}")


@logs.command()
@file_argument
@json_option
def summary(file: str, as_json: bool) -> None:
    """Requests, errors by code, slowest phases and top partners.

    Memory stays the same however long the log is.
    """
    totals = Summary()
    for line in read_lines(file):
        totals.add(parse(line))
    with quiet_end():
        if as_json:
            show_json(totals.to_json())
        else:
            show_summary(totals)


def _events_of(request_id: str, file: str) -> list[Event]:
    found: list[Event] = []
    # A line without the id's bytes need not be parsed: that is nearly every line.
    needle = request_id.encode("utf-8", "surrogateescape")
    for line in read_lines(file):
        if needle not in line:
            continue
        event = parse(line)
        if event is not None and event.get("request_id") == request_id:
            found.append(event)
        if len(found) == MAX_EVENTS_OF_REQUEST:
            break
    return found


def _line_writer(output: LineOutput, coloured: bool) -> Callable[[bytes, Event | None], None]:
    painter = LinePainter(coloured)

    def write(line: bytes, event: Event | None) -> None:
        output.write(printable_line(line) if event is None else painter.line(event))

    return write


def _json_writer(output: LineOutput) -> Callable[[bytes, Event | None], None]:
    on_terminal = terminal()

    def write(line: bytes, event: Event | None) -> None:
        if event is None:
            return
        # JSON may hold C1 controls and bidi marks as they are: a program gets them, a screen not.
        if on_terminal:
            output.write(printable_line(line))
        else:
            output.write_bytes(line)

    return write
