"""Start a peer in its own environment."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.peers import Peer, Rows
from bench.processes import NotReady, Server, free_port, running
from bench.trained import ENVIRONMENTS


@dataclass(frozen=True)
class Running:
    """A peer that answers."""

    peer: Peer
    server: Server
    port: int


def installed(peer: Peer) -> bool:
    return (ENVIRONMENTS / peer.name / ".installed").exists()


@contextlib.contextmanager
def started(
    peer: Peer, model: Path, folder: Path, rows: Rows, within_s: float
) -> Iterator[Running]:
    """The peer with one model, when it has answered these rows. Raises: NotReady."""
    folder.mkdir(parents=True)
    port = free_port()
    bin_ = ENVIRONMENTS / peer.name / "bin"
    for name, document in peer.files(model, folder, port).items():
        (folder / name).write_text(json.dumps(document))
    environment = {
        "PATH": f"{bin_}:{os.environ['PATH']}",
        "MODEL": str(model),
        **peer.environment(folder, port),
    }
    if peer.prepare is not None:
        _prepare(peer.prepare(bin_, folder), folder, environment)
    with running(peer.command(bin_, folder, port), folder, environment) as server:
        payload = peer.payload(rows)
        url = f"http://127.0.0.1:{port}{payload.path}"
        server.wait(url, payload.body, payload.headers, within_s)
        yield Running(peer, server, port)


def _prepare(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    with (folder / "log").open("wb") as log:
        done = subprocess.run(
            command, env={**os.environ, **environment}, stdout=log, stderr=log, check=False
        )
    if done.returncode:
        raise NotReady(f"preparing it failed; see {folder / 'log'}")
