"""Decision trees walk from node to node by numbers in their file, and scikit-learn checks none.

A number beyond the nodes reads foreign memory; one that points back walks forever. Every builder
writes a node before its children, so a sound file is easy to tell.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The children of each split and its feature; splits are where the last says no.
_TREE = ("left_child", "right_child", "feature")
_BOOSTED = ("left", "right", "feature_idx")


def nodes_are_sound(instance: Any, state: Any) -> bool:
    """Whether a tree may take this state. True for whatever is no tree."""
    check = _CHECKS.get(f"{type(instance).__module__}:{type(instance).__qualname__}")
    if check is None:
        return True
    try:
        return check(instance, state)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return False


def _tree(tree: Any, state: Mapping[str, Any]) -> bool:
    nodes = state["nodes"]
    splits = nodes["left_child"] != -1
    return (
        state["node_count"] == len(nodes) > 0
        and _lead_onwards(nodes, splits, _TREE)
        and bool((nodes["feature"][splits] < tree.n_features).all())
    )


def _boosted_tree(_: Any, state: Mapping[str, Any]) -> bool:
    nodes = state["nodes"]
    splits = nodes["is_leaf"] == 0
    by_category = nodes["bitset_idx"][splits & (nodes["is_categorical"] != 0)]
    bitsets = min(len(state["raw_left_cat_bitsets"]), len(state["binned_left_cat_bitsets"]))
    return (
        len(nodes) > 0
        and _lead_onwards(nodes, splits, _BOOSTED)
        and bool((by_category < bitsets).all())
    )


def _lead_onwards(nodes: Any, splits: NDArray[np.bool_], fields: tuple[str, str, str]) -> bool:
    """Both children of each split come after it and exist; its feature is a column."""
    left, right, feature = (nodes[name][splits].astype(np.int64) for name in fields)
    position = np.flatnonzero(splits)
    return bool(
        (np.minimum(left, right) > position).all()
        and (np.maximum(left, right) < len(nodes)).all()
        and (feature >= 0).all()
    )


_CHECKS: dict[str, Callable[[Any, Any], bool]] = {
    "sklearn.tree._tree:Tree": _tree,
    "sklearn.ensemble._hist_gradient_boosting.predictor:TreePredictor": _boosted_tree,
}
