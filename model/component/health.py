"""What a class says of its health while it serves."""

from collections.abc import Mapping
from typing import Any

from model.component.calling import optional
from model.component.hooks import Hook
from model.component.message_answers import read_reply
from model.errors import ModelFailed


def ask_health(hook: Hook | None) -> Mapping[str, Any] | None:
    """The payload that the hook answers; None where it is not there, or answers no payload.

    Raises: ModelFailed, where it says False or ends the process; whatever the hook raises.
    """
    try:
        said = optional(hook)
    except SystemExit as exc:
        raise ModelFailed("health_status ends the process") from exc
    if said is False:
        raise ModelFailed("health_status says False")
    try:
        return read_reply(said, ()).payload
    except ModelFailed:
        # That it returned is what counts.
        return None
