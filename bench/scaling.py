"""How the cost of a request grows: `make scaling`.

With workers, rows a call, partners, revocations and models. Requests a second depend on who else
uses the machine; the CPU time of a request, which the kernel counts, hardly does.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from bench import models
from bench.cost import cpu_seconds
from bench.load import measure
from bench.ours import Gateway, gateway
from bench.peers import Payload
from gateway.cli.administration import Administration, administration
from gateway.cli.model_intake import model_store
from gateway.cli.partner import create_partner
from model.engines.record import EngineWish
from model.first_load import load_here

ROOT = Path(__file__).parents[1]
_SCOPES = ("model:*:predict", "model:*:read")
_POPULATIONS: dict[str, tuple[int, ...]] = {
    "partners": (1, 100, 1_000, 10_000),
    "revocations": (0, 100, 1_000, 10_000),
    "models": (1, 10, 50),
}


@click.command()
@click.option("--seconds", default=3.0, show_default=True, help="Of each measurement.")
def main(*, seconds: float) -> None:
    """Print the curves; write them to var/bench/scaling.json."""
    with tempfile.TemporaryDirectory(prefix="gw-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        models.main(folder / "models")
        curves = {"workers": _workers(folder, seconds), "rows": _rows(folder, seconds)}
        curves |= {what: _population(folder, what, seconds) for what in _POPULATIONS}
    out = ROOT / "var" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    (out / "scaling.json").write_text(json.dumps(curves, indent=1) + "\n")


@contextmanager
def _stack(folder: Path, name: str, workers: int = 2) -> Iterator[Gateway]:
    logistic = {"logistic": folder / "models" / "logistic.joblib"}
    with gateway(folder / name / "gateway", logistic, workers) as own:
        yield own


def _point(own: Gateway, payload: Payload, connections: int, seconds: float) -> dict[str, float]:
    call = (own.url + payload.path, payload.body, payload.headers)
    measure(*call, connections=connections, seconds=1)
    before = cpu_seconds(own.server.process.pid)
    found = measure(*call, connections=connections, seconds=seconds)
    after = cpu_seconds(own.server.process.pid)
    spent = after["predictions"] - before["predictions"]
    requests = found.requests_per_s * seconds
    return {
        "requests_per_s": found.requests_per_s,
        "p99_ms": found.p99_ms,
        "worker_cpu_us": spent / requests * 1e6 if requests else float("nan"),
        "memory_mb": own.server.pss_mb(),
        "failed": found.refused + found.broken,
    }


def _show(what: str, points: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    click.echo(f"\n{what:>14}{'req/s':>10}{'p99 ms':>9}{'worker CPU us':>15}{'MB':>7}{'failed':>8}")
    for at, point in points.items():
        click.echo(
            f"{at:>14}{point['requests_per_s']:>10,.0f}{point['p99_ms']:>9.2f}"
            f"{point['worker_cpu_us']:>15,.0f}{point['memory_mb']:>7.0f}{point['failed']:>8.0f}"
        )
    return points


def _workers(folder: Path, seconds: float) -> dict[str, dict[str, float]]:
    points = {}
    for workers in (1, 2, 3, 4):
        with _stack(folder, f"workers-{workers}", workers) as own:
            one = own.rows("logistic", models.rows(1).tolist())
            points[f"{workers}, 1 row"] = _point(own, one, 16, seconds)
            many = own.tensor("logistic", models.rows(10_000).tolist())
            points[f"{workers}, 10,000"] = _point(own, many, 4, seconds)
    return _show("workers", points)


def _rows(folder: Path, seconds: float) -> dict[str, dict[str, float]]:
    points = {}
    with _stack(folder, "rows") as own:
        for count in (1, 10, 100, 1_000, 10_000, 100_000):
            if count <= 10_000:
                json_rows = own.rows("logistic", models.rows(count).tolist())
                points[f"{count}, JSON"] = _point(own, json_rows, 4, seconds)
            # Single precision: 100,000 rows of doubles are more than a body may have.
            tensor = own.tensor("logistic", models.rows(count).tolist(), datatype="FP32")
            points[f"{count}, tensor"] = _point(own, tensor, 4, seconds)
    return _show("rows a call", points)


def _population(folder: Path, what: str, seconds: float) -> dict[str, dict[str, float]]:
    add = {"partners": _add_partner, "revocations": _add_revocation, "models": _add_model}[what]
    points = {}
    with _stack(folder, what) as own:
        admin = administration(own.data_dir)
        payload = own.rows("logistic", models.rows(1).tolist())
        there = min(_POPULATIONS[what])
        for count in _POPULATIONS[what]:
            _grow(partial(add, admin, folder), there, count)
            there = count
            own.administer("status")
            points[f"{count:,}"] = _point(own, payload, 16, seconds)
        admin.close()
    return _show(what, points)


def _grow(add: Callable[[int], None], there: int, wanted: int) -> None:
    for number in range(there, wanted):
        add(number)
    # Every worker has seen it after a round of its watcher, and loaded what there is to load.
    time.sleep(3)


def _add_partner(admin: Administration, _folder: Path, number: int) -> None:
    create_partner(admin, f"partner-{number}", "standard", _SCOPES)


def _add_revocation(admin: Administration, _folder: Path, number: int) -> None:
    admin.store.revoke_token(f"{number:032x}", time.time() + 3600)


def _add_model(admin: Administration, folder: Path, number: int) -> None:
    store, name = model_store(admin), f"model-{number}"
    load = partial(load_here, wish=EngineWish("native"))
    proven = store.prove(folder / "models/logistic.joblib", name, "1", "bench", load=load)
    manifest = store.place(proven)
    admin.store.add_model_version(name, "1", manifest.digest)
    admin.store.promote_model(name, "1", 0)


if __name__ == "__main__":
    main()
