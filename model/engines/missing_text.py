"""Text that is missing, for ONNX, which has no such thing."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from model.batch import Array
from model.threads import parts_of

# Stands for it, in what a graph is given and in the categories it compares with. That the graph
# then answers as the estimator is proved, not assumed.
MISSING_TEXT = "\x00missing"


def with_word(column: Array) -> Array:
    """A column of text with the word for what is missing in it."""
    missing = np.equal(column, None)  # type: ignore[call-overload]
    return np.where(missing, MISSING_TEXT, column) if missing.any() else column


@contextlib.contextmanager
def named_in_categories(estimator: Any) -> Iterator[None]:
    """Meanwhile the encoders in the estimator know the word as the category of what is missing."""
    encoders = [part for part in parts_of(estimator) if _lists_categories(part)]
    kept = [encoder.categories_ for encoder in encoders]
    try:
        for encoder in encoders:
            encoder.categories_ = [_named(categories) for categories in encoder.categories_]
        yield
    finally:
        for encoder, categories in zip(encoders, kept, strict=True):
            encoder.categories_ = categories


def _lists_categories(part: Any) -> bool:
    found = getattr(part, "categories_", None)
    return isinstance(found, list) and all(isinstance(one, np.ndarray) for one in found)


def _named(categories: Array) -> Array:
    if categories.dtype.kind != "O" or not any(isinstance(one, str) for one in categories):
        return categories
    named = categories.copy()
    for at, one in enumerate(categories):
        if one is None or (isinstance(one, float) and np.isnan(one)):
            named[at] = MISSING_TEXT
    return named
