"""Fitted decision trees as plain arrays."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_Integers = npt.NDArray[np.int64]
_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """One tree: arrays with an entry for each node; node 0 is the root.

    A split sends `x[feature] <= threshold` to the left, and a missing value where `missing_left`
    says. A leaf gives its row of `values`, shape (nodes, k).
    """

    feature: _Integers
    threshold: npt.NDArray[np.float64]
    left: _Integers
    right: _Integers
    is_leaf: _Flags
    missing_left: _Flags
    values: npt.NDArray[np.float64]

    @property
    def splits(self) -> _Integers:
        """The numbers of the nodes that are no leaves."""
        return np.flatnonzero(~self.is_leaf)


def sklearn_tree(tree: Any, values: Any = None) -> Tree:
    """The tree inside scikit-learn's `tree_`; its inputs are compared in single precision.

    `values` are other numbers for its nodes, shape (nodes, k).
    """
    found = tree.value.reshape(tree.node_count, -1) if values is None else values
    return Tree(
        tree.feature,
        tree.threshold,
        tree.children_left,
        tree.children_right,
        tree.children_left == -1,
        tree.missing_go_to_left.astype(np.bool_),
        np.asarray(found, dtype=np.float64),
    )


def boosted_tree(predictor: Any) -> Tree:
    """The tree inside a predictor of scikit-learn's histogram gradient boosting."""
    nodes = predictor.nodes
    return Tree(
        nodes["feature_idx"].astype(np.int64),
        nodes["num_threshold"],
        nodes["left"].astype(np.int64),
        nodes["right"].astype(np.int64),
        nodes["is_leaf"].astype(np.bool_),
        nodes["missing_go_to_left"].astype(np.bool_),
        nodes["value"][:, np.newaxis].astype(np.float64),
    )


def trees_of(final: Any) -> Iterator[Tree]:
    """The trees that see the rows of this estimator as they are; none for most kinds."""
    if hasattr(getattr(final, "tree_", None), "threshold"):
        yield sklearn_tree(final.tree_)
    for predictors in getattr(final, "_predictors", ()):
        yield from map(boosted_tree, predictors)
    found = getattr(final, "estimators_", ())
    for one in found.ravel().tolist() if isinstance(found, np.ndarray) else found:
        # Where each sees other columns, their numbers mean other columns too.
        if getattr(one, "n_features_in_", None) == getattr(final, "n_features_in_", None):
            yield from trees_of(one)
