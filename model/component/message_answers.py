"""What a hook returns to a message, as a message. Source: Seldon Core v1, its wrapper's rules."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from model.batch import Array
from model.component.extras import JSON_INTEGERS, to_plain
from model.errors import ModelFailed, Refused
from model.message import KINDS, MAX_DEPTH, is_payload

_PAYLOADS = ("data", *KINDS)
_MEMBERS = frozenset({*_PAYLOADS, "meta", "status"})
_TABLES = ("ndarray", "tensor", "tftensor")
_UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class Reply:
    """The one payload of an answer by its kind, and what the hook said with it, not looked at."""

    payload: Mapping[str, Any]
    tags: Any = None
    metrics: Any = None


def read_reply(value: Any, class_names: tuple[str, ...]) -> Reply:
    """What `predict` or a transform returned: a dict, bytes, text, an array, a list; or a
    SeldonResponse with one.

    Raises: ModelFailed, for anything else.
    """
    if type(value).__name__ == "SeldonResponse" and hasattr(value, "data"):
        tags, metrics = getattr(value, "tags", None), getattr(value, "metrics", None)
        return replace(read_reply(value.data, class_names), tags=tags, metrics=metrics)
    if isinstance(value, str):
        return Reply({"strData": value})
    if isinstance(value, bytes):
        return Reply({"binData": b64encode(value).decode()})
    if isinstance(value, Mapping):
        return Reply({"jsonData": _plain(value, "jsonData")})
    if isinstance(value, (list, np.ndarray)):
        return Reply({"data": _table(value, class_names)})
    raise ModelFailed(f"it answers a {type(value).__name__}, not text, bytes, a dict or an array")


def read_raw_reply(message: Any) -> Reply:
    """What `predict_raw` returned: a SeldonMessage as a dict.

    Raises:
        Refused: its status is one of 4xx, or 503, and says why.
        ModelFailed: another status, or no message.
    """
    if not isinstance(message, Mapping):
        raise ModelFailed(f"predict_raw answers a {type(message).__name__} in place of a dict")
    _raise_status(message.get("status") or {})
    unknown = sorted(set(map(str, message)) - _MEMBERS)
    if unknown:
        raise ModelFailed(f"predict_raw answers with {unknown[0]!r}, which no SeldonMessage has")
    given = [kind for kind in _PAYLOADS if message.get(kind) is not None]
    if len(given) != 1:
        raise ModelFailed(f"predict_raw does not answer with one of {', '.join(_PAYLOADS)}")
    meta = message.get("meta") or {}
    if not isinstance(meta, Mapping):
        raise ModelFailed("the meta of predict_raw is no dict")
    payload = _checked(given[0], _plain(message[given[0]], given[0]))
    return Reply({given[0]: payload}, meta.get("tags"), meta.get("metrics"))


def _raise_status(status: Any) -> None:
    code = status.get("code", 200) if isinstance(status, Mapping) else None
    if code in {0, 200}:
        return
    info = str(status.get("info", "")) if isinstance(status, Mapping) else ""
    if isinstance(code, int) and 400 <= code < 500:
        raise Refused("invalid_input", info or "The model refuses this message.")
    if code == _UNAVAILABLE:
        raise Refused("unavailable", info or "The model cannot answer now.")
    raise ModelFailed(f"predict_raw answers with the status code {code!r}")


def _checked(kind: str, payload: Any) -> Any:
    if kind == "data":
        tables = [name for name in _TABLES if isinstance(payload, dict) and name in payload]
        if len(tables) != 1 or not payload.keys() <= {"names", *_TABLES}:
            raise ModelFailed(f"data of predict_raw is no dict with one of {', '.join(_TABLES)}")
    elif not is_payload(kind, payload, KINDS):
        raise ModelFailed(f"{kind} of predict_raw is not what it must be")
    return payload


def _table(value: Any, class_names: tuple[str, ...]) -> dict[str, Any]:
    try:
        array = np.asarray(value)
    except ValueError as exc:
        raise ModelFailed("the rows of its answer differ in length") from exc
    if not array.ndim:
        raise ModelFailed("it answers a single value, not one in a list")
    names = _column_names(array, class_names)
    if array.dtype.kind not in "fiu":
        return {"names": names, "ndarray": _plain(value, "ndarray")}
    if not np.isfinite(array).all():
        raise ModelFailed("its answer has a number that is not finite")
    return {"names": names, "tensor": {"shape": list(array.shape), "values": _flat(array)}}


def _plain(value: Any, where: str) -> Any:
    return to_plain(value, where, MAX_DEPTH, JSON_INTEGERS)


def _flat(array: Array) -> list[Any]:
    values: list[Any] = array.ravel().tolist()
    return values


def _column_names(array: Array, class_names: tuple[str, ...]) -> list[str]:
    if array.ndim < 2:
        return []
    if len(class_names) == array.shape[1]:
        return list(class_names)
    return [f"t:{at}" for at in range(array.shape[1])]
