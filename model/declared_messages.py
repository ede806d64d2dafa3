"""[messages] of model.toml: what a class takes that answers messages and no tables."""

import math
from typing import Any

from model.declared_values import reject, table
from model.message import KINDS, is_payload, message_text

_INT64 = range(-(2**63), 2**63)


def declared_messages(section: Any) -> tuple[str, ...]:
    """The examples, one at least for each kind of message that the class takes, as JSON text.

    Raises: ArtifactRejected.
    """
    examples = table("[messages]", section, ("examples",)).get("examples")
    if not isinstance(examples, list) or not examples:
        reject('[messages] needs examples, such as examples = [{strData = "some text"}]')
    for number, example in enumerate(examples, start=1):
        if not isinstance(example, dict) or not _is_message(example):
            reject(
                f"number {number} of the examples of [messages] must be a table with one of"
                f" {', '.join(KINDS)}; binData is base64, jsonData what JSON can say"
            )
    return tuple(map(message_text, examples))


def _is_message(example: dict[str, Any]) -> bool:
    return (
        len(example) == 1
        and is_payload(*next(iter(example.items())), KINDS)
        and _is_json(next(iter(example.values())))
    )


def _is_json(value: Any) -> bool:
    """TOML knows dates as well, nan, and larger numbers."""
    if isinstance(value, (dict, list)):
        return all(map(_is_json, value.values() if isinstance(value, dict) else value))
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, (str, bool)) or (isinstance(value, int) and value in _INT64)
