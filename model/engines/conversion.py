"""An estimator written as a graph of ONNX, whose outputs are those of its contract."""

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import (
    BooleanTensorType,
    DoubleTensorType,
    Int64TensorType,
    StringTensorType,
)
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import make_pipeline

from model.contract import Contract
from model.engines.folding import fold_divisions
from model.engines.graph_edits import OUTPUT_PREFIX, keep_needed, rename
from model.engines.missing_text import named_in_categories
from model.engines.number_converters import register_number_converters
from model.engines.tree_converters import register_tree_converters
from model.engines.tree_ensemble import DOMAIN, KNOWN_VERSION, OPERATOR, VERSION
from model.errors import ArtifactRejected
from model.estimator.answers import predicts_most_probable
from model.estimator.fitted import reads_names, reads_texts, steps
from model.signature import Feature

MATRIX = "rows"

_OPSETS = {"": 21, DOMAIN: KNOWN_VERSION}
# Of ONNX itself; the newest one that the version of ONNX Runtime at hand is sure to read.
_IR_VERSION = 10


def convert(estimator: Any, contract: Contract) -> bytes:
    """The graph of this estimator: one matrix of doubles, or an input for each feature.

    Raises:
        ArtifactRejected: it cannot be written so; the reason is half a sentence.
    """
    register_tree_converters()
    register_number_converters()
    parts = [_as_converted(step) for step in steps(estimator)]
    whole = parts[0] if len(parts) == 1 else make_pipeline(*parts)
    failure: Exception | None = None
    for inputs in _inputs(estimator, contract):
        for options in _options(parts[-1], contract):
            try:
                return _renamed(_converted(whole, inputs, options), parts[-1], contract)
            except ArtifactRejected:
                raise
            except Exception as exc:  # It raises whatever comes, also where a kind is unknown.
                failure = failure or exc
    raise ArtifactRejected(_reason(failure, whole)) from failure


def _converted(whole: Any, inputs: Any, options: Any) -> Any:
    with warnings.catch_warnings(), named_in_categories(whole):
        warnings.simplefilter("ignore")
        logging.getLogger("skl2onnx").setLevel(logging.ERROR)
        graph = convert_sklearn(whole, initial_types=inputs, options=options, target_opset=_OPSETS)
    graph.ir_version = min(graph.ir_version, _IR_VERSION)
    if any(node.op_type == OPERATOR for node in graph.graph.node):
        for opset in graph.opset_import:
            opset.version = VERSION if opset.domain == DOMAIN else opset.version
    return graph


def _as_converted(step: Any) -> Any:
    if isinstance(step, VotingClassifier):
        # How it would transform, skl2onnx cannot write; nobody asks for that here.
        step = copy.copy(step)
        step.flatten_transform = False
    return step


def _reason(failure: Exception | None, whole: Any) -> str:
    name = type(failure).__name__ if failure is not None else "no form fits"
    return f"skl2onnx cannot write a {type(whole).__name__} in ONNX ({name})."


def _inputs(estimator: Any, contract: Contract) -> Iterator[Sequence[tuple[str, Any]]]:
    """What the graph may take, the likeliest first."""
    if reads_texts(estimator):
        yield [(contract.feature_names[0], StringTensorType([None]))]
        return
    if contract.dense and not reads_names(estimator):
        yield [(MATRIX, DoubleTensorType([None, len(contract.features)]))]
        return
    yield [(feature.name, _column_type(feature)) for feature in contract.features]
    # Some converters join columns of one type only.
    yield [
        (f.name, _column_type(f) if f.datatype == "BYTES" else DoubleTensorType([None, 1]))
        for f in contract.features
    ]


def _column_type(feature: Feature) -> Any:
    if feature.nullable and feature.datatype == "INT64":
        return DoubleTensorType([None, 1])
    if feature.nullable and feature.datatype == "BOOL":
        raise ArtifactRejected("ONNX has no truth value that is missing.")
    kinds = {"INT64": Int64TensorType, "BOOL": BooleanTensorType, "BYTES": StringTensorType}
    return kinds.get(feature.datatype, DoubleTensorType)([None, 1])


def _options(final: Any, contract: Contract) -> Iterator[Mapping[int, Any] | None]:
    names = {output.name for output in contract.outputs}
    if "probabilities" in names:
        yield {id(final): {"zipmap": False}}
    elif "scores" in names:
        yield {id(final): {"zipmap": False, "raw_scores": True}}
        yield {id(final): {"raw_scores": True}}
    yield None


def _renamed(graph: Any, final: Any, contract: Contract) -> bytes:
    """The graph with the outputs of the contract, and nothing that they do not need.

    Where the label is the class of the highest probability, it is left out: `OnnxEngine` finds it
    in 2 us, and the graph takes 8 us for it.
    """
    found = [output.name for output in graph.graph.output]
    wanted = [output.name for output in contract.outputs]
    if len(found) < len(wanted):
        raise ArtifactRejected(f"Its graph gives {len(found)} of {len(wanted)} outputs.")
    pairs = dict(zip(wanted, found, strict=False))
    if "probabilities" in pairs and predicts_most_probable(final):
        del pairs["predictions"]
    kept = {output.name: output for output in graph.graph.output}
    del graph.graph.output[:]
    for name, source in pairs.items():
        rename(graph, source, OUTPUT_PREFIX + name)
        kept[source].name = OUTPUT_PREFIX + name
        graph.graph.output.append(kept[source])
    fold_divisions(graph)
    keep_needed(graph)
    serialized: bytes = graph.SerializeToString()
    return serialized
