"""What a graph of ONNX takes and gives, in our words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import onnx

from model.engines.graph_edits import OUTPUT_PREFIX, keep_needed, rename
from model.errors import ArtifactRejected

_DATATYPES = {
    onnx.TensorProto.FLOAT: "FP64",
    onnx.TensorProto.DOUBLE: "FP64",
    onnx.TensorProto.INT64: "INT64",
    onnx.TensorProto.INT32: "INT64",
    onnx.TensorProto.BOOL: "BOOL",
    onnx.TensorProto.STRING: "BYTES",
}
_LABELS = frozenset({onnx.TensorProto.INT64, onnx.TensorProto.INT32, onnx.TensorProto.STRING})
_CLASS_ATTRIBUTES = ("classlabels_int64s", "classlabels_ints", "classlabels_strings")


@dataclass(frozen=True, slots=True)
class GraphInput:
    """One input: `width` columns of a datatype; None where the graph does not tell how many."""

    name: str
    datatype: str
    width: int | None


def inputs_of(model: Any) -> list[GraphInput]:
    """Raises ArtifactRejected where rows cannot be handed over so."""
    constants = {tensor.name for tensor in model.graph.initializer}
    found = [_input(node) for node in model.graph.input if node.name not in constants]
    if not found:
        raise ArtifactRejected("The ONNX graph takes no input.")
    if len(found) > 1 and any(one.width != 1 for one in found):
        wide = next(one for one in found if one.width != 1)
        raise ArtifactRejected(
            f"The ONNX graph takes several inputs, and {wide.name!r} is not one column of them:"
            " export it with one matrix, or with an input of shape [None, 1] for each column."
        )
    return found


def _input(node: Any) -> GraphInput:
    tensor = node.type.tensor_type
    datatype = _DATATYPES.get(tensor.elem_type)
    sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    if datatype is None or len(sizes) not in {1, 2}:
        raise ArtifactRejected(
            f"The ONNX graph's input {node.name!r} is no table of numbers, text or truth values."
        )
    if sizes[0] is not None:
        raise ArtifactRejected(
            f"The ONNX graph's input {node.name!r} takes exactly {sizes[0]} rows;"
            " export it with a first dimension that is free."
        )
    return GraphInput(node.name, datatype, sizes[1] if len(sizes) == 2 else 1)


def in_our_words(model: Any) -> tuple[bytes, dict[str, str], list[Any] | None]:
    """The graph with its outputs named as ours, without tables of Python objects.

    Returns:
        The graph; the name that each of our outputs has in the original; the classes it tells.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    classes = _without_zipmaps(changed) or _classes(changed)
    names = _names(list(changed.graph.output))
    originals = {ours: before.name for ours, before in zip(names, model.graph.output, strict=True)}
    for ours, output in zip(names, changed.graph.output, strict=True):
        rename(changed, output.name, OUTPUT_PREFIX + ours)
        output.name = OUTPUT_PREFIX + ours
    keep_needed(changed)
    return changed.SerializeToString(), originals, classes


def _without_zipmaps(model: Any) -> list[Any] | None:
    """Gives each table that a ZipMap makes a dictionary of; the classes of the last one."""
    makers = {node.output[0]: node for node in model.graph.node if node.op_type == "ZipMap"}
    classes = None
    for output in model.graph.output:
        zipmap = makers.get(output.name)
        if zipmap is not None:
            classes = _listed(zipmap)
            shape = [None, len(classes) if classes else None]
            table = onnx.helper.make_tensor_value_info(
                zipmap.input[0], onnx.TensorProto.FLOAT, shape
            )
            output.CopyFrom(table)
    return classes


def _classes(model: Any) -> list[Any] | None:
    """Those of the only classifier in the graph."""
    found = [classes for node in model.graph.node if (classes := _listed(node))]
    return found[0] if len(found) == 1 else None


def _listed(node: Any) -> list[Any] | None:
    for attribute in node.attribute:
        if attribute.name in _CLASS_ATTRIBUTES:
            words = [word.decode() for word in attribute.strings]
            return words or list(attribute.ints) or None
    return None


def _names(outputs: Sequence[Any]) -> list[str]:
    """Our name for each output: predictions, probabilities, scores, or its own."""
    names: list[str] = []
    for output in outputs:
        own = re.sub(r"[^A-Za-z0-9_.-]+", "_", output.name)
        name = _role(output, alone=len(outputs) == 1) or own
        names.append(own if name in names else name)
    if len(set(names)) < len(names):
        raise ArtifactRejected("Outputs of the ONNX graph differ in odd characters only.")
    return names


def _role(output: Any, *, alone: bool) -> str | None:
    said = output.name.lower()
    kind = output.type.tensor_type.elem_type
    if "prob" in said:
        return "probabilities"
    if kind in _LABELS or alone:
        return "predictions"
    return "scores" if "score" in said or "decision" in said else None
