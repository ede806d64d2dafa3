"""What the bars ask of our own stack beside throughput: memory, start, slow models, overload."""

import contextlib
import os
import signal
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

from bench import models
from bench.entrants import InProcess
from bench.open_loop import offer
from bench.ours import WORKERS, Gateway, gateway
from bench.processes import NotReady, Server, await_quiet, tree
from gateway.cli.administration import administration
from gateway.control.worker_status import live_workers

ACCEPTABLE = frozenset({200, 429, 503})
_OVERLOAD = 3.0
_SLOW_MS = 10.0
_TURN_S = 0.7
_LOOK_AGAIN_S = 0.1
_READY_WITHIN_S = 20.0


def at_start(own: Gateway) -> dict[str, float]:
    """To be asked before anything else is: memory of the idle stack, and how long its start was.

    `idle_mb` is what serves. `make stack` has a supervisor besides, which other shapes have not.
    """
    _await_workers(own, WORKERS)
    await_quiet()
    whole_mb, serving_mb = own.server.pss_mb(), own.server.pss_of_children_mb()
    return {"whole_idle_mb": whole_mb, "idle_mb": serving_mb, "ready_s": own.server.ready_s}


def one_more_worker(own: Gateway, model: str) -> dict[str, float]:
    """What a third prediction worker adds, once it has had its share of the load."""
    payload = own.rows(model, models.rows(100).tolist())
    own.measure(payload, 16, 1)
    before = own.server.pss_mb()
    master = _gunicorn(own.server)
    os.kill(master, signal.SIGTTIN)
    _await_workers(own, WORKERS + 1)
    own.measure(payload, 16, 1)
    grown = own.server.pss_mb() - before
    os.kill(master, signal.SIGTTOU)
    return {"one_more_worker_mb": grown}


def _gunicorn(server: Server) -> int:
    """The process that forks prediction workers."""
    for pid in tree(server.process.pid):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        # The first one found is the parent of the others: the tree is walked from its root.
        if b"predictions" in words:
            return pid
    raise NotReady("no process serves predictions")


def _await_workers(own: Gateway, wanted: int) -> None:
    """Until so many prediction workers have reported: their first round is done then."""
    deadline = time.monotonic() + _READY_WITHIN_S
    with contextlib.closing(administration(own.data_dir)) as admin:
        while time.monotonic() < deadline:
            workers = live_workers(admin.status_engine, time.time())
            if sum(worker.role == "predictions" for worker in workers) >= wanted:
                return
            time.sleep(_LOOK_AGAIN_S)
    raise NotReady(f"there are no {wanted} workers after {_READY_WITHIN_S:.0f} s")


def slow_model(own: Gateway, model: str, artifact: Path, seconds: float) -> dict[str, float]:
    """Ours over in process, one caller, with as many rows as take 10 ms or more in process.

    Both are asked in turn: what such a model takes changes by half within a minute, with what else
    uses the memory of the machine.
    """
    alone = _of_10_ms(model, artifact)
    payload = own.rows(model, models.rows(alone.rows).tolist())
    own.measure_at_once(payload, 1, _TURN_S)
    in_process_ms, served_ms = [], []
    with alone.standing() as ask:
        for _ in range(max(3, round(seconds / _TURN_S))):
            in_process_ms.append(ask(_TURN_S).p50_ms)
            served_ms.append(own.measure_at_once(payload, 1, _TURN_S).p50_ms)
    ratios = [ours / theirs for ours, theirs in zip(served_ms, in_process_ms, strict=True)]
    return {
        f"{model}_in_process_ms": statistics.median(in_process_ms),
        f"{model}_served_ms": statistics.median(served_ms),
        f"{model}_ratio": statistics.median(ratios),
    }


def _of_10_ms(model: str, artifact: Path) -> InProcess:
    rows = 1
    while (alone := InProcess(model, artifact, rows)).measure(1, _TURN_S).p50_ms < _SLOW_MS:
        rows += 1
    return alone


def overload(own: Gateway, model: str, seconds: float) -> dict[str, float]:
    """Three times what it can do, beside what it can do (open loop; see `make overload`)."""
    payload = own.rows(model, models.rows(1).tolist())
    capacity = own.measure(payload, 16, seconds).requests_per_s
    steps = [offer(own.url, payload, capacity * step, seconds) for step in (1.0, _OVERLOAD)]
    over = steps[-1]
    others = sum(count for status, count in over.statuses.items() if status not in ACCEPTABLE)
    return {
        "goodput_share": over.goodput / max(step.goodput for step in steps),
        "refused_p99_ms": over.quantile_ms(0.99, accepted=False) if over.refused else 0.0,
        "other_statuses": others,
    }


def large_forest(folder: Path, artifact: Path, without_mb: float) -> Mapping[str, float]:
    """A model of 500 MB, loaded at the start: the stack's growth over the size of one copy."""
    size_mb = artifact.stat().st_size / 1e6
    with gateway(folder, {"large-forest": artifact}) as own:
        own.measure(own.rows("large-forest", models.rows(1).tolist()), 4, 2)
        grown = own.server.pss_mb() - without_mb
    return {"forest_mb": size_mb, "forest_copies": grown / size_mb}
