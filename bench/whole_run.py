"""One run: everybody is started, checked, measured in turn, weighed, and stopped."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib

from bench import facts, models, trained
from bench.cells import CELLS, OURS, AnyEntrant, Cell, Place, entrants
from bench.door import doors
from bench.entrants import WrongAnswer
from bench.kept import ROOT
from bench.launch import Running, installed, started
from bench.ours import Gateway, gateway
from bench.peers import PEERS, Peer
from bench.prepared import SLOW, slow_models
from bench.processes import NotReady, Server, await_quiet, free_port, running
from bench.report import Report
from bench.rounds import Pace, run

_ASKED_ROWS = 3


class Bench:
    """One run."""

    def __init__(
        self,
        folder: Path,
        pace: Pace,
        peers: Sequence[str],
        say: Callable[[str], None],
        *,
        quick: bool,
    ) -> None:
        self.folder = folder
        self._say = say
        self.pace = pace
        self.quick = quick
        self.peers = [peer for peer in PEERS if peer.name in peers]
        self.report = Report()

    def run(self, only: str) -> None:
        """Ours stands all the time; peers with one model after the other."""
        self._leave_out_missing()
        artifacts = self._train()
        wanted = [cell for cell in CELLS if only in cell.name and (cell.leaders or not self.quick)]
        # As each peer: with one model.
        with gateway(self.folder / OURS / "one", {"logistic": artifacts["logistic"]}) as own:
            self.report.facts |= facts.at_start(own)
            idle = {OURS: (own.server, self.report.facts["whole_idle_mb"])}
            self._weigh(idle, "logistic, asked for nothing")
        with gateway(self.folder / OURS / "all", artifacts) as own:
            idle_mb = own.server.pss_mb()
            for model in models.MODELS:
                self._measure(own, model, [cell for cell in wanted if cell.model == model])
            self._weigh({OURS: (own.server, idle_mb)}, "all three models")
            self.report.facts |= facts.one_more_worker(own, "logistic")
        if not only:
            self._ask_with_heavy_models(idle_mb)

    def _ask_with_heavy_models(self, idle_mb: float) -> None:
        self._say("a model of 10 ms, and overload")
        seconds = 2 if self.quick else 6
        with gateway(self.folder / OURS / "slow", slow_models()) as own:
            for name, artifact in slow_models().items():
                self.report.facts |= facts.slow_model(own, name, artifact, seconds)
            self.report.facts |= facts.overload(own, SLOW, seconds)
        if not self.quick:
            self._say("a model of 500 MB")
            place, forest = self.folder / OURS / "large", trained.heavy("large-forest")
            self.report.facts |= facts.large_forest(place, forest, idle_mb)

    def _train(self) -> dict[str, Path]:
        self._say("training the models, where they are not kept from an earlier run")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(trained.of_peer, [peer.name for peer in self.peers]))
        return {name: trained.ours() / f"{name}.joblib" for name in models.MODELS}

    def _leave_out_missing(self) -> None:
        for peer in [peer for peer in self.peers if not installed(peer)]:
            self.report.missing[peer.name] = "it is not installed; see make bench-peers"
            self.peers.remove(peer)

    def _measure(self, own: Gateway, model: str, cells: list[Cell]) -> None:
        if not cells:
            return
        with contextlib.ExitStack() as held:
            place, weighed = self._place(held, own, cells)
            estimator = joblib.load(place.artifact)
            for cell in cells:
                expected = estimator.predict_proba(models.rows(cell.rows))
                found = entrants(cell, place, quick=self.quick)
                right = [one for one in found if self._right(one, cell, expected)]
                self.report.table[cell.name] = run(cell, right, self.pace, self._say)
            self._weigh(weighed, model)

    def _right(self, one: AnyEntrant, cell: Cell, expected: Any) -> bool:
        """Whether its answers are the model's; a peer whose are not is left out, and said so."""
        try:
            one.require_right(expected)
        except WrongAnswer as exc:
            if one.name.startswith(OURS):
                raise
            self.report.missing[f"{one.name}: {cell.name}"] = str(exc)
            return False
        return True

    def _place(
        self, held: contextlib.ExitStack, own: Gateway, cells: Sequence[Cell]
    ) -> tuple[Place, dict[str, Any]]:
        model = cells[0].model
        leaders = {name for cell in cells for name in cell.leaders}
        wanted = [peer for peer in self.peers if peer.name in leaders or not self.quick]
        peers = self._start_peers(held, wanted, model)
        await_quiet()
        floors = {"floor": "bench.floor_app:app", "hello": "bench.floor_app:hello"}
        urls = {name: self._floor(held, app, model) for name, app in floors.items()}
        behind = {one.peer.name: f"127.0.0.1:{one.port}" for one in peers}
        # On a unix socket, as ours.
        behind["floor"] = f"unix:{self._floor_folder(model, floors['floor']) / 'socket'}"
        _, door_urls = held.enter_context(doors(self.folder / model / "doors", behind))
        weighed = {one.peer.name: (one.server, one.server.pss_mb()) for one in peers}
        artifact = trained.ours() / f"{model}.joblib"
        return Place(model, artifact, own, tuple(peers), door_urls, urls), weighed

    def _start_peers(
        self, held: contextlib.ExitStack, wanted: Sequence[Peer], model: str
    ) -> list[Running]:
        """One after the other, so that the time to ready is each one's own; at once if quick."""
        with ThreadPoolExecutor(os.cpu_count() if self.quick else 1) as pool:
            found = list(pool.map(lambda peer: self._started(peer, model), wanted))
        return [held.enter_context(_held(one)) for one in found if one is not None]

    def _started(self, peer: Peer, model: str) -> tuple[contextlib.ExitStack, Running] | None:
        self._say(f"starting {peer.name} ({model})")
        place, artifact = self.folder / model / peer.name, trained.of_peer(peer.name)
        rows = models.rows(_ASKED_ROWS).tolist()
        within_s = 45 if self.quick else 90
        stack = contextlib.ExitStack()
        starting = started(peer, artifact / f"{model}.joblib", place, rows, within_s)
        try:
            one = stack.enter_context(starting)
        except NotReady as exc:
            self.report.missing[f"{peer.name}, {model}"] = str(exc)
            return None
        return stack, one

    def _floor(self, held: contextlib.ExitStack, app: str, model: str) -> str:
        port = free_port()
        folder = self._floor_folder(model, app)
        folder.mkdir(parents=True)
        command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--log-level", "warning"]
        command += ["--bind", f"127.0.0.1:{port}", "--bind", f"unix:{folder}/socket"]
        command += ["--chdir", str(ROOT), app]
        server: Server = held.enter_context(running(command, folder))
        url = f"http://127.0.0.1:{port}"
        server.wait(f"{url}/empty", b"{}")
        return url

    def _floor_folder(self, model: str, app: str) -> Path:
        return self.folder / model / app.replace(":", "-")

    def _weigh(self, weighed: dict[str, Any], model: str) -> None:
        for name, (server, idle_mb) in weighed.items():
            self.report.servers.append(
                {
                    "name": name,
                    "model": model,
                    "idle_mb": idle_mb,
                    "after_mb": server.pss_mb(),
                    # Those that start beside others have no time of their own.
                    "ready_s": None if self.quick and name != OURS else server.ready_s,
                }
            )


@contextlib.contextmanager
def _held(one: tuple[contextlib.ExitStack, Running]) -> Iterator[Running]:
    with one[0]:
        yield one[1]
