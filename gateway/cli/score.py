"""`gateway score`: a file of rows goes through the API and comes back scored."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import random
from types import FrameType

import click

from config.client import client_environment
from gateway.cli.score_progress import Display, Rate, display_for, duration_words
from gateway.scoring.api import Waiting
from gateway.scoring.credentials import credentials_from
from gateway.scoring.errors import ScoringFailed, Stopped
from gateway.scoring.journal import Done
from gateway.scoring.preparation import KEEP_ALL, KEEP_NONE
from gateway.scoring.refused import refused_path
from gateway.scoring.session import Asked, Surroundings, score_file

EXIT_SOME_REFUSED = 3
EXIT_INTERRUPTED = 130
_WORTH_SAYING_S = 5.0
_COMPRESSIONS = ("auto", "zstd", "gzip", "none")


@click.command()
@click.argument("input_file", metavar="INPUT", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--model", required=True, help="The model's name.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the answers go: .csv, .tsv, .ndjson, .jsonl, .parquet, .arrow, .feather.",
)
@click.option("--model-version", help="This version instead of the one in service.")
@click.option(
    "--keep",
    multiple=True,
    metavar="COLUMN",
    help=f"A column to write beside the answers; repeat, or {KEEP_ALL}, or {KEEP_NONE}. Default:"
    " those that are not the model's features.",
)
@click.option("--url", help="Base URL of the gateway. Default: GATEWAY_URL, or the credentials'.")
@click.option(
    "--credentials",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON file with client_id, client_secret and base_url. Default: GATEWAY_CREDENTIALS. The"
    " secret may also be in GATEWAY_CLIENT_SECRET.",
)
@click.option("--client-id", help="Default: GATEWAY_CLIENT_ID, or the credentials'.")
@click.option(
    "--ca-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Authorities to trust instead of the system's. Default: GATEWAY_CA_FILE.",
)
@click.option(
    "--concurrency", type=click.IntRange(1), help="Calls at once. Default: half a plan's."
)
@click.option("--rows-per-call", type=click.IntRange(1), help="At most. Default: as they are fast.")
@click.option(
    "--compression",
    type=click.Choice(_COMPRESSIONS),
    default="auto",
    show_default=True,
    help="Of what is sent; auto compresses what shrinks by a fifth. With none, answers come plain.",
)
@click.option(
    "--retry-for",
    "patience_s",
    type=click.FloatRange(0),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a call that fails is tried again.",
)
@click.option("--overwrite", is_flag=True, help="Replace OUTPUT where it exists.")
@click.option("--restart", is_flag=True, help="Begin anew, whatever an interrupted run has done.")
@click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong.")
def score(
    *,
    input_file: Path,
    model: str,
    output: Path,
    model_version: str | None,
    keep: tuple[str, ...],
    url: str | None,
    credentials: Path | None,
    client_id: str | None,
    ca_file: Path | None,
    concurrency: int | None,
    rows_per_call: int | None,
    compression: str,
    patience_s: float,
    overwrite: bool,
    restart: bool,
    quiet: bool,
) -> None:
    """Score a CSV, TSV, NDJSON, Parquet or Arrow file of any size through the API.

    Every row of INPUT becomes one row of OUTPUT, in the same order. Rows that were refused have no
    answers there; OUTPUT.refused.csv says why. The same command goes on after an interruption.

    Exit codes: 0 all rows scored, 1 failed, 2 wrong usage, 3 some rows refused, 130 interrupted.
    """
    asked = Asked(
        input_file,
        output,
        model,
        model_version,
        keep,
        concurrency,
        rows_per_call,
        compression,
        overwrite,
        restart,
    )
    environment = client_environment()
    rate = Rate(time.monotonic)
    context = click.get_current_context()
    try:
        caller = credentials_from(
            credentials or environment.credentials,
            base_url=url or environment.url,
            client_id=client_id or environment.client_id,
            client_secret=environment.client_secret,
        )
        with _ended_like_ctrl_c(), display_for(quiet=quiet, clock=time.monotonic) as display:
            watch = _Watch(rate, display)
            around = watch.surroundings(patience_s)
            done = score_file(asked, caller, ca_file or environment.ca_file, around)
            rate.update(done, rate.size)
            display.say(_summary(rate, output))
    except ScoringFailed as exc:
        raise click.ClickException(str(exc)) from exc
    except OSError as exc:
        raise click.ClickException(f"{exc.filename or 'A file'}: {exc.strerror}.") from exc
    except KeyboardInterrupt:
        click.echo(
            f"Interrupted after {rate.done.end.row:,} rows. The same command goes on.", err=True
        )
        context.exit(EXIT_INTERRUPTED)
    context.exit(EXIT_SOME_REFUSED if done.refused else 0)


class _Watch:
    """Between the threads that score and the display."""

    def __init__(self, rate: Rate, display: Display) -> None:
        self._rate = rate
        self._display = display
        self._stopped = threading.Event()
        self._waits: dict[int, str] = {}

    def surroundings(self, patience_s: float) -> Surroundings:
        waiting = Waiting(time.monotonic, random, self._pause, patience_s)
        return Surroundings(waiting, self._watch, self._display.say, self._stopped.set)

    def _watch(self, done: Done, size: int) -> None:
        self._rate.update(done, size)
        self._display.show(self._rate, waits_for=next(iter(self._waits.values()), ""))

    def _pause(self, wait_s: float, what_for: str) -> None:
        thread = threading.get_ident()
        if wait_s >= _WORTH_SAYING_S:
            self._waits[thread] = f"{what_for} ({duration_words(wait_s)})"
        try:
            if self._stopped.wait(wait_s):
                raise Stopped
        finally:
            self._waits.pop(thread, None)


def _summary(rate: Rate, output: Path) -> str:
    refused = f", {rate.done.refused:,} refused (see {refused_path(output)})"
    return (
        f"{rate.done.end.row:,} rows{refused if rate.done.refused else ''} in"
        f" {rate.seconds:.1f} s, {rate.rows_per_s:,.0f} rows/s, by version {rate.done.version}:"
        f" {output}"
    )


@contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM end the job in order, as Ctrl-C does."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
