"""Start a peer in its own environment, and prove that its answers are the model's."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.peers import Payload, Peer, Rows
from bench.processes import NotReady, Server, free_port, running

ENVIRONMENTS = Path(__file__).parents[1] / ".venv-bench"
MODELS = Path(__file__).with_name("models.py")
_TOLERANCE = 1e-9


class WrongAnswer(Exception):
    """A server answers other probabilities than its model gives in process."""


@dataclass(frozen=True)
class Running:
    """A peer that has given a right answer."""

    peer: Peer
    server: Server
    port: int


def installed(peer: Peer) -> bool:
    return (ENVIRONMENTS / peer.name / ".installed").exists()


def train(peer: Peer, folder: Path) -> None:
    """Train its models with its own libraries."""
    python = ENVIRONMENTS / peer.name / "bin" / "python"
    subprocess.run([python, MODELS, folder], check=True, capture_output=True)


@contextlib.contextmanager
def started(
    peer: Peer, model: Path, folder: Path, rows: Rows, expected: object
) -> Iterator[Running]:
    """The peer with one model. Raises: NotReady, WrongAnswer."""
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
        url = f"http://127.0.0.1:{port}"
        require_right(peer, url, server, peer.payload(rows), expected)
        yield Running(peer, server, port)


def require_right(peer: Peer, url: str, server: Server, payload: Payload, expected: object) -> None:
    """Ask once, and compare. Raises: NotReady, WrongAnswer."""
    answer = json.loads(server.wait(url + payload.path, payload.body, payload.headers))
    difference = np.abs(np.asarray(peer.answer(answer)) - np.asarray(expected)).max()
    if not difference <= _TOLERANCE:
        raise WrongAnswer(f"{peer.name} is {difference:.2g} off")


def _prepare(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    with (folder / "log").open("wb") as log:
        done = subprocess.run(
            command, env={**os.environ, **environment}, stdout=log, stderr=log, check=False
        )
    if done.returncode:
        raise NotReady(f"preparing it failed; see {folder / 'log'}")
