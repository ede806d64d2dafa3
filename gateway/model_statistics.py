"""Counting calls of models, for whoever asks how often and how long. Never waits in a request."""

import threading
import time
from collections.abc import Callable, Mapping

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from gateway.control.model_statistics import (
    LAST_INFERENCE_MS,
    Asked,
    add_measure,
    add_model_statistics,
    model_statistics_of,
)
from gateway.errors import ModelUnavailable
from gateway.request_context import RequestContext

# Our phases of a request, as Triton calls them.
_PHASES = {"decode": "compute_input", "predict": "compute_infer", "encode": "compute_output"}


class ModelStatistics:
    """Sums of this worker, added to those of all about once a second.

    Args:
        engine: the status database.
        clock: seconds since 1970.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock
        self._sums: dict[Asked, dict[str, float]] = {}
        self._adding = threading.Lock()

    def count(self, request: RequestContext, asked: Asked, rows: int, status: int) -> None:
        """One call that is answered, or was refused after it was read."""
        taken_s = time.perf_counter() - request.started_at
        outcome = "success" if status < 400 else "fail"
        measures = {
            f"{outcome}_count": 1.0,
            f"{outcome}_s": taken_s,
            "queue_s": request.waited_s,
        }
        if outcome == "success":
            measures["rows"] = float(rows)
            measures |= {f"{name}_s": request.phases.get(own, 0.0) for own, name in _PHASES.items()}
        with self._adding:
            sums = self._sums.setdefault(asked, {})
            for measure, value in measures.items():
                sums[measure] = sums.get(measure, 0.0) + value
            sums[LAST_INFERENCE_MS] = float(int(self._clock() * 1000))

    def write(self) -> None:
        """Add what was counted since the last time; it is kept where that fails."""
        with self._adding:
            counted, self._sums = self._sums, {}
        if not counted:
            return
        try:
            add_model_statistics(self._engine, counted)
        except SQLAlchemyError:
            self._give_back(counted)
            raise

    def of(self, model: str, partner: str | None) -> Mapping[str, Mapping[str, float]]:
        """Sums by version: of one partner, or of all. Raises: ModelUnavailable."""
        try:
            self.write()
            return model_statistics_of(self._engine, model, partner)
        except SQLAlchemyError as exc:
            detail = "The statistics cannot be read at the moment."
            raise ModelUnavailable(detail, facts={"reason": type(exc).__name__}) from exc

    def _give_back(self, counted: Mapping[Asked, Mapping[str, float]]) -> None:
        with self._adding:
            for asked, measures in counted.items():
                sums = self._sums.setdefault(asked, {})
                for measure, value in measures.items():
                    add_measure(sums, measure, value)
