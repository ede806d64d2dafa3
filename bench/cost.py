"""Where one request's time goes, on the running stack: `make profile`.

Three views of the same load: CPU time of each process for a request (the kernel's own count, which
holds on a busy machine too), the phases that the log's events tell, and the functions of a worker
as a sampling profiler saw them (py-spy, where it is installed: `make bench-peers`).
"""

import json
import os
import statistics
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import click

from bench import models, trained
from bench.load import measure
from bench.ours import Gateway, gateway
from bench.processes import tree
from bench.trained import ENVIRONMENTS

_TICKS = os.sysconf("SC_CLK_TCK")
_SHOWN_FUNCTIONS = 60

Call = tuple[str, bytes, Mapping[str, str]]


@click.command()
@click.option("--model", type=click.Choice(list(models.MODELS)), default="logistic")
@click.option("--rows", default=1, show_default=True)
@click.option("--connections", default=16, show_default=True)
@click.option("--seconds", default=10, show_default=True)
def main(*, model: str, rows: int, connections: int, seconds: int) -> None:
    """Print where the time of one kind of request goes; write var/bench/flame.svg."""
    with tempfile.TemporaryDirectory(prefix="gw-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with gateway(
            folder / "here" / "gateway", {model: trained.ours() / f"{model}.joblib"}
        ) as own:
            payload = own.rows(model, models.rows(rows).tolist())
            click.echo(f"{model}, {rows} rows, {connections} connections, all protections")
            call = (own.url + payload.path, payload.body, payload.headers)
            _profile(own, call, connections, seconds)


def _profile(own: Gateway, call: Call, connections: int, seconds: int) -> None:
    measure(*call, connections=connections, seconds=2)
    log = own.server.log
    before, from_byte = cpu_seconds(own.server.process.pid), log.stat().st_size
    found = measure(*call, connections=connections, seconds=seconds)
    after = cpu_seconds(own.server.process.pid)
    requests = found.requests_per_s * seconds
    click.echo(
        f"{found.requests_per_s:,.0f} requests/s, p50 {found.p50_ms:.2f} ms,"
        f" p99 {found.p99_ms:.2f} ms, refused {found.refused}\n"
    )
    _show_cpu(spent(before, after), requests)
    _show_phases(log, from_byte)
    _show_functions(own, call, connections, seconds)


def cpu_seconds(root: int) -> dict[tuple[str, int], float]:
    """CPU time so far of all below `root`, by the kind of process and its pid."""
    found: dict[tuple[str, int], float] = {}
    for pid in tree(root):
        try:
            head, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        user, system = rest.split()[11:13]
        kind = _kind(head.partition("(")[2], words)
        found[kind, pid] = (int(user) + int(system)) / _TICKS
    return found


def spent(
    before: Mapping[tuple[str, int], float], after: Mapping[tuple[str, int], float]
) -> dict[str, float]:
    """CPU time between the two, by kind of process; of those that ended meanwhile it is lost."""
    found: Counter[str] = Counter()
    for (kind, pid), seconds in after.items():
        found[kind] += seconds - before.get((kind, pid), 0.0)
    return dict(found)


def _kind(program: str, words: str) -> str:
    for role in ("predictions", "tokens"):
        if f"--role {role}" in words or f"{role}:" in words:
            return role
    return program if program.startswith(("nginx", "redis")) else "supervisor"


def _show_cpu(seconds: Mapping[str, float], requests: float) -> None:
    click.echo("CPU microseconds per request")
    costs = {kind: spent_s * 1e6 / requests for kind, spent_s in seconds.items()}
    for kind, cost in sorted(costs.items(), key=lambda item: -item[1]):
        click.echo(f"  {kind:24}{cost:8.0f}")
    click.echo(f"  {'all':24}{sum(costs.values()):8.0f}\n")


def _show_phases(log: Path, from_byte: int) -> None:
    with log.open("rb") as file:
        file.seek(from_byte)
        lines = [line for line in file if b'"request_finished"' in line]
    events = [json.loads(line) for line in lines]
    click.echo(f"Phases of a request, microseconds (median of {len(events)} events)")
    names = sorted({name for event in events for name in event if name.endswith("_ms")})
    for name in names:
        values = [event[name] for event in events if name in event]
        click.echo(f"  {name.removesuffix('_ms'):24}{statistics.median(values) * 1000:8.0f}")
    click.echo("")


def _show_functions(own: Gateway, call: Call,
                    connections: int, seconds: int) -> None:  # fmt: skip
    spy = ENVIRONMENTS / "profiler" / "bin" / "py-spy"
    worker = _busiest(own.server.process.pid)
    if not spy.exists() or worker is None:
        click.echo("No functions: py-spy is not installed (make bench-peers).")
        return
    out = Path("var/bench")
    out.mkdir(parents=True, exist_ok=True)
    recording = [
        subprocess.Popen(
            [spy, "record", "--pid", str(worker), "--duration", str(seconds), "--rate", "400",
             "--format", form, "--output", out / name],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for form, name in (("raw", "stacks.txt"), ("flamegraph", "flame.svg"))
    ]  # fmt: skip
    measure(*call, connections=connections, seconds=seconds)
    for one in recording:
        one.wait(timeout=60)
    _show_stacks((out / "stacks.txt").read_text().splitlines())


def _busiest(root: int) -> int | None:
    spent = {}
    for pid in tree(root):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
            rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if b"predictions" in words:
            spent[pid] = int(rest[11])
    return max(spent, key=spent.__getitem__, default=None)


def _show_stacks(lines: list[str]) -> None:
    own: Counter[str] = Counter()
    with_callees: Counter[str] = Counter()
    total = 0
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = [frame.rpartition(":")[0] + ")" for frame in stack.split(";") if ":" in frame]
        if not any(frame.startswith("GatewayWorker.run ") for frame in frames):
            continue  # Its background threads only wait.
        total += int(count)
        own[frames[-1]] += int(count)
        for frame in set(frames):
            with_callees[frame] += int(count)
    click.echo(f"Functions of one worker, share of {total} samples\n  {'own':>6}{'all':>7}")
    inside = [frame for frame in with_callees.most_common() if frame[1] < total]
    for frame, count in inside[:_SHOWN_FUNCTIONS]:
        click.echo(f"  {own[frame] / total:>6.1%}{count / total:>7.1%}  {frame}")


if __name__ == "__main__":
    main()
