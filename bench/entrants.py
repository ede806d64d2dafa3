"""Who takes part: servers that are asked over HTTP, and the model asked without a server."""

import contextlib
import json
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.load import Measured, measure
from bench.peers import Payload
from bench.processes import ONE_THREAD

Read = Callable[[bytes, Mapping[str, str]], Any]
_IN_PROCESS = Path(__file__).with_name("in_process.py")


class WrongAnswer(Exception):
    """A server answers other probabilities than its model gives in process."""


@dataclass(frozen=True)
class Entrant:
    """One row of a cell's table: who is asked, where, and what.

    Args:
        read: the probabilities in an answer's body and fields, shape (n, 2); None: a floor, which
            answers nothing.
        tolerance: how far they may be from what the estimator says in process.
    """

    name: str
    url: str
    payload: Payload
    read: Read | None = None
    tolerance: float = 1e-9

    @property
    def body_bytes(self) -> int:
        return len(self.payload.body)

    def require_right(self, expected: Any) -> None:
        """Ask once for all rows, and compare. Raises: WrongAnswer."""
        if self.read is None:
            return
        request = urllib.request.Request(
            self.url + self.payload.path, self.payload.body, dict(self.payload.headers)
        )
        # Certificates of this run's own, on loopback.
        trusting = ssl._create_unverified_context()  # noqa: S323
        try:
            with urllib.request.urlopen(request, timeout=60, context=trusting) as answer:
                found = np.asarray(self.read(answer.read(), answer.headers))
        except urllib.error.HTTPError as exc:
            raise WrongAnswer(f"{self.name} answers {exc.code}: {exc.read()[:200]!r}") from exc
        difference = np.abs(found - expected).max() if found.shape == expected.shape else np.inf
        if not difference <= self.tolerance:
            raise WrongAnswer(f"{self.name} is {difference:.2g} off")

    def measure(self, connections: int, seconds: float) -> Measured:
        url = self.url + self.payload.path
        call = (url, self.payload.body, self.payload.headers)
        return measure(*call, connections=connections, seconds=seconds)


@dataclass(frozen=True)
class InProcess:
    """The estimator as it was saved, in one process with one thread, and no server at all."""

    name: str
    model: Path
    rows: int
    body_bytes: int = 0

    def require_right(self, expected: Any) -> None:
        """It is what the others are compared with."""

    def measure(self, _connections: int, seconds: float) -> Measured:
        with self.standing() as ask:
            return ask(seconds)

    @contextlib.contextmanager
    def standing(self) -> Iterator[Callable[[float], Measured]]:
        """Loaded once, to be asked for so many seconds as often as one likes."""
        command = [sys.executable, _IN_PROCESS, self.model, str(self.rows)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=ONE_THREAD) as asked:
            assert asked.stdin is not None
            assert asked.stdout is not None
            given, answers = asked.stdin, asked.stdout

            def ask(seconds: float) -> Measured:
                print(seconds, file=given, flush=True)
                return Measured(**json.loads(answers.readline()))

            yield ask
            given.close()


def read_json(find: Callable[[Any], Any]) -> Read:
    """The reader of JSON answers in which `find` finds the probabilities."""
    return lambda body, _fields: find(json.loads(body))


def read_tensor(body: bytes, fields: Mapping[str, str]) -> Any:
    """The only output of a binary answer of the Open Inference Protocol, FP64 or FP32."""
    length = int(fields["Inference-Header-Content-Length"])
    output = json.loads(body[:length])["outputs"][0]
    numbers = np.frombuffer(body[length:], {"FP64": "<f8", "FP32": "<f4"}[output["datatype"]])
    return numbers.reshape(output["shape"])


def probabilities_of_kserve(body: bytes, _fields: Mapping[str, str]) -> Any:
    """KServe's answer to a binary tensor: JSON, as its handler was told."""
    output = json.loads(body)["outputs"][0]
    return np.reshape(output["data"], output["shape"])
