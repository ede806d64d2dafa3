"""Answers as JSON bytes, written from numpy without Python lists in between."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from model.batch import Array


def encode_json(value: Mapping[str, Any] | Sequence[Any] | Array) -> bytes:
    """Valid JSON: NaN and infinity become null (RFC 8259 knows neither)."""
    try:
        return _dumps(value)
    except TypeError:
        # orjson refuses arrays in a foreign byte order without asking `default`.
        if isinstance(value, np.ndarray):
            return _dumps(_native(value))
        if not isinstance(value, Mapping):
            raise
        return _dumps({name: _native(member) for name, member in value.items()})


def _dumps(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY, default=_default)


def _native(member: Any) -> Any:
    if isinstance(member, np.ndarray) and not member.dtype.isnative:
        return member.astype(member.dtype.newbyteorder("="))
    return member


def _default(value: Any) -> Any:
    # What orjson does not write from numpy itself: strings, objects, other layouts.
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form")
