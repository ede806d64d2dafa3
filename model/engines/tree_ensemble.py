"""Trees as one node of ONNX, all of it in double precision.

skl2onnx writes older nodes that answer in single precision; then probabilities that are equal in
scikit-learn may differ, and a label flips. It also does not write how missing values go.
Source: ONNX, operator TreeEnsemble, version 5 of ai.onnx.ml.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import numpy_helper

from model.engines.trees import Tree
from model.errors import ArtifactRejected

OPERATOR, DOMAIN, VERSION = "TreeEnsemble", "ai.onnx.ml", 5
# The newest version that skl2onnx 1.20 lets a node have; `conversion` puts it right.
KNOWN_VERSION = 3

# Opening a session takes about 5 us for each: with more, workers would start too slowly.
_MOST_NODES = 1_000_000

_LESS_OR_EQUAL = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Nodes:
    """What some trees add to the lists of one operator."""

    splits: dict[str, npt.NDArray[Any]]
    targets: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]


def tree_ensemble(trees: Sequence[tuple[Tree, int]], target_count: int) -> dict[str, Any]:
    """The attributes of a TreeEnsemble that adds up, for each target, what its trees give.

    Args:
        trees: a tree and the target of the first column of its values; the second column is for
            the next target, and so on.

    Raises:
        ArtifactRejected: there are too many of them.
    """
    single = [
        (tree, column, first + column)
        for column in range(max(tree.values.shape[1] for tree, _ in trees))
        for tree, first in trees
        if column < tree.values.shape[1]
    ]
    count = sum(len(tree.feature) for tree, _, _ in single)
    if count > _MOST_NODES:
        raise ArtifactRejected(f"Its trees have {count:,} nodes; up to {_MOST_NODES:,} compile.")
    roots, parts, split_count, leaf_count = [], [], 0, 0
    for tree, column, target in single:
        roots.append(split_count)
        part = _nodes(tree, column, target, split_count, leaf_count)
        parts.append(part)
        split_count += len(part.splits["nodes_featureids"])
        leaf_count += len(part.weights)
    return {**_attributes(parts), "tree_roots": roots, "n_targets": target_count}


def _nodes(tree: Tree, column: int, target: int, first_split: int, first_leaf: int) -> _Nodes:
    """One tree, its splits and leaves numbered on from those before it."""
    splits, leaves = tree.splits, np.flatnonzero(tree.is_leaf)
    number = np.empty(len(tree.feature), np.int64)
    number[splits] = first_split + np.arange(len(splits))
    number[leaves] = first_leaf + np.arange(len(leaves))
    left, right = tree.left[splits], tree.right[splits]
    if not len(splits):
        # A tree of one leaf is written as a split with that leaf on both sides.
        splits = left = right = leaves
    return _Nodes(
        {
            "nodes_featureids": np.maximum(tree.feature[splits], 0),
            "nodes_splits": tree.threshold[splits],
            "nodes_truenodeids": number[left],
            "nodes_falsenodeids": number[right],
            "nodes_trueleafs": tree.is_leaf[left],
            "nodes_falseleafs": tree.is_leaf[right],
            "nodes_missing_value_tracks_true": tree.missing_left[splits],
        },
        np.full(len(leaves), target),
        tree.values[leaves, column],
    )


def _attributes(parts: Sequence[_Nodes]) -> dict[str, Any]:
    lists = {name: np.concatenate([p.splits[name] for p in parts]) for name in parts[0].splits}
    thresholds = lists.pop("nodes_splits")
    modes = np.full(len(thresholds), _LESS_OR_EQUAL, np.uint8)
    return {
        **{name: values.astype(np.int64).tolist() for name, values in lists.items()},
        "nodes_splits": numpy_helper.from_array(thresholds.astype(np.float64)),
        "nodes_modes": numpy_helper.from_array(modes),
        "leaf_targetids": np.concatenate([part.targets for part in parts]).tolist(),
        "leaf_weights": numpy_helper.from_array(np.concatenate([part.weights for part in parts])),
    }
