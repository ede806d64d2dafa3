"""`make bench`: the gateway beside its peers and its floors, in one run.

The gateway has everything on; its peers have nothing on but their own defaults. Each stands with
two workers and one thread for each, is asked for the same rows over the same number of
connections, and has its answer compared with the model's own before it is timed.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import joblib

from bench import models
from bench.cells import CELLS, OURS, Place, entrants
from bench.door import doors
from bench.launch import ENVIRONMENTS, Running, WrongAnswer, installed, started, train
from bench.ours import Gateway, gateway
from bench.peers import PEERS
from bench.processes import NotReady, Server, free_port, running
from bench.report import as_json, as_text
from bench.rounds import Pace, Row, run

ROOT = Path(__file__).parents[1]
_QUICK_PEERS = ("bare", "fastapi", "kserve", "mlserver")
_CHECKED_ROWS = 3


class Bench:
    """One run: what was measured, and what could not be."""

    def __init__(self, folder: Path, pace: Pace, peers: tuple[str, ...], *, quick: bool) -> None:
        self.folder = folder
        self.pace = pace
        self.quick = quick
        self.peers = [peer for peer in PEERS if peer.name in peers]
        self.table: dict[str, list[Row]] = {}
        self.servers: list[dict[str, Any]] = []
        self.missing: dict[str, str] = {}

    def run(self, only: str) -> None:
        """Model by model: start everybody, measure its cells, stop them."""
        models.main(self.folder / "models" / OURS)
        for name in models.MODELS:
            cells = [cell for cell in CELLS if cell.model == name and only in cell.name]
            cells = [cell for cell in cells if cell.quick or not self.quick]
            if cells:
                with contextlib.ExitStack() as held:
                    place, weighed = self._place(held, name)
                    for cell in cells:
                        found = entrants(cell, place)
                        self.table[cell.name] = run(cell, found, self.pace, _say)
                    self._weigh(weighed, name)

    def _place(self, held: contextlib.ExitStack, model: str) -> tuple[Place, dict[str, Any]]:
        trained = {name: self._trained(OURS, name) for name in models.MODELS}
        own = held.enter_context(gateway(self.folder / model / OURS, {model: trained[model]}))
        self._require_right(own, model)
        peers = [one for peer in self.peers if (one := self._peer(held, peer, model)) is not None]
        floors = {"floor": "bench.floor_app:app", "hello": "bench.floor_app:hello"}
        urls = {name: self._floor(held, app, model) for name, app in floors.items()}
        behind = {one.peer.name: f"127.0.0.1:{one.port}" for one in peers}
        behind["floor"] = urls["floor"].removeprefix("http://")
        _, door_urls = held.enter_context(doors(self.folder / model / "doors", behind))
        weighed = {OURS: (own.server, own.server.pss_mb())}
        weighed |= {one.peer.name: (one.server, one.server.pss_mb()) for one in peers}
        return Place(model, own, tuple(peers), door_urls, urls), weighed

    def _peer(self, held: contextlib.ExitStack, peer: Any, model: str) -> Running | None:
        if not installed(peer):
            self.missing[peer.name] = "it is not installed; see make bench-peers"
            return None
        _say(f"starting {peer.name} ({model})")
        rows = models.rows(_CHECKED_ROWS)
        expected = joblib.load(self._trained(OURS, model)).predict_proba(rows)
        if not self._trained(peer.name, model).exists():
            train(peer, self.folder / "models" / peer.name)
        path = self._trained(peer.name, model)
        place = self.folder / model / peer.name
        try:
            return held.enter_context(started(peer, path, place, rows.tolist(), expected))
        except (NotReady, WrongAnswer) as exc:
            self.missing[f"{peer.name}, {model}"] = str(exc)
            return None

    def _require_right(self, own: Gateway, model: str) -> None:
        rows = models.rows(_CHECKED_ROWS)
        expected = joblib.load(self._trained(OURS, model)).predict_proba(rows)
        answer = own.ask(own.rows(model, rows.tolist()))
        difference = abs(expected - answer["probabilities"]).max()
        if difference > 1e-6:
            raise WrongAnswer(f"the gateway is {difference:.2g} off")

    def _floor(self, held: contextlib.ExitStack, app: str, model: str) -> str:
        port = free_port()
        folder = self.folder / model / app.replace(":", "-")
        folder.mkdir()
        command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--log-level", "warning"]
        command += ["--bind", f"127.0.0.1:{port}", "--chdir", str(ROOT), app]
        server: Server = held.enter_context(running(command, folder))
        url = f"http://127.0.0.1:{port}"
        server.wait(f"{url}/empty", b"{}")
        return url

    def _weigh(self, weighed: dict[str, Any], model: str) -> None:
        for name, (server, idle_mb) in weighed.items():
            self.servers.append(
                {
                    "name": name,
                    "model": model,
                    "idle_mb": idle_mb,
                    "after_mb": server.pss_mb(),
                    "ready_s": server.ready_s,
                }
            )

    def _trained(self, who: str, model: str) -> Path:
        return self.folder / "models" / who / f"{model}.joblib"


@click.command()
@click.option("--quick", is_flag=True, help="Four peers, one short round: a first sign.")
@click.option("--rounds", type=int, help="Default 3.")
@click.option("--seconds", type=float, help="Of each turn; default 4.")
@click.option("--only", default="", help="Cells whose name holds this text.")
@click.option("--peers", default="", help="Names with commas; default all.")
def main(*, quick: bool, rounds: int | None, seconds: float | None, only: str, peers: str) -> None:
    """Print the table; write results.json and chart.svg to var/bench."""
    if shutil.which("wrk") is None or shutil.which("nginx") is None:
        raise click.ClickException("the benchmark needs Debian's wrk, nginx and redis-server")
    chosen = tuple(peers.split(",")) if peers else tuple(peer.name for peer in PEERS)
    if quick and not peers:
        chosen = _QUICK_PEERS
    rounds, seconds = rounds or (1 if quick else 3), seconds or (1 if quick else 4)
    pace = Pace(rounds, seconds, warm_up=not quick)
    with tempfile.TemporaryDirectory(prefix="gw-bench-") as name:
        Path(name).chmod(0o755)
        bench = Bench(Path(name), pace, chosen, quick=quick)
        bench.run(only)
    report = (bench.table, bench.servers, bench.missing)
    click.echo(f"{os.cpu_count()} cores, {rounds} rounds of {seconds:g} s\n\n{as_text(*report)}")
    out = ROOT / "var" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(as_json(*report))
    _draw(out)


def _draw(out: Path) -> None:
    python = ENVIRONMENTS / "chart" / "bin" / "python"
    if python.exists():
        chart = Path(__file__).with_name("chart.py")
        subprocess.run([python, chart, out / "results.json", out / "chart.svg"], check=True)


def _say(text: str) -> None:
    click.echo(f"  {text}", err=True)


if __name__ == "__main__":
    main()
