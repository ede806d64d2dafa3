"""A graph of ONNX that answers with the outputs of a contract."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from model.batch import Array, Batch
from model.contract import Contract
from model.engines.graph_edits import OUTPUT_PREFIX
from model.engines.missing_text import with_word
from model.engines.session import open_session
from model.errors import ArtifactRejected
from model.signature import Output

_DTYPES: Mapping[str, Any] = {
    **{f"FP{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)},
    **{f"INT{bits}": np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64)},
    "BOOL": np.dtype(np.bool_),
    "BYTES": np.dtype(np.str_),
}
_INPUT_DTYPES: Mapping[str, Any] = {
    "tensor(double)": np.dtype(np.float64),
    "tensor(float)": np.dtype(np.float32),
    "tensor(int64)": np.dtype(np.int64),
    "tensor(int32)": np.dtype(np.int32),
    "tensor(bool)": np.dtype(np.bool_),
    "tensor(string)": np.dtype(np.object_),
}

Feed = Callable[[Batch], dict[str, Array]]


class OnnxEngine:
    """Answers with a graph whose outputs are named as those of the contract.

    One that gives probabilities and no predictions predicts the most probable class.
    """

    # One row of StandardScaler and LogisticRegression, or of a forest of 100 trees: 9 us, 7 of them
    # in ONNX Runtime. The session's own `run` looks at the names first, for 1 us more; binding
    # inputs and outputs, or handing over its own kind of value, took 2 us more.

    def __init__(self, graph: bytes, contract: Contract) -> None:
        """Raises ArtifactRejected where the graph cannot be used."""
        self._session = open_session(graph)
        self.contract = contract
        self._run = self._session._sess.run
        self._feed = feeding(self._session.get_inputs(), contract)
        outputs = {output.name: output for output in contract.outputs}
        self._names = [node.name for node in self._session.get_outputs()]
        names = [name.removeprefix(OUTPUT_PREFIX) for name in self._names]
        self._shaped = [(name, _shaping(outputs[name])) for name in names]
        self._labels: Array | None = None
        if "predictions" in outputs and "predictions" not in names:
            self._labels = classes_array(outputs["predictions"])

    def predict(self, batch: Batch) -> Mapping[str, Array]:
        """One array for each output of the contract."""
        found = self._run(self._names, self._feed(batch), None)
        outputs = {
            name: shaped(array) for (name, shaped), array in zip(self._shaped, found, strict=True)
        }
        if self._labels is None:
            return outputs
        likeliest = outputs["probabilities"].argmax(axis=1)
        return {"predictions": self._labels.take(likeliest), **outputs}


def dtype_of(output: Output) -> Any:
    """What numpy calls the datatype that an output promises."""
    return _DTYPES[output.datatype]


def classes_array(output: Output) -> Array:
    """The labels that a prediction is one of."""
    if output.classes is None:
        raise ArtifactRejected("The graph gives no predictions, and there are no classes.")
    return np.array(output.classes, dtype=dtype_of(output))


def _shaping(output: Output) -> Callable[[Array], Array]:
    """Gives an output the shape and the type that the contract promises."""
    dtype, width = dtype_of(output), output.shape[1:]

    def shaped(array: Array) -> Array:
        if array.shape[1:] == (2,) and not width:
            # Scores of two classes: the second's is what scikit-learn answers.
            array = array[:, 1]
        if array.shape[1:] != width:
            array = array.reshape((-1, *width))
        return array if array.dtype == dtype else array.astype(dtype)

    return shaped


def feeding(inputs: Any, contract: Contract) -> Feed:
    """How the graph is handed a batch."""
    dtypes = [_INPUT_DTYPES[node.type] for node in inputs]
    name = inputs[0].name
    if contract.dense and len(inputs) == 1:
        if dtypes[0] == np.float64:
            return lambda batch: {name: batch.values}
        return lambda batch: {name: batch.values.astype(dtypes[0])}
    if len(inputs) == 1 and len(contract.features) > 1:
        return lambda batch: {name: _table(batch, dtypes[0])}
    shapes = [(-1, 1) if len(node.shape) == 2 else (-1,) for node in inputs]
    layout = list(zip([node.name for node in inputs], dtypes, shapes, strict=True))

    def feed(batch: Batch) -> dict[str, Array]:
        columns = batch.columns
        arrays = columns.values() if columns is not None else batch.values.T
        return {
            name: _cell_array(array, dtype).reshape(shape)
            for (name, dtype, shape), array in zip(layout, arrays, strict=True)
        }

    return feed


def _table(batch: Batch, dtype: Any) -> Array:
    """The columns of mixed kinds as one matrix."""
    columns = (batch.columns or {}).values()
    return np.column_stack([_cell_array(column, dtype) for column in columns])


def _cell_array(array: Array, dtype: Any) -> Array:
    if dtype == np.object_:
        return with_word(array)
    return array.astype(dtype) if array.dtype != dtype else array
