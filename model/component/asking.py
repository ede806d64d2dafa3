"""Asking the hook that answers: rows in, outputs out, once."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from model.batch import Array, Batch
from model.component.answers import Answer, read_answer, read_message
from model.component.construction import Component
from model.component.hooks import MESSAGE, ROWS, Hook
from model.component.raised import is_not_implemented
from model.errors import ArtifactRejected

_A = TypeVar("_A")

Ask = Callable[[Array, list[str]], Answer]

# The order in which Seldon's MODEL looks for what answers; a class that only transforms answers as
# its TRANSFORMER and OUTPUT_TRANSFORMER do.
_ANSWERING = ("predict_raw", "predict", "transform_input", "transform_output")


def choose(
    component: Component,
    ask_by: Callable[[Component, str], Callable[..., _A] | None],
    *question: Any,
) -> tuple[Callable[..., _A], _A]:
    """The hook that answers this question, for good, and its answer to it.

    A hook that raises Seldon's "not implemented" is not there, as in its base class.

    Raises:
        ArtifactRejected: no hook answers. Whatever a hook raises passes through.
    """
    for name in _ANSWERING:
        ask = ask_by(component, name)
        if ask is None:
            continue
        try:
            return ask, ask(*question)
        except Exception as exc:
            # A `predict` that meets a NotImplementedError of some library has failed.
            seldons = not isinstance(exc, NotImplementedError)
            if not is_not_implemented(exc) or (name == "predict" and not seldons):
                raise
    raise ArtifactRejected(
        f"{component.name} has no hook that answers; write def predict({ROWS.example})."
    )


def require_callable(component: Component) -> None:
    """Look at the hook that would be asked first. Asks nothing.

    Raises:
        ArtifactRejected: it cannot be called with what hooks are given.
    """
    any(ask_rows_by(component, name) for name in _ANSWERING)


def rows_of(batch: Batch) -> Array:
    """The rows as hooks get them, theirs to change.

    Numbers as float64, or int64 where all are whole; with text or optional truth values among them
    objects, where a missing number is NaN and anything else that is missing None.
    """
    if batch.columns is None:
        return batch.values.copy()
    columns = list(batch.columns.values())
    if all(column.dtype.kind in "fib" for column in columns):
        return np.column_stack(columns)
    rows = np.empty((batch.row_count, len(columns)), dtype=object)
    for index, column in enumerate(columns):
        rows[:, index] = column
    return rows


def ask_rows_by(component: Component, name: str) -> Ask | None:
    """The way to ask this hook about rows; None where it is not there."""
    if name == "predict_raw":
        raw = component.hook(name, MESSAGE)
        return None if raw is None else _raw(raw)
    hook = component.hook(name, ROWS)
    return None if hook is None else _by_rows(hook)


def _by_rows(hook: Hook) -> Ask:
    return lambda rows, names: read_answer(hook(rows, list(names), {}), len(rows))


def _raw(hook: Hook) -> Ask:
    return lambda rows, names: read_message(hook(_message(rows, names)), len(rows))


def _message(rows: Array, names: list[str]) -> dict[str, Any]:
    """A SeldonMessage as it comes out of JSON: a missing value is None."""
    cells = [[None if _is_nan(cell) else cell for cell in row] for row in rows.tolist()]
    return {"data": {"names": list(names), "ndarray": cells}, "meta": {}}


def _is_nan(cell: Any) -> bool:
    return isinstance(cell, float) and math.isnan(cell)
