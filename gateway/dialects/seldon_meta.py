"""The `meta` of Seldon's messages: what a caller said of its call, and what is said back."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import BadRequest
from model import Prediction

PUID_HEADER = "Seldon-Puid"
_PUID = re.compile(r"[A-Za-z0-9._:=+/@-]{1,128}")
_MEMBERS = frozenset({"puid", "tags", "routing", "requestPath", "metrics"})
_METRIC_TYPES = frozenset({"COUNTER", "GAUGE", "TIMER"})
_MOST_METRICS = 100


@dataclass(frozen=True, slots=True)
class Meta:
    """What stood in a request, each part checked; `puid` is its id, from wherever it came."""

    puid: str
    tags: Mapping[str, Any] = field(default_factory=dict)
    routing: Mapping[str, int] = field(default_factory=dict)
    request_path: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[Mapping[str, Any], ...] = ()

    def answered(self, model_name: str, version: str) -> dict[str, Any]:
        """The `meta` of an answer of this version that adds nothing of its own."""
        meta: dict[str, Any] = {"puid": self.puid}
        if self.tags:
            meta["tags"] = dict(self.tags)
        if self.routing:
            meta["routing"] = dict(self.routing)
        meta["requestPath"] = {**self.request_path, model_name: f"{model_name}:{version}"}
        if self.metrics:
            meta["metrics"] = list(self.metrics)
        return meta

    def of(self, prediction: Prediction) -> dict[str, Any]:
        """The `meta` of a prediction: its tags and metrics come after the caller's."""
        meta = self.answered(prediction.model_name, prediction.model_version)
        if prediction.tags:
            meta["tags"] = {**self.tags, **prediction.tags}
        if prediction.metrics:
            meta["metrics"] = [*self.metrics, *prediction.metrics]
        return meta


def read_meta(meta: Any, header_puid: str, request_id: str) -> Meta:
    """The `meta` of a request; one that is absent has the id of the header or of the request.

    Raises: BadRequest, where a part of it is not what Seldon's protocol says.
    """
    if meta is None:
        meta = {}
    if not isinstance(meta, dict) or not meta.keys() <= _MEMBERS:
        raise BadRequest(f"meta may have {', '.join(sorted(_MEMBERS))}, and nothing else.")
    return Meta(
        read_puid(header_puid if _is_absent(meta.get("puid")) else meta["puid"], request_id),
        _table(meta, "tags", lambda _: True),
        _table(meta, "routing", lambda value: type(value) is int),
        _table(meta, "requestPath", lambda value: isinstance(value, str)),
        _metrics(meta.get("metrics")),
    )


def _is_absent(puid: Any) -> bool:
    return puid is None or puid == ""


def read_puid(puid: Any, request_id: str) -> str:
    """The caller's id of a call. Raises: BadRequest."""
    if _is_absent(puid):
        return request_id
    # It is written into a header field.
    if not isinstance(puid, str) or not _PUID.fullmatch(puid):
        raise BadRequest("puid may have 128 letters, digits and . _ : = + / @ -.")
    return puid


def _table(meta: Mapping[str, Any], member: str, fits: Any) -> Mapping[str, Any]:
    table = meta.get(member)
    if table is None:
        return {}
    if not isinstance(table, dict) or not all(map(fits, table.values())):
        raise BadRequest(f"{member} of meta is no object, or has values of a wrong kind.")
    return table


def _metrics(metrics: Any) -> tuple[Mapping[str, Any], ...]:
    if metrics is None:
        return ()
    if not isinstance(metrics, list) or len(metrics) > _MOST_METRICS:
        raise BadRequest(f"metrics of meta must be an array of at most {_MOST_METRICS}.")
    if not all(map(_is_metric, metrics)):
        raise BadRequest("Each of the metrics has key, type (COUNTER, GAUGE, TIMER) and value.")
    return tuple(metrics)


def _is_metric(metric: Any) -> bool:
    if not isinstance(metric, dict) or not metric.keys() <= {"key", "type", "value", "tags"}:
        return False
    value: Any = metric.get("value")
    return (
        isinstance(metric.get("key"), str)
        and metric.get("type", "COUNTER") in _METRIC_TYPES
        and type(value) in {int, float}
        and math.isfinite(value)
        and isinstance(metric.get("tags", {}), dict)
    )
