"""A WSGI app with the background work of its worker."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import structlog
from sqlalchemy import Engine

from gateway.control.watcher import SnapshotWatcher, Ticker
from gateway.control.worker_status import WorkerReport

log = structlog.get_logger()

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Background(Protocol):
    """Work in a thread of its own."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


class Renewing(Protocol):
    """Keeps the process that workers are forked from up to date."""

    @property
    def generation(self) -> int: ...
    def step(self) -> None: ...


class Service:
    """What Gunicorn calls. `GatewayWorker` starts it after the fork.

    Args:
        app: answers the requests.
        control: keeps the snapshot; a worker does not serve before its first round.
        report: what this worker says of itself.
        others: further background work, each in its own thread.
        renewal: what the process does that the workers are forked from.
    """

    def __init__(
        self,
        app: WsgiApp,
        control: Ticker,
        report: "Reporter",
        *,
        others: Sequence[Background] = (),
        renewal: Renewing | None = None,
    ) -> None:
        self._app = app
        self._control = control
        self._others = others
        self._report = report
        self._renewal = renewal
        self._tending = Ticker([renewal.step] if renewal is not None else [], 0)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self._app(environ, start_response)

    def start(self) -> None:
        """Begin the background work of this worker, which then may serve.

        What a worker inherits by its fork may be days old: a token revoked since must be refused
        from the first request on, so the first round is done before there is one.
        """
        self._control.run_round()
        for background in (self._control, *self._others):
            background.start()

    def tend(self) -> None:
        """One round of what the process does that the workers are forked from; never raises."""
        self._tending.run_round()

    @property
    def generation(self) -> int:
        """Rises when a worker forked from now on shares more than those before it."""
        return self._renewal.generation if self._renewal is not None else 0

    def stop(self) -> None:
        """End it, and take this worker off the list of those that serve."""
        for background in (self._control, *self._others):
            background.stop()
        self._report.remove()


class Reporter:
    """Writes what this worker serves to the status database."""

    def __init__(
        self,
        engine: Engine,
        role: str,
        watcher: SnapshotWatcher,
        *,
        models: Callable[[], Mapping[str, Any]] = dict,
        in_fallback: Callable[[], bool] = bool,
    ) -> None:
        self._report = WorkerReport(engine, role)
        self._watcher = watcher
        self._models = models
        self._in_fallback = in_fallback
        self._written = False

    def write(self) -> None:
        """The last task of a round: what it says is in force already."""
        self._written = False
        self._report.write(
            self._watcher.current.revision, self._models(), limits_fallback=self._in_fallback()
        )
        self._written = True

    def remove(self) -> None:
        """Say that this worker ends, unless the database does not answer: nobody waits for that."""
        if not self._written:
            log.warning("worker_status_not_removed", error="the last report was not written")
            return
        try:
            self._report.remove()
        except Exception as exc:
            log.warning("worker_status_not_removed", error=type(exc).__name__)
