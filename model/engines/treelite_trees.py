"""The trees of XGBoost and LightGBM as plain arrays, by way of treelite."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from model.engines.treelite_conversion import READERS
from model.engines.trees import Tree
from model.estimator.fitted import library

_NUMBERS = "numerical_test_node"


def treelite_trees(final: Any) -> list[Tree]:
    """Trees that split by numbers only; none for estimators of other libraries.

    XGBoost sends `x < threshold` to the left, so there the threshold itself goes to the right.
    """
    if library(final) not in {"lightgbm", "xgboost"}:
        return []
    try:
        document = json.loads(READERS[library(final)](final).dump_as_json())
    except Exception:  # What treelite cannot read is served as it is.
        return []
    return [_tree(tree["nodes"]) for tree in document["trees"] if _by_numbers(tree["nodes"])]


def _by_numbers(nodes: Sequence[Mapping[str, Any]]) -> bool:
    return all(node.get("node_type", _NUMBERS) == _NUMBERS for node in nodes if not _is_leaf(node))


def _is_leaf(node: Mapping[str, Any]) -> bool:
    return "leaf_value" in node


def _tree(nodes: Sequence[Mapping[str, Any]]) -> Tree:
    ordered = sorted(nodes, key=lambda node: node["node_id"])

    def column(name: str, otherwise: Any, dtype: Any) -> Any:
        return np.array([node.get(name, otherwise) for node in ordered], dtype=dtype)

    return Tree(
        column("split_feature_id", 0, np.int64),
        column("threshold", 0.0, np.float64),
        column("left_child", -1, np.int64),
        column("right_child", -1, np.int64),
        np.array([_is_leaf(node) for node in ordered]),
        column("default_left", False, np.bool_),
        np.zeros((len(ordered), 1)),
    )
