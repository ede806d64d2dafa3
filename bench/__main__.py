"""`make bench`: the gateway beside its peers and its floors, in one run.

The gateway has everything on; its peers have nothing on but their own defaults. Each stands with
two workers and one thread for each, is asked for the same rows over the same number of
connections, and has its answers compared with the model's own before it is timed.
"""

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import click

from bench.kept import ROOT
from bench.peers import PEERS
from bench.report import Report, as_json, as_text
from bench.rounds import Pace
from bench.trained import ENVIRONMENTS
from bench.whole_run import Bench

_OUT = ROOT / "var" / "bench"
_FULL = Pace(rounds=3, seconds=2, large_seconds=4, warm_up_s=1)
_QUICK = Pace(rounds=1, seconds=1, large_seconds=1.2, warm_up_s=0.5)


@click.command()
@click.option("--quick", is_flag=True, help="The best peers, one short round: a first sign.")
@click.option("--rounds", type=int, help="Default 3; quick 1.")
@click.option("--seconds", type=float, help="Of every turn; default 2, large requests 4.")
@click.option("--only", default="", help="Cells whose name holds this text, and no other facts.")
@click.option("--peers", default="", help="Names with commas; default all.")
@click.option("--chart", type=click.Path(path_type=Path), help="Default var/bench/chart.svg.")
def main(  # noqa: PLR0913  # Each an option of the command.
    *,
    quick: bool,
    rounds: int | None,
    seconds: float | None,
    only: str,
    peers: str,
    chart: Path | None,
) -> None:
    """Print the table; write results.json to var/bench, and the chart."""
    if shutil.which("wrk") is None or shutil.which("nginx") is None:
        raise click.ClickException("the benchmark needs Debian's wrk, nginx and redis-server")
    chosen = tuple(peers.split(",")) if peers else tuple(peer.name for peer in PEERS)
    pace, began = _QUICK if quick else _FULL, time.monotonic()
    pace = replace(pace, rounds=rounds or pace.rounds)
    if seconds:
        pace = replace(pace, seconds=seconds, large_seconds=seconds)
    with tempfile.TemporaryDirectory(prefix="gw-bench-") as name:
        Path(name).chmod(0o755)
        bench = Bench(Path(name), pace, chosen, _say, quick=quick)
        try:
            bench.run(only)
        finally:
            # Half an hour is not lost with its last minute.
            click.echo(f"{os.cpu_count()} cores, {pace}, {time.monotonic() - began:.0f} s in all\n")
            _write(bench.report, chart or _OUT / "chart.svg")


def _write(report: Report, chart: Path) -> None:
    click.echo(as_text(report))
    _OUT.mkdir(parents=True, exist_ok=True)
    (_OUT / "results.json").write_text(as_json(report))
    if report.table:
        _draw(_OUT / "results.json", chart)


def _draw(results: Path, chart: Path) -> None:
    python = ENVIRONMENTS / "chart" / "bin" / "python"
    if python.exists():
        program = Path(__file__).with_name("chart.py")
        subprocess.run([python, program, results, chart], check=True)


def _say(text: str) -> None:
    click.echo(f"  {text}", err=True)


if __name__ == "__main__":
    main()
