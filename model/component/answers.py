"""What a hook returns, as outputs. Seldon's servers pass anything on; here an answer is a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from model.batch import Array
from model.component.cells import to_array
from model.errors import ModelFailed

PREDICTIONS = "predictions"

# Members of an answer that say something else.
_RESERVED = frozenset({"model", "version", "classes", "tags", "metrics", "names"})


@dataclass(frozen=True, slots=True)
class Answer:
    """Arrays by output name, and what the hook said with them: not yet looked at.

    `names` are those of the columns, where the answer brought any.
    """

    outputs: Mapping[str, Array]
    tags: Any = None
    metrics: Any = None
    names: tuple[str, ...] = ()


def read_answer(value: Any, row_count: int) -> Answer:
    """What `predict` or a transform returned: an array, a list, a data frame or a series; a dict of
    these by output name; or a SeldonResponse with one.

    Raises: ModelFailed, where it has no entry for each row, or cells that are no plain values.
    """
    if type(value).__name__ == "SeldonResponse" and hasattr(value, "data"):
        tags, metrics = getattr(value, "tags", None), getattr(value, "metrics", None)
        return replace(read_answer(value.data, row_count), tags=tags, metrics=metrics)
    return Answer(_outputs(value, row_count))


def read_message(message: Any, row_count: int) -> Answer:
    """What `predict_raw` returned: a SeldonMessage as a dict.

    Raises: ModelFailed, also where its status says that it failed.
    """
    if not isinstance(message, Mapping):
        raise ModelFailed(f"predict_raw answers {_kind(message)} in place of a dict")
    status = _table(message, "status")
    if status.get("code", 200) != 200:
        raise ModelFailed(f"predict_raw answers with the status code {status['code']!r}")
    data, meta = _table(message, "data"), _table(message, "meta")
    value = _cells(data) if data else message.get("jsonData")
    return Answer(
        _outputs(value, row_count),
        meta.get("tags"),
        meta.get("metrics"),
        tuple(map(str, _sequence(data.get("names")))),
    )


def _table(message: Mapping[str, Any], member: str) -> Mapping[str, Any]:
    table = message.get(member)
    return table if isinstance(table, Mapping) else {}


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()


def _cells(data: Mapping[str, Any]) -> Any:
    if "tensor" not in data:
        return data.get("ndarray")
    try:
        return np.reshape(data["tensor"]["values"], data["tensor"]["shape"])
    except (KeyError, TypeError, ValueError) as exc:
        raise ModelFailed("the tensor of predict_raw does not have the shape it names") from exc


def _outputs(value: Any, row_count: int) -> Mapping[str, Array]:
    if not isinstance(value, Mapping) or hasattr(value, "to_numpy"):
        return {PREDICTIONS: _rows(value, row_count, PREDICTIONS)}
    for name in value:
        if not isinstance(name, str) or not name or name in _RESERVED:
            raise ModelFailed(f"its answer is a dict, and {name!r} cannot name an output")
    if not value:
        raise ModelFailed(f"its answer is an empty dict: {_WANTED}")
    return {name: _rows(part, row_count, name) for name, part in value.items()}


def _rows(value: Any, row_count: int, name: str) -> Array:
    if value is None or isinstance(value, (str, bytes, Mapping)):
        raise ModelFailed(f"{name} is {_kind(value)}: {_WANTED}")
    array = to_array(value, name)
    if len(array) != row_count:
        raise ModelFailed(f"{name} has {len(array)} rows for {row_count} rows of input: {_WANTED}")
    return array


_WANTED = (
    "return an array or a list with one entry for each row, or a dict of such lists by output name"
)


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
