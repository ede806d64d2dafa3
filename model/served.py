"""One version of a model in service."""

import copy
import math
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from model.batch import Array, Batch
from model.contract import Contract
from model.deployment import Deployment
from model.engines.routed import engines_of
from model.errors import (
    Fault,
    InvalidInput,
    ModelFailed,
    ModelTimedOut,
    ModelUnavailable,
    ModelUnwell,
    Refused,
)
from model.protocol import (
    Model,
    Prediction,
    ReportsHealth,
    RunsElsewhere,
    TaggedOutputs,
    TakesFeedback,
    require_complete,
)
from model.store import LoadedModel

Clock = Callable[[], float]

_MEASURED_ROWS = 256
_MEASUREMENTS = 3
# A slow model is measured once: three times would hold up the start for no better estimate.
_SLOW_S = 0.1


class ServedModel:
    """A loaded model that has answered its example here, and knows how long it takes.

    Attributes:
        role: current, canary, shadow, retired or standby; see `Deployment`.
        deprecated_at, sunset_at: when callers are to be told that it ends, and when it does.
        process: the process that loaded it; one forked from that shares its memory.
    """

    def __init__(self, loaded: LoadedModel, clock: Clock = time.perf_counter) -> None:
        """Raises ModelFailed if it cannot answer its example."""
        self._model = loaded.model
        self.contract: Contract = loaded.model.contract
        self.name = loaded.manifest.name
        self.version = loaded.manifest.version
        self.digest = loaded.manifest.digest
        self.role = "current"
        self.deprecated_at: float | None = None
        self.sunset_at: float | None = None
        self.process = os.getpid()
        self._classes = self.contract.classes
        self._clock = clock
        self._lines = [(first, *self._measure(engine)) for first, engine in engines_of(self._model)]

    def deployed_as(self, role: str, deployment: Deployment | None = None) -> Self:
        """The same model, in the same memory, in a role; with the dates of its deployment."""
        deployed = copy.copy(self)
        deployed.role = role
        deployed.deprecated_at = deployment.deprecated_at if deployment is not None else None
        deployed.sunset_at = deployment.sunset_at if deployment is not None else None
        return deployed

    def check(self, batch: Batch) -> None:
        """Raise InvalidInput with every fault of the batch."""
        most = self.contract.limits.max_rows
        if most is not None and batch.row_count > most:
            found, expected = f"{batch.row_count} rows", f"at most {most} rows per call"
            raise InvalidInput((Fault(None, None, "too_many_rows", found, expected),))
        self.contract.check(batch)

    @property
    def empty_prediction(self) -> Prediction:
        """The answer to no rows, which the model itself is not asked for."""
        outputs = {
            output.name: np.empty((0, *output.shape[1:]), np.object_)
            for output in self.contract.outputs
        }
        return Prediction(outputs, self.name, self.version, self.digest, self._classes)

    def charged_rows(self, row_count: int) -> int:
        """What a call with so many rows costs, in ordinary rows."""
        return math.ceil(row_count * self.contract.cost)

    def allowed_s(self, remaining_s: float) -> float:
        """How long `predict` may take, where the request has so much time left."""
        own_s = self.contract.limits.deadline_s
        return remaining_s if own_s is None else min(remaining_s, own_s)

    def predict(self, batch: Batch) -> Prediction:
        """Ask the model, once, about a batch that keeps its contract.

        Raises:
            Refused: by the model's own code, for its caller.
            ModelUnavailable, ModelTimedOut: what runs the model cannot be used, or not in time.
            ModelFailed: whatever else the model raised is chained; or its answer does not fit.
        """
        outputs = self._ask(self._model, batch)
        answer = (outputs, self.name, self.version, self.digest, self._classes)
        if isinstance(outputs, TaggedOutputs):
            return Prediction(*answer, outputs.tags, outputs.metrics)
        return Prediction(*answer)

    def _ask(self, model: Model, batch: Batch) -> Mapping[str, Array]:
        try:
            outputs = model.predict(batch)
        except (Refused, ModelUnavailable, ModelTimedOut, ModelFailed):
            raise
        except (Exception, SystemExit) as exc:  # It would end the worker, and everybody's calls.
            raise ModelFailed(f"{self.name} {self.version} raised {type(exc).__name__}") from exc
        require_complete(outputs, batch.row_count)
        return outputs

    def send_feedback(self, batch: Batch, reward: float, truth: Sequence[Any] | None) -> None:
        """Tell the model, if it wants to know, how good its answer to these rows was.

        Raises: as `predict`.
        """
        if not isinstance(self._model, TakesFeedback):
            return
        try:
            self._model.send_feedback(batch, reward, truth)
        except (Refused, ModelUnavailable, ModelTimedOut, ModelFailed):
            raise
        except (Exception, SystemExit) as exc:
            raise ModelFailed(f"{self.name} {self.version} raised {type(exc).__name__}") from exc

    def health_status(self) -> Mapping[str, Any] | None:
        """What the model says of how it is, where it says anything: a payload of Seldon's.

        Raises: ModelUnwell.
        """
        if not isinstance(self._model, ReportsHealth):
            return None
        try:
            return self._model.health_status()
        except Exception as exc:
            raise ModelUnwell(f"{self.name} {self.version} is not well") from exc

    @property
    def reports_health(self) -> bool:
        return isinstance(self._model, ReportsHealth)

    def estimate_s(self, row_count: int) -> float:
        """How long `predict` will take, on the straight line through what was measured at load.

        The line is that of the engine that answers so many rows.
        """
        _, one_row_s, further_row_s = next(
            (line for line in reversed(self._lines) if row_count >= line[0]), self._lines[0]
        )
        return one_row_s + further_row_s * (row_count - 1)

    def _measure(self, engine: Model) -> tuple[float, float]:
        """Seconds for one row, and for each row more."""
        if isinstance(engine, RunsElsewhere):
            return engine.expected_s, 0.0
        example = self.contract.example_batch
        one_row_s = self._time(engine, example.take(slice(0, 1)))
        if self.contract.messages:
            # They are answered one after the other.
            return one_row_s, one_row_s
        many_rows = example.take(np.arange(_MEASURED_ROWS) % example.row_count)
        many_rows_s = self._time(engine, many_rows)
        return one_row_s, max(0.0, many_rows_s - one_row_s) / (_MEASURED_ROWS - 1)

    def _time(self, engine: Model, batch: Batch) -> float:
        durations_s: list[float] = []
        for _ in range(_MEASUREMENTS):
            started = self._clock()
            self._ask(engine, batch)
            durations_s.append(self._clock() - started)
            if durations_s[-1] > _SLOW_S:
                break
        return statistics.median(durations_s)
