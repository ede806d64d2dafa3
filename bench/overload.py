"""Overload and soak: `make overload`, `make soak`.

Overload steps the offered load from half of what the stack can do to four times that, with a model
that takes milliseconds a call. Soak asks for minutes at half, and looks at memory and descriptors.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import joblib
from sklearn.datasets import load_breast_cancer
from sklearn.neighbors import KNeighborsClassifier

from bench import models
from bench.load import measure
from bench.open_loop import Offered, offer
from bench.ours import Gateway, gateway
from bench.peers import Payload

_STEPS = (0.5, 0.8, 1.0, 1.5, 2.0, 3.0, 4.0)
_STEP_S = 6
_COPIES = 60


@click.group()
def main() -> None:
    """What becomes of too much, and of much for long."""


@main.command()
def overload() -> None:
    """Step the offered load from half to four times capacity."""
    with _slow_stack() as (own, payload):
        url = own.url + payload.path
        capacity = measure(
            url, payload.body, payload.headers, connections=16, seconds=_STEP_S
        ).requests_per_s
        click.echo(f"capacity: {capacity:,.0f} requests/s (16 connections, closed loop)\n")
        click.echo(
            f"{'offered':>9}{'goodput':>9}{'share':>7}{'p50 ms':>9}{'p99 ms':>9}"
            f"{'refused p50':>13}{'p99 ms':>9}  statuses"
        )
        steps = [offer(own.url, payload, capacity * step, _STEP_S) for step in _STEPS]
    best = max(step.goodput for step in steps)
    for step in steps:
        click.echo(_line(step, best))


def _line(step: Offered, best: float) -> str:
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(step.statuses.items()))
    return (
        f"{step.rate:>9,.0f}{step.goodput:>9,.0f}{step.goodput / best:>7.0%}"
        f"{step.quantile_ms(0.5, accepted=True):>9.1f}{step.quantile_ms(0.99, accepted=True):>9.1f}"
        f"{step.quantile_ms(0.5, accepted=False):>13.1f}"
        f"{step.quantile_ms(0.99, accepted=False):>9.1f}  {statuses}"
    )


@main.command()
@click.option("--minutes", default=5.0, show_default=True)
def soak(minutes: float) -> None:
    """Ask at half of capacity for minutes; memory and descriptors at the start and the end."""
    with _slow_stack() as (own, payload):
        url = own.url + payload.path
        call = (url, payload.body, payload.headers)
        capacity = measure(*call, connections=16, seconds=_STEP_S).requests_per_s
        before = (own.server.pss_mb(), own.server.open_files())
        started = time.monotonic()
        found = offer(own.url, payload, capacity / 2, minutes * 60)
        after = (own.server.pss_mb(), own.server.open_files())
    click.echo(f"{capacity / 2:,.0f} requests/s for {time.monotonic() - started:,.0f} s")
    click.echo(f"answers: {dict(found.statuses)}")
    click.echo(f"memory (PSS)      {before[0]:8.1f} MB before {after[0]:8.1f} MB after")
    click.echo(f"file descriptors  {before[1]:8} before {after[1]:8} after")


@contextmanager
def _slow_stack() -> Iterator[tuple[Gateway, Payload]]:
    """A stack whose model takes some milliseconds: the neighbours of a row among 34,000."""
    with tempfile.TemporaryDirectory(prefix="gw-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        data = load_breast_cancer()
        many = [column.repeat(_COPIES, axis=0) for column in (data.data, data.target)]
        slow = KNeighborsClassifier(algorithm="brute").fit(*many)
        joblib.dump(slow, folder / "neighbours.joblib")
        added = {"neighbours": folder / "neighbours.joblib"}
        with gateway(folder / "here" / "gateway", added) as own:
            yield own, own.rows("neighbours", models.rows(1).tolist())


if __name__ == "__main__":
    main()
