"""Messages in place of rows, for a class that works on text, bytes or any JSON.

Such a model has one feature and one output, both a SeldonMessage as JSON text: one row is one
message. So all that is done with rows (charging, proving, measuring, shadowing) is done with
messages, and every protocol can carry them.
"""

import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from model.batch import Batch
from model.errors import Refused
from model.signature import Feature, Output

# What the feature and the output are called.
MESSAGE = "message"
KINDS = ("strData", "binData", "jsonData")
MAX_DEPTH = 32

_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Message:
    """One message: a payload of one of the KINDS, as JSON has it, and what was said beside it."""

    kind: str
    payload: Any
    meta: Mapping[str, Any]

    @property
    def value(self) -> Any:
        """The payload as Seldon gives it to `predict`: str, bytes, or what JSON says."""
        return binascii.a2b_base64(self.payload) if self.kind == "binData" else self.payload

    def as_dict(self) -> dict[str, Any]:
        """The whole message, as Seldon gives it to `predict_raw`."""
        return {self.kind: self.payload, "meta": dict(self.meta)}


def message_signature(kinds: Sequence[str]) -> tuple[Feature, Output]:
    """The feature and the output of a model that takes messages of these kinds."""
    said = f"A SeldonMessage with {' or '.join(kinds)}, as JSON text."
    answered = "A SeldonMessage with data, strData, binData or jsonData, as JSON text."
    return (
        Feature(MESSAGE, "BYTES", description=said),
        Output(MESSAGE, "BYTES", (-1,), description=answered),
    )


def message_text(message: Mapping[str, Any]) -> str:
    """The one text of this message. Raises TypeError, where it has no JSON form."""
    return orjson.dumps(message, option=orjson.OPT_SORT_KEYS).decode()


def message_batch(message: Mapping[str, Any]) -> Batch:
    """One row: this message."""
    return Batch.of_columns({MESSAGE: np.array([message_text(message)], dtype=np.object_)})


def kind_of(text: str) -> str:
    """The kind of a message without `meta`, written by `message_text`."""
    return str(next(iter(orjson.loads(text))))


def read_message(text: str, kinds: Sequence[str]) -> Message:
    """What a row says.

    Raises: Refused, where it is no message of these kinds; tells what would be one.
    """
    try:
        document = orjson.loads(text)
    except ValueError:
        document = None
    if isinstance(document, dict):
        meta = document.pop("meta", None) or {}
        given = [(kind, payload) for kind, payload in document.items() if payload is not None]
        if len(given) == 1 and isinstance(meta, dict) and is_payload(*given[0], kinds):
            return Message(*given[0], meta)
    raise Refused("invalid_input", f"Send a SeldonMessage with one of {', '.join(kinds)}.")


def is_payload(kind: str, payload: Any, kinds: Sequence[str]) -> bool:
    """Whether this is a payload of one of these kinds, not too deep."""
    if kind not in kinds:
        return False
    if kind == "binData":
        return isinstance(payload, str) and _is_base64(payload)
    return _depth_within(payload, MAX_DEPTH) if kind == "jsonData" else isinstance(payload, str)


def alike(text: str, other: str) -> bool:
    """Whether two messages say the same, but for the last digits of their numbers."""
    return text == other or _alike(orjson.loads(text), orjson.loads(other))


def _alike(value: Any, other: Any) -> bool:
    if isinstance(value, float) and isinstance(other, (float, int)):
        return bool(np.isclose(value, other, rtol=_TOLERANCE, atol=_TOLERANCE))
    if isinstance(value, dict) and isinstance(other, dict):
        return value.keys() == other.keys() and all(_alike(value[at], other[at]) for at in value)
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(_alike, value, other))
    return type(value) is type(other) and bool(value == other)


def _is_base64(text: str) -> bool:
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return False
    return True


def _depth_within(value: Any, most: int) -> bool:
    if not isinstance(value, (dict, list)):
        return True
    parts = value.values() if isinstance(value, dict) else value
    return most > 0 and all(_depth_within(part, most - 1) for part in parts)
