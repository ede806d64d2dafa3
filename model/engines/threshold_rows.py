"""Rows that stand exactly on the thresholds of trees, where single precision decides otherwise."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from model.engines.treelite_trees import treelite_trees
from model.engines.trees import Tree, trees_of
from model.estimator.columns import FILLING
from model.estimator.fitted import steps

_MOST_SPLITS = 400

Rows = npt.NDArray[np.float64]


def threshold_rows(estimator: Any, base: Rows, random: np.random.Generator) -> Rows:
    """For splits of the estimator's trees, rows that reach the split with a value on its threshold.

    And with the neighbours of that value in double and in single precision. Where the trees come
    after other steps, each of those must know its inverse; none are made otherwise.

    Args:
        base: ordinary rows, shape (n, f), that these are made from.
    """
    *before, final = steps(estimator)
    trees = list(trees_of(final)) or treelite_trees(final)
    # What imputers get here has no gaps, so they change nothing.
    before = [step for step in before if type(step).__name__ not in FILLING]
    if not trees or not all(hasattr(step, "inverse_transform") for step in before):
        return base[:0]
    seen: Any = base
    for step in before:
        seen = step.transform(seen)
    rows: Any = _rows(trees, np.asarray(seen, dtype=np.float64), random)
    try:
        for step in reversed(before):
            rows = step.inverse_transform(rows)
    except (ValueError, TypeError, NotImplementedError):
        return base[:0]
    # The way back rounds: its neighbours may be what meets the threshold.
    found = np.asarray(rows, dtype=np.float64)
    if before:
        found = np.vstack([found, np.nextafter(found, -np.inf), np.nextafter(found, np.inf)])
    return np.ascontiguousarray(found)


def _rows(trees: Sequence[Tree], base: Rows, random: np.random.Generator) -> Rows:
    splits = _chosen(trees, random)
    found = [base[:0]]
    parents = {id(tree): _parents(tree) for tree, _ in splits}
    for tree, split in splits:
        threshold = float(tree.threshold[split])
        if np.isfinite(threshold):
            row = _led_to(tree, split, base[random.integers(len(base))], parents[id(tree)])
            rows = np.repeat(row[np.newaxis], len(_around(threshold)), axis=0)
            rows[:, tree.feature[split]] = _around(threshold)
            found.append(rows)
    return np.vstack(found)


def _chosen(trees: Sequence[Tree], random: np.random.Generator) -> list[tuple[Tree, int]]:
    """Splits of all trees, or as many of each as there is room for."""
    if len(trees) > _MOST_SPLITS:
        trees = [trees[at] for at in random.choice(len(trees), _MOST_SPLITS, replace=False)]
    share = _MOST_SPLITS // len(trees)
    chosen: list[tuple[Tree, int]] = []
    for tree in trees:
        splits = tree.splits
        if len(splits) > share:
            splits = random.choice(splits, share, replace=False)
        chosen += [(tree, int(split)) for split in splits]
    return chosen


def _around(threshold: float) -> list[float]:
    """The threshold, its neighbours, the nearest single-precision number and its neighbours."""
    single = np.float32(threshold)
    infinity = np.float32(np.inf)
    return [
        threshold,
        float(np.nextafter(threshold, -np.inf)),
        float(np.nextafter(threshold, np.inf)),
        float(single),
        float(np.nextafter(single, -infinity)),
        float(np.nextafter(single, infinity)),
    ]


def _parents(tree: Tree) -> npt.NDArray[np.int64]:
    parents = np.full(len(tree.feature), -1)
    for children in (tree.left, tree.right):
        parents[children[tree.splits]] = tree.splits
    return parents


def _led_to(tree: Tree, split: int, row: Rows, parents: npt.NDArray[np.int64]) -> Rows:
    """The row with the fewest changes that send it to this node."""
    above, up_to = np.full(len(row), -np.inf), np.full(len(row), np.inf)
    node, parent = split, int(parents[split])
    while parent >= 0:
        feature, threshold = tree.feature[parent], tree.threshold[parent]
        if tree.left[parent] == node:
            up_to[feature] = min(up_to[feature], threshold)
        else:
            above[feature] = max(above[feature], threshold)
        node, parent = parent, int(parents[parent])
    outside = (row <= above) | (row > up_to)
    return np.where(outside, _between(above, up_to), row)


def _between(above: Rows, up_to: Rows) -> Rows:
    """A value in each of these half-open intervals."""
    with np.errstate(invalid="ignore"):  # Where both ends are open, nobody looks.
        low = np.where(np.isfinite(above), above, up_to - np.abs(up_to) - 1.0)
        high = np.where(np.isfinite(up_to), up_to, low + np.abs(low) + 1.0)
        middle: Rows = low + (high - low) / 2
    return middle
