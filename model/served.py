"""One version of a model in service."""

import statistics
import time
from collections.abc import Callable

import numpy as np

from model.batch import Batch
from model.contract import Contract
from model.errors import ModelFailed
from model.protocol import Prediction, require_complete
from model.store import LoadedModel

Clock = Callable[[], float]

_MEASURED_ROWS = 256
_MEASUREMENTS = 3
# A slow model is measured once: three times would hold up the start for no better estimate.
_SLOW_S = 0.1


class ServedModel:
    """A loaded model that has answered its example here, and knows how long it takes."""

    def __init__(self, loaded: LoadedModel, clock: Clock = time.perf_counter) -> None:
        """Raises ModelFailed if it cannot answer its example."""
        self._model = loaded.model
        self.contract: Contract = loaded.model.contract
        self.name = loaded.manifest.name
        self.version = loaded.manifest.version
        self.digest = loaded.manifest.digest
        self._classes = self.contract.classes
        self._clock = clock
        self._one_row_s, self._further_row_s = self._measure()

    def predict(self, batch: Batch) -> Prediction:
        """Ask the model, once, about a batch that keeps its contract.

        Raises:
            ModelFailed: whatever the model raised is chained; or its answer does not fit.
        """
        try:
            outputs = self._model.predict(batch)
        except Exception as exc:
            raise ModelFailed(f"{self.name} {self.version} raised {type(exc).__name__}") from exc
        require_complete(outputs, batch.row_count)
        return Prediction(outputs, self.name, self.version, self.digest, self._classes)

    def estimate_s(self, row_count: int) -> float:
        """How long `predict` will take, on the straight line through what was measured at load."""
        return self._one_row_s + self._further_row_s * (row_count - 1)

    def _measure(self) -> tuple[float, float]:
        """Seconds for one row, and for each row more."""
        example = self.contract.example_batch.values
        one_row_s = self._time(Batch(example[:1]))
        copies = -(-_MEASURED_ROWS // len(example))
        many = Batch(np.ascontiguousarray(np.tile(example, (copies, 1))[:_MEASURED_ROWS]))
        many_rows_s = self._time(many)
        return one_row_s, max(0.0, many_rows_s - one_row_s) / (_MEASURED_ROWS - 1)

    def _time(self, batch: Batch) -> float:
        durations_s: list[float] = []
        for _ in range(_MEASUREMENTS):
            started = self._clock()
            self.predict(batch)
            durations_s.append(self._clock() - started)
            if durations_s[-1] > _SLOW_S:
                break
        return statistics.median(durations_s)
