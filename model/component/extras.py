"""Tags and metrics, as model code gives them and as answers carry them."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from model.errors import ModelFailed

_METRIC_TYPES = frozenset({"COUNTER", "GAUGE", "TIMER"})
_DEPTH = 8
INT64 = range(-(2**63), 2**63)
# What JSON's readers here take.
JSON_INTEGERS = range(-(2**63), 2**64)


def check_tags(tags: Any) -> dict[str, Any]:
    """The tags as plain values; None has none.

    Raises: ModelFailed, where they are no dict by text or have no JSON form.
    """
    if tags is None:
        return {}
    if not isinstance(tags, Mapping):
        raise ModelFailed(f"tags gives a {type(tags).__name__}, not a dict")
    plain: dict[str, Any] = to_plain(tags, "tags", _DEPTH)
    return plain


def check_metrics(metrics: Any) -> list[dict[str, Any]]:
    """The metrics as plain values; None has none.

    Raises: ModelFailed, where one is no {"key", "type", "value", "tags"?}.
    """
    if metrics is None:
        return []
    if not isinstance(metrics, (list, tuple)):
        raise ModelFailed(f"metrics gives a {type(metrics).__name__}, not a list")
    return [_metric(metric) for metric in metrics]


def _metric(metric: Any) -> dict[str, Any]:
    if not isinstance(metric, Mapping):
        raise ModelFailed("metrics has an entry that is no dict")
    plain: dict[str, Any] = to_plain(metric, "metrics", _DEPTH)
    key, kind, value = plain.get("key"), plain.get("type"), plain.get("value")
    if not isinstance(key, str) or not key:
        raise ModelFailed("metrics has an entry without a key")
    if kind not in _METRIC_TYPES:
        raise ModelFailed(f"metric {key} has the type {kind!r}, not COUNTER, GAUGE or TIMER")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ModelFailed(f"metric {key} has no finite number as its value")
    tags = plain.get("tags") or {}
    if not isinstance(tags, dict):
        raise ModelFailed(f"metric {key} has tags that are no dict")
    return {"key": key, "type": kind, "value": value} | ({"tags": tags} if tags else {})


def to_plain(value: Any, where: str, depth: int, integers: range = INT64) -> Any:
    """The value as JSON has it; numpy's as Python's, NaN and infinity as None.

    Raises: ModelFailed, where it has no JSON form, or is deeper than that.
    """
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if (
        value is None
        or isinstance(value, (str, bool))
        or (type(value) is int and value in integers)
    ):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth and isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {name: to_plain(part, where, depth - 1, integers) for name, part in value.items()}
    if depth and isinstance(value, (list, tuple)):
        return [to_plain(part, where, depth - 1, integers) for part in value]
    raise ModelFailed(f"{where} has a {type(value).__name__} that has no JSON form")
