"""An .onnx file as a model: its contract is what the graph says of its inputs and outputs."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from model.batch import Array
from model.contract import Contract
from model.declaration import Declaration, reject
from model.draft import draft_contract, first_answered, require_nullable
from model.engines.graph_edits import OUTPUT_PREFIX
from model.engines.onnx_engine import OnnxEngine, feeding
from model.engines.session import open_session
from model.errors import ArtifactRejected
from model.estimator.derivation import sharpened
from model.example import example_candidates
from model.graph.bounds import read_graph
from model.graph.layout import GraphInput, in_our_words, inputs_of
from model.outputs import describe_outputs
from model.signature import Feature


class GraphModel(OnnxEngine):
    """A model that came as an .onnx file.

    Attributes:
        graph: the same graph with its outputs in our words, which is what answers.
        original: as it came.
        original_names: the name there of each output.
    """

    def __init__(self, original: bytes, filename: str, contract: Contract) -> None:
        """Raises ArtifactRejected."""
        self.original = original
        self.graph, self.original_names, _ = in_our_words(read_graph(original, filename))
        super().__init__(self.graph, contract)


def open_graph(data: bytes, filename: str, contract: Contract) -> GraphModel:
    """A graph that was added before. Raises: ArtifactRejected."""
    return GraphModel(data, filename, contract)


def derive_graph(
    data: bytes, filename: str, model_name: str, model_version: str, declaration: Declaration
) -> GraphModel:
    """The model of this graph, its contract proved by letting it answer its example.

    Raises:
        ArtifactRejected: it cannot be served, the declaration contradicts it, or the example fails.
    """
    model = read_graph(data, filename)
    features = _features(inputs_of(model), declaration.features)
    graph, _, classes = in_our_words(model)
    draft = draft_contract(model_name, model_version, features, declaration)
    examples = example_candidates(declaration.example_rows, features)
    contract, answer = first_answered(draft, examples, partial(_answer, open_session(graph)))
    final = SimpleNamespace() if classes is None else SimpleNamespace(classes_=np.array(classes))
    outputs = describe_outputs(answer, final, declaration.outputs)
    found = GraphModel(data, filename, dataclasses.replace(contract, outputs=outputs))
    require_nullable(found.contract, lambda trial: found.predict(trial.example_batch))
    return found


def _features(inputs: Sequence[GraphInput], declared: Sequence[Feature]) -> tuple[Feature, ...]:
    """The graph decides names and order; of a matrix, the declaration does."""
    if len(inputs) > 1:
        derived = [Feature(one.name, one.datatype) for one in inputs]
    else:
        derived = _columns(inputs[0], declared)
    by_name = {feature.name: feature for feature in declared}
    unknown = sorted(by_name.keys() - {feature.name for feature in derived})
    if unknown:
        reject(f"the model has no feature {unknown[0]!r}")
    features = tuple(sharpened(one, by_name.get(one.name)) for one in derived)
    for feature in features:
        if feature.nullable and feature.datatype != "FP64":
            reject(f"{feature.name!r} is nullable, and ONNX knows missing numbers only")
    return features


def _columns(matrix: GraphInput, declared: Sequence[Feature]) -> list[Feature]:
    width = matrix.width or len(declared)
    if not width:
        raise ArtifactRejected(
            "The ONNX graph does not tell how many features it takes; list them in model.toml."
        )
    if declared and len(declared) != width:
        reject(f"it lists {len(declared)} features, the model takes {width}")
    names = [one.name for one in declared] or [f"x{index}" for index in range(width)]
    return [Feature(name, matrix.datatype) for name in names]


def _answer(session: Any, contract: Contract) -> Mapping[str, Array]:
    names = [node.name for node in session.get_outputs()]
    feed = feeding(session.get_inputs(), contract)
    found = session.run(names, feed(contract.example_batch))
    return {
        name.removeprefix(OUTPUT_PREFIX): _flat(np.asarray(array))
        for name, array in zip(names, found, strict=True)
    }


def _flat(array: Array) -> Array:
    """A table of one column is a list of numbers."""
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
