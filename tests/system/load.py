"""Callers that keep calling while something happens to the stack."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

import httpx
from stack_process import EXAMPLE_BODY, PREDICT, Stack, bearer


@dataclass
class Load:
    """Callers in threads, from `with` to its end. Each opens a connection per call.

    Args:
        every_s: how long each caller pauses after a call; with 0 both cores are busy.

    Attributes:
        statuses: how often each status was answered.
        broken: calls that were sent and got no answer.
        refused: calls whose connection was not accepted.
        bodies: what was answered with another status than 200.
        versions: how often each version of the model answered.
    """

    stack: Stack
    token: Callable[[], str]
    callers: int = 4
    every_s: float = 0.0
    path: str = PREDICT
    body: bytes = EXAMPLE_BODY
    statuses: Counter[int] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    refused: int = 0
    bodies: list[str] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> "Load":
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._call, daemon=True) for _ in range(self.callers)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(timeout=30)

    @property
    def answered(self) -> int:
        return sum(self.statuses.values())

    def wait_for_answers(self, more: int, within_s: float = 30.0) -> None:
        """Return when so many more calls have been answered than now."""
        enough = self.answered + more
        self.stack.wait_until(lambda: self.answered >= enough, within_s, f"{more} more answers")

    def _call(self) -> None:
        with self.stack.client(limits=httpx.Limits(max_keepalive_connections=0)) as client:
            while not self._stopped.is_set():
                self._call_once(client)
                self._stopped.wait(self.every_s)

    def _call_once(self, client: httpx.Client) -> None:
        try:
            response = client.post(self.path, content=self.body, headers=bearer(self.token()))
        except httpx.ConnectError:
            self.refused += 1
            self._stopped.wait(0.05)
        except httpx.HTTPError as exc:
            with self._lock:
                self.broken.append(repr(exc))
        else:
            with self._lock:
                self.statuses[response.status_code] += 1
                if response.status_code == 200:
                    self.versions[response.json()["version"]] += 1
                else:
                    self.bodies.append(response.text)
