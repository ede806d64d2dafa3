"""Adds the nodes of one estimator to a graph that skl2onnx writes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto

from model.engines.tree_ensemble import DOMAIN, KNOWN_VERSION, OPERATOR, tree_ensemble
from model.engines.trees import Tree

_KINDS = {"f": TensorProto.DOUBLE, "i": TensorProto.INT64, "b": TensorProto.INT64}


class GraphWriter:
    """Scope and container are what skl2onnx hands to a converter."""

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope = scope
        self._container = container

    def node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node; the name of its output."""
        output = output or self._scope.get_unique_variable_name(kind.lower())
        self._container.add_node(
            kind,
            list(inputs),
            output,
            name=self._scope.get_unique_operator_name(kind),
            **attributes,
        )
        return output

    def constant(self, value: Any) -> str:
        """A tensor of doubles, whole numbers or words."""
        array = np.asarray(value)
        name: str = self._scope.get_unique_variable_name("constant")
        kind = _KINDS.get(array.dtype.kind, TensorProto.STRING)
        flat = array.ravel().tolist()
        if kind == TensorProto.STRING:
            flat = [str(one).encode() for one in flat]
        self._container.add_initializer(name, kind, list(array.shape), flat)
        return name

    def joined(self, inputs: Sequence[Any]) -> str:
        """All columns of an operator's inputs as one table of doubles."""
        tables = [self.node("Cast", one.full_name, to=TensorProto.DOUBLE) for one in inputs]
        return tables[0] if len(tables) == 1 else self.node("Concat", *tables, axis=1)

    def sums(self, rows: str, trees: Sequence[tuple[Tree, int]], target_count: int) -> str:
        """For each target, what its trees give in all, shape (n, target_count)."""
        return self.node(
            OPERATOR,
            rows,
            op_domain=DOMAIN,
            op_version=KNOWN_VERSION,
            **tree_ensemble(trees, target_count),
        )

    def doubles(self, rows: str, *, single_first: bool) -> str:
        """The rows in double precision; scikit-learn's trees round them to single before."""
        if single_first:
            rows = self.node("Cast", rows, to=TensorProto.FLOAT)
        return self.node("Cast", rows, to=TensorProto.DOUBLE)

    def classify(self, operator: Any, place: str, scores: str) -> None:
        """The two outputs of a classifier: its label is the class at this place."""
        classes = self.constant(operator.raw_operator.classes_)
        label, table = operator.outputs[:2]
        self.node("Gather", classes, place, output=label.full_name, axis=0)
        self.node("Identity", scores, output=table.full_name)
