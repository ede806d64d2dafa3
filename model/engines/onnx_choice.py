"""The engine of an .onnx file, once the graph in our words answers as the original."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from model.batch import Array, Batch
from model.engines.onnx_engine import feeding
from model.engines.probe_rows import ProbeRows
from model.engines.proof import answers, prove
from model.engines.record import FILES, ONNX, EngineChoice, EngineRecord
from model.engines.session import open_session
from model.engines.timing import SIZES, measure
from model.errors import ArtifactRejected
from model.estimator.columns import Column
from model.graph.derivation import GraphModel


def choose_for_graph(
    model: GraphModel, _wish: str, samples: Batch | None, progress: Callable[[str], None]
) -> EngineChoice:
    """Compare with the graph as it came, and measure.

    Raises:
        ArtifactRejected: they differ.
    """
    contract = model.contract
    rows = ProbeRows(contract, [Column()] * len(contract.features), samples)
    progress("comparing with the file as it came")
    proof = prove(model, answers(_Original(model), rows.all()))
    if proof.fault is not None:
        raise ArtifactRejected(f"The ONNX graph cannot be served. {proof.fault}")
    progress("measuring")
    times = measure({ONNX: model}, rows.across, contract.limits.max_rows or SIZES[-1])
    record = EngineRecord(
        ((1, ONNX),),
        rows=proof.rows,
        largest_difference=proof.largest_difference,
        times_s=times,
    )
    return EngineChoice(record, {FILES[ONNX]: model.graph})


class _Original:
    """The graph as it came, with tables of dictionaries where it gives these."""

    def __init__(self, model: GraphModel) -> None:
        self.contract = model.contract
        self._session = open_session(model.original)
        self._feed = feeding(self._session.get_inputs(), model.contract)
        self._names = model.original_names

    def predict(self, batch: Batch) -> Mapping[str, Array]:
        found = self._session.run(list(self._names.values()), self._feed(batch))
        shapes = {output.name: output.shape for output in self.contract.outputs}
        return {
            name: _array(values).reshape((-1, *shapes[name][1:]))
            for name, values in zip(self._names, found, strict=True)
        }


def _array(values: Any) -> Array:
    if isinstance(values, list):
        return np.array([list(row.values()) for row in values], dtype=np.float32)
    return np.asarray(values)
