"""Whether a graph of ONNX may be opened: all of it in these bytes, all of it standard.

A pickle names code; a graph names operators, and may name files. Of operators only those are let in
that the standard has, of files none.
"""

from collections.abc import Iterator
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from model.errors import ArtifactRejected

_MOST_BYTES = 1 << 30
_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})


def read_graph(data: bytes, filename: str) -> Any:
    """The model in these bytes, as the package `onnx` has it.

    Raises:
        ArtifactRejected: no such thing; too large; or something of it is elsewhere.
    """
    if len(data) > _MOST_BYTES:
        raise ArtifactRejected(f"{filename} has more than {_MOST_BYTES:,} bytes.")
    try:
        model = onnx.load_model_from_string(data)
    except (DecodeError, ValueError, TypeError) as exc:
        raise ArtifactRejected(f"{filename} is no ONNX file, or it is damaged.") from exc
    if not model.graph.node or not model.graph.output:
        raise ArtifactRejected(f"{filename} is no ONNX file, or it is damaged: it has no graph.")
    _require_standard(model, filename)
    return model


def _require_standard(model: Any, filename: str) -> None:
    if len(model.functions):
        raise ArtifactRejected(f"{filename} brings functions of its own; export it without.")
    if len(model.training_info):
        raise ArtifactRejected(f"{filename} is made for training; export it for inference.")
    used = {node.domain for node in _nodes(model.graph)} | {o.domain for o in model.opset_import}
    foreign = sorted(used - _DOMAINS)
    if foreign:
        raise ArtifactRejected(
            f"{filename} uses operators of {foreign[0]!r}; only those of ONNX itself are served."
        )
    if any(tensor.external_data or tensor.data_location for tensor in _tensors(model.graph)):
        raise ArtifactRejected(
            f"{filename} keeps its weights in another file; save them inside the ONNX file."
        )


def _nodes(graph: Any) -> Iterator[Any]:
    """Of the graph and of all graphs inside it."""
    for node in graph.node:
        yield node
        for inner in _inner_graphs(node):
            yield from _nodes(inner)


def _inner_graphs(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
        for inner in _inner_graphs(node):
            yield from _tensors(inner)
