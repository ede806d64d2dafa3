"""How the cost of a request grows: `make scaling`.

With workers, rows a call, partners, revocations and models. Requests a second depend on who else
uses the machine; the CPU time of a request, which the kernel counts, hardly does.
"""

import contextlib
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click

from bench import models, trained
from bench.cost import cpu_seconds, spent
from bench.growth import Growth
from bench.kept import ROOT
from bench.ours import NO_SETTINGS, Gateway, gateway
from bench.peers import Payload

_WORKERS = (1, 2, 3, 4)
_ROWS = (1, 10, 100, 1_000, 10_000, 100_000)
# JSON of more rows is more than a body may have; so are doubles of 100,000.
_MOST_JSON_ROWS = 10_000
_POPULATIONS: dict[str, tuple[int, ...]] = {
    "partners": (1, 100, 1_000, 10_000),
    "revocations": (0, 100, 1_000, 10_000),
    "models": (1, 10, 50),
}
_CHANGE_EVERY_S = 0.2

Point = dict[str, float]
Points = dict[str, Point]


@click.command()
@click.option("--seconds", default=3.0, show_default=True, help="Of each measurement.")
@click.option("--only", default="", help="workers, rows, limits, partners, revocations, models.")
@click.option("--chart", type=click.Path(path_type=Path), default=ROOT / "var/bench/scaling.svg")
def main(*, seconds: float, only: str, chart: Path) -> None:
    """Print the curves; write them to var/bench/scaling.json."""
    out = ROOT / "var" / "bench" / "scaling.json"
    curves: dict[str, Points] = json.loads(out.read_text()) if only and out.exists() else {}
    with tempfile.TemporaryDirectory(prefix="gw-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        measured: dict[str, Callable[[], Points]] = {
            "workers": lambda: _workers(folder, seconds),
            "rows": lambda: _rows(folder, seconds),
            "limits": lambda: _limits(folder, seconds),
            **{what: lambda what=what: _population(folder, what, seconds) for what in _POPULATIONS},
        }
        for what, measure in measured.items():
            if only in what:
                curves[what] = measure()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(curves, indent=1) + "\n")
    python = trained.ENVIRONMENTS / "chart" / "bin" / "python"
    if python.exists() and {"workers", "rows", *_POPULATIONS} <= set(curves):
        program = Path(__file__).with_name("curves.py")
        subprocess.run([python, program, out, chart], check=True)


@contextlib.contextmanager
def _stack(
    folder: Path, name: str, workers: int = 2, settings: Mapping[str, str] = NO_SETTINGS
) -> Iterator[Gateway]:
    logistic = {"logistic": trained.ours() / "logistic.joblib"}
    with gateway(folder / name / "gateway", logistic, workers, settings=settings) as own:
        yield own


def _point(own: Gateway, payload: Payload, connections: int, seconds: float) -> Point:
    own.measure(payload, connections, 0.5)
    before, logged = cpu_seconds(own.server.process.pid), own.server.log.stat().st_size
    found = own.measure_at_once(payload, connections, seconds)
    after = cpu_seconds(own.server.process.pid)
    requests = found.requests_per_s * seconds or float("nan")
    costs = {kind: of / requests * 1e6 for kind, of in spent(before, after).items()}
    return {
        "requests_per_s": found.requests_per_s,
        "p50_ms": found.p50_ms,
        "p99_ms": found.p99_ms,
        "worker_cpu_us": costs["predictions"],
        "nginx_cpu_us": costs.get("nginx", float("nan")),
        "redis_cpu_us": sum(cost for kind, cost in costs.items() if kind.startswith("redis")),
        "all_cpu_us": sum(costs.values()),
        "log_bytes": (own.server.log.stat().st_size - logged) / requests,
        "memory_mb": own.server.pss_mb(),
        "failed": found.refused + found.broken,
    }


def _head(what: str) -> None:
    click.echo(
        f"\n{what:>22}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'worker CPU us':>15}{'nginx':>8}"
        f"{'redis':>7}{'all':>8}{'log B':>7}{'MB':>7}{'failed':>8}"
    )


def _show(at: str, point: Point) -> None:
    click.echo(
        f"{at:>22}{point['requests_per_s']:>9,.0f}{point['p50_ms']:>9.2f}{point['p99_ms']:>9.2f}"
        f"{point['worker_cpu_us']:>15,.0f}{point['nginx_cpu_us']:>8,.0f}"
        f"{point['redis_cpu_us']:>7,.0f}{point['all_cpu_us']:>8,.0f}{point['log_bytes']:>7,.0f}"
        f"{point['memory_mb']:>7.0f}{point['failed']:>8.0f}"
    )


def _workers(folder: Path, seconds: float) -> Points:
    _head("workers, rows")
    points: Points = {}
    for workers in _WORKERS:
        with _stack(folder, f"workers-{workers}", workers) as own:
            one = own.rows("logistic", models.rows(1).tolist())
            many = own.tensor("logistic", models.rows(10_000).tolist())
            for rows, payload, connections in ((1, one, 16), (10_000, many, 4)):
                at = f"{workers}, {rows:,}"
                points[at] = _point(own, payload, connections, seconds)
                _show(at, points[at])
    return points


def _rows(folder: Path, seconds: float) -> Points:
    _head("rows a call, form")
    points: Points = {}
    with _stack(folder, "rows") as own:
        for count in _ROWS:
            rows = models.rows(count).tolist()
            forms = {"tensor": own.tensor("logistic", rows, datatype="FP32")}
            if count <= _MOST_JSON_ROWS:
                forms["JSON"] = own.rows("logistic", rows)
            for form, payload in forms.items():
                at = f"{count:,}, {form}"
                points[at] = _point(own, payload, 4, seconds)
                _show(at, points[at])
    return points


def _limits(folder: Path, seconds: float) -> Points:
    _head("quota")
    points: Points = {}
    for at, leased in (("leased to workers", "true"), ("asked for each call", "false")):
        with _stack(folder, leased, settings={"GATEWAY_LIMITS__LEASE_QUOTA": leased}) as own:
            payload = own.rows("logistic", models.rows(1).tolist())
            points[at] = _point(own, payload, 16, seconds)
            _show(at, points[at])
    return points


def _population(folder: Path, what: str, seconds: float) -> Points:
    _head(what)
    points: Points = {}
    with _stack(folder, what) as own:
        growth = Growth(own, trained.ours() / "logistic.joblib")
        payload = own.rows("logistic", models.rows(1).tolist())
        there = min(_POPULATIONS[what])
        for count in _POPULATIONS[what]:
            began = time.monotonic()
            getattr(growth, what)(there, count)
            grown_s = time.monotonic() - began
            served_s = growth.await_served()
            at = f"{count:,}"
            points[at] = _point(own, payload, 16, seconds)
            points[at] |= {"grown_s": grown_s, "served_s": served_s}
            there = count
            _show(at, points[at])
        # A change of partners, keys or models makes every process read all of them again.
        for changed in ("revocations", "partners"):
            at = f"{there:,}, 5 {changed}/s"
            with _changing(getattr(growth, changed)):
                points[at] = _point(own, payload, 16, seconds)
            _show(at, points[at])
        growth.close()
    return points


@contextlib.contextmanager
def _changing(add: Callable[[int, int], None]) -> Iterator[None]:
    """One more of these five times a second."""
    ended = threading.Event()

    def change() -> None:
        number = 1_000_000
        while not ended.wait(_CHANGE_EVERY_S):
            add(number, number + 1)
            number += 1

    changing = threading.Thread(target=change)
    changing.start()
    yield
    ended.set()
    changing.join()


if __name__ == "__main__":
    main()
