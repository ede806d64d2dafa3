"""Overload and soak: `make overload`, `make soak`.

Overload steps the offered load from half of what the stack can do to four times that, with a model
that takes ten milliseconds a call. Soak asks for minutes at half, and looks at memory and
descriptors. Both write what they found to var/bench.
"""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from bench import models
from bench.facts import ACCEPTABLE
from bench.kept import ROOT
from bench.open_loop import Offered, offer
from bench.ours import Gateway, gateway
from bench.peers import Payload
from bench.prepared import SLOW, slow_models

_STEPS = (0.5, 0.8, 1.0, 1.5, 2.0, 3.0, 4.0)


@click.group()
def main() -> None:
    """What becomes of too much, and of much for long."""


@main.command()
@click.option("--seconds", default=8.0, show_default=True, help="Of each step.")
def overload(seconds: float) -> None:
    """Step the offered load from half to four times capacity."""
    with _slow_stack() as (own, payload):
        capacity = own.measure(payload, 16, seconds).requests_per_s
        click.echo(f"capacity: {capacity:,.0f} requests/s (16 connections, closed loop)\n")
        click.echo(
            f"{'offered':>9}{'goodput':>9}{'p50 ms':>9}{'p99 ms':>9}"
            f"{'refused p50':>13}{'p99 ms':>9}  statuses"
        )
        steps = []
        for step in _STEPS:
            steps.append(offer(own.url, payload, capacity * step, seconds))
            click.echo(_line(steps[-1]))
    found = {"capacity": capacity, "steps": [_facts(step) for step in steps], **_verdict(steps)}
    _write("overload", found)
    click.echo(
        f"\ngoodput at its least beyond capacity: {found['goodput_share']:.0%} of its peak;"
        f" refusals p99 {found['refused_p99_ms']:.1f} ms; other answers: {found['others']}"
    )


def _line(step: Offered) -> str:
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(step.statuses.items()))
    return (
        f"{step.rate:>9,.0f}{step.goodput:>9,.0f}"
        f"{step.quantile_ms(0.5, accepted=True):>9.1f}{step.quantile_ms(0.99, accepted=True):>9.1f}"
        f"{step.quantile_ms(0.5, accepted=False):>13.1f}"
        f"{step.quantile_ms(0.99, accepted=False):>9.1f}  {statuses}"
    )


def _facts(step: Offered) -> Mapping[str, Any]:
    return {
        "offered": step.rate,
        "goodput": step.goodput,
        "accepted_p50_ms": step.quantile_ms(0.5, accepted=True),
        "accepted_p99_ms": step.quantile_ms(0.99, accepted=True),
        "refused_p50_ms": step.quantile_ms(0.5, accepted=False),
        "refused_p99_ms": step.quantile_ms(0.99, accepted=False),
        "statuses": step.statuses,
    }


def _verdict(steps: list[Offered]) -> dict[str, float]:
    peak = max(step.goodput for step in steps)
    over = [step for step, times in zip(steps, _STEPS, strict=True) if times > 1]
    others = [
        count
        for step in steps
        for status, count in step.statuses.items()
        if status not in ACCEPTABLE
    ]
    return {
        "goodput_share": min(step.goodput for step in over) / peak,
        "refused_p99_ms": max(
            (step.quantile_ms(0.99, accepted=False) for step in over if step.refused),
            default=0.0,
        ),
        "others": sum(others),
    }


@main.command()
@click.option("--minutes", default=5.0, show_default=True)
def soak(minutes: float) -> None:
    """Ask at half of capacity for minutes; memory and descriptors at the start and the end."""
    with _slow_stack() as (own, payload):
        capacity = own.measure(payload, 16, 5).requests_per_s
        # Connections that the warm-up kept open are not of the soak.
        before = _weight(own)
        began = time.monotonic()
        found = offer(own.url, payload, capacity / 2, minutes * 60)
        seconds = time.monotonic() - began
        after = _weight(own)
    click.echo(f"{capacity / 2:,.0f} requests/s for {seconds:,.0f} s")
    click.echo(f"answers: {dict(found.statuses)}")
    click.echo(
        f"p50 {found.quantile_ms(0.5, accepted=True):.1f} ms,"
        f" p99 {found.quantile_ms(0.99, accepted=True):.1f} ms"
    )
    for what, unit in (("memory_mb", "MB"), ("files", "open files")):
        click.echo(f"{before[what]:,.1f} {unit} before, {after[what]:,.1f} after")
    _write("soak", {"seconds": seconds, **_facts(found), "before": before, "after": after})


def _weight(own: Gateway) -> dict[str, float]:
    return {"memory_mb": own.server.pss_mb(), "files": own.server.open_files()}


def _write(name: str, found: Mapping[str, Any]) -> None:
    out = ROOT / "var" / "bench" / f"{name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1) + "\n")


@contextmanager
def _slow_stack() -> Iterator[tuple[Gateway, Payload]]:
    with tempfile.TemporaryDirectory(prefix="gw-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with gateway(folder / "here" / "gateway", slow_models()) as own:
            yield own, own.rows(SLOW, models.rows(1).tolist())


if __name__ == "__main__":
    main()
