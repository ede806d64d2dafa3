"""Gunicorn under our master, with a service that says who it is, for `test_arbiter`.

    python arbiter_app.py FOLDER [BEGIN_WITHIN_S]

The generation is the number in FOLDER/generation; where FOLDER/broken is, tending raises. Workers
write when they start and stop to FOLDER/history, and start only where there is FOLDER/open.
"""

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

from gateway.arbiter import GatewayArbiter
from gateway.control.watcher import Ticker
from gateway.wsgi.service import Service


class History:
    """Background work of a worker, and its report: a line when it begins and when it ends."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def start(self) -> None:
        while not (self._file.parent / "open").exists():
            time.sleep(0.01)  # As one with much to load would begin late.
        self._append("start")

    def stop(self) -> None:
        self._append("stop")

    def write(self) -> None:
        """There is nothing more to report."""

    def remove(self) -> None:
        """`stop` has said it."""

    def _append(self, what: str) -> None:
        with self._file.open("a") as file:
            file.write(f"{what} {os.getpid()}\n")


class Generation:
    """What the test decides about the process that workers are forked from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def generation(self) -> int:
        return int((self._folder / "generation").read_text())

    def step(self) -> None:
        if (self._folder / "broken").exists():
            (self._folder / "tended").touch()
            raise RuntimeError("told to")


class Application(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Two workers of ours on a unix socket."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        super().__init__()

    def load_config(self) -> None:
        settings = {
            "bind": f"unix:{self._folder}/socket",
            "workers": 2,
            "worker_class": "gateway.worker.GatewayWorker",
            "preload_app": True,
            "control_socket_disable": True,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Service:
        history = History(self._folder / "history")
        return Service(
            _who, Ticker([], 1.0), history, others=[history], renewal=Generation(self._folder)
        )


def _who(_environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


if __name__ == "__main__":
    if len(sys.argv) > 2:
        GatewayArbiter.begin_within_s = float(sys.argv[2])
    GatewayArbiter(Application(Path(sys.argv[1]))).run()
