"""Small changes to a graph of ONNX."""

from collections.abc import Iterator
from typing import Any

# Before the name of each output that is ours, so that it is no name of something inside.
OUTPUT_PREFIX = "output."


def rename(model: Any, old: str, new: str) -> None:
    """Another name for a value of the outermost graph."""
    for node in model.graph.node:
        for names in (node.input, node.output):
            for at, name in enumerate(names):
                names[at] = new if name == old else name


def keep_needed(model: Any) -> None:
    """Take away the nodes and constants that no output needs."""
    needed = {output.name for output in model.graph.output}
    kept = []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            needed.update(read_inside(node))
            kept.append(node)
    constants = [one for one in model.graph.initializer if one.name in needed]
    del model.graph.node[:]
    model.graph.node.extend(reversed(kept))
    del model.graph.initializer[:]
    model.graph.initializer.extend(constants)


def read_inside(node: Any) -> Iterator[str]:
    """What the branches and loops of a node may read from outside."""
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            yield from (output.name for output in graph.output)
            for inner in graph.node:
                yield from inner.input
                yield from read_inside(inner)
