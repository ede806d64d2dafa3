"""Constants of a graph that are reckoned once, and not with each call."""

from collections import Counter
from typing import Any

import numpy as np
from onnx import numpy_helper

from model.engines.graph_edits import read_inside


def fold_divisions(model: Any) -> None:
    """Where a matrix is divided by constants and multiplied by others, divide the others once.

    Of StandardScaler and a linear model that is a third of the time: it goes over all rows anew.
    """
    graph = model.graph
    constants = {one.name: one for one in graph.initializer}
    divisions = {node.output[0]: node for node in graph.node if node.op_type == "Div"}
    readers = Counter(name for node in graph.node for name in (*node.input, *read_inside(node)))
    readers.update(output.name for output in graph.output)
    for product in graph.node:
        division = divisions.get(product.input[0]) if product.op_type == "MatMul" else None
        if division is not None and readers[product.input[0]] == 1:
            folded = _folded(constants.get(division.input[1]), constants.get(product.input[1]))
            if folded is not None:
                graph.initializer.append(folded)
                product.input[:] = [division.input[0], folded.name]


def _folded(divisor: Any, factors: Any) -> Any:
    """The factors divided row by row; None where these are no such constants, or lose digits."""
    if divisor is None or factors is None:
        return None
    by, matrix = numpy_helper.to_array(divisor), numpy_helper.to_array(factors)
    if matrix.ndim != 2 or by.shape not in {(len(matrix),), (1, len(matrix))} or not by.all():
        return None
    with np.errstate(all="ignore"):
        quotients = matrix / by.reshape(-1, 1)
    if not _keeps_digits(quotients[matrix != 0]):
        return None
    return numpy_helper.from_array(quotients, f"{factors.name}.divided")


def _keeps_digits(numbers: Any) -> bool:
    """Whether all are as exact as their type is: none infinite, nor so small that it loses bits."""
    return bool(np.isfinite(numbers).all() and (abs(numbers) >= np.finfo(numbers.dtype).tiny).all())
