"""Events of the log, read without trusting a single field, and the filter that picks some."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

Event = Mapping[str, Any]

REQUEST_FINISHED = "request_finished"
NGINX_ACCESS = "nginx_access"
REFUSED_BY_SERVER = "request_refused_by_server"
PHASES = ("auth_ms", "limits_ms", "decode_ms", "validate_ms", "predict_ms", "encode_ms")
LEVELS = ("debug", "info", "warning", "error", "critical")


def parse(line: bytes) -> Event | None:
    """The event on a line, or None when the line is anything but a JSON object."""
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        event = _parse_mended(line)
    return event if isinstance(event, dict) else None


def _parse_mended(line: bytes) -> Any:
    # nginx logs the bytes of a path as they came: one bad byte must not hide the request.
    try:
        return orjson.loads(line.decode("utf-8", "replace"))
    except orjson.JSONDecodeError:
        return None


def printable(text: str) -> str:
    """The text with everything that could steer a terminal (controls, bidi marks) escaped."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def printable_line(line: bytes) -> str:
    """A line of any origin, safe to show; bytes that are no UTF-8 are shown as `\\xff`."""
    return printable(line.removesuffix(b"\r").decode("utf-8", "backslashreplace"))


def text(event: Event, name: str) -> str:
    """The field as text that is safe to show, "" when absent."""
    value = event.get(name)
    if value is None:
        return ""
    if isinstance(value, list):
        return printable(", ".join(map(str, value)))
    return printable(str(value))


def number(event: Event, name: str) -> float | None:
    """The field as a finite number; nginx writes some numbers as text, and `-` for none."""
    try:
        value = float(event[name])
    except (KeyError, TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def moment(event: Event) -> datetime | None:
    """When it was logged, in UTC."""
    try:
        found = datetime.fromisoformat(event["timestamp"])
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    # The last year of the calendar leaves no room to add to.
    return found if found.year < 9999 else None


def level_of(event: Event) -> str:
    """The event's level; what states none (nginx's access lines) counts as info."""
    level = str(event.get("level", "")).lower()
    return level if level in LEVELS else "info"


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which lines are wanted. Alternatives within one field, all fields together.

    Attributes:
        fields: exact values by field name.
        statuses: `429` or, for a whole class, its first digit.
        lowest_level: this level and the graver ones.
    """

    fields: Mapping[str, frozenset[str]]
    statuses: tuple[str, ...] = ()
    lowest_level: str = LEVELS[0]

    def admits(self, event: Event | None) -> bool:
        """Lines that are no events pass only where nothing was asked for."""
        if event is None:
            return not (self.fields or self.statuses or self.lowest_level != LEVELS[0])
        return (
            all(str(event.get(name)) in values for name, values in self.fields.items())
            and (not self.statuses or str(event.get("status")).startswith(self.statuses))
            and LEVELS.index(level_of(event)) >= LEVELS.index(self.lowest_level)
        )
