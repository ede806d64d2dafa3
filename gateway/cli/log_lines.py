"""One event as one compact line for people."""

from typing import Any

import click

from gateway.cli.log_events import (
    NGINX_ACCESS,
    REQUEST_FINISHED,
    Event,
    level_of,
    moment,
    printable,
    text,
)

MAX_FIELD_CHARS = 200
STATUS_COLOURS = {"2": "green", "3": "cyan", "4": "yellow", "5": "red"}
LEVEL_COLOURS = {"warning": "yellow", "error": "red", "critical": "red"}
SHOWN_FIRST = frozenset({"timestamp", "level", "event", "logger", "request_id", "exception"})


class LinePainter:
    """Renders events, with colours or without. Field values never reach the screen unescaped."""

    def __init__(self, coloured: bool) -> None:
        self._coloured = coloured

    def line(self, event: Event) -> str:
        """The line; an exception's traceback follows it, indented so that it cannot pose as one."""
        if event.get("event") == REQUEST_FINISHED:
            parts = self._request(event)
        elif event.get("event") == NGINX_ACCESS:
            parts = self._nginx(event)
        else:
            parts = self._message(event)
        request_id = self._ink(_short(event, "request_id"), dim=True)
        line = "  ".join(part for part in (self._time(event), *parts, request_id) if part)
        return line + _traceback(event)

    def _request(self, event: Event) -> list[str]:
        return [
            self._status(event),
            self._ink(_short(event, "partner") or "-", fg="cyan"),
            f"{_short(event, 'method')} {_short(event, 'route')}",
            f"{_short(event, 'model')} {_short(event, 'version')}".strip(),
            _measured(event, "rows", "rows"),
            _measured(event, "duration_ms", "ms"),
            self._ink(_why(event), fg="yellow"),
        ]

    def _nginx(self, event: Event) -> list[str]:
        return [
            self._status(event),
            self._ink("nginx", fg="magenta"),
            f"{_short(event, 'method')} {_short(event, 'path')}",
            _short(event, "client_address"),
            _measured(event, "duration_ms", "ms"),
            self._ink(_why(event), fg="yellow"),
        ]

    def _message(self, event: Event) -> list[str]:
        level = level_of(event)
        facts = " ".join(
            f"{printable(str(name))}={_short(event, name)}"
            for name in event
            if name not in SHOWN_FIRST
        )
        return [
            self._ink(level.upper(), fg=LEVEL_COLOURS.get(level, "blue"), bold=level != "info"),
            self._ink(_short(event, "logger"), dim=True),
            _short(event, "event"),
            facts,
        ]

    def _status(self, event: Event) -> str:
        status = _short(event, "status") or "-"
        return self._ink(status, fg=STATUS_COLOURS.get(status[0]), bold=status[0] in "45")

    def _time(self, event: Event) -> str:
        at = moment(event)
        shown = _short(event, "timestamp") if at is None else f"{at:%m-%d %H:%M:%S}.{_ms(at)}"
        return self._ink(shown, dim=True)

    def _ink(self, shown: str, **style: Any) -> str:
        return click.style(shown, **style) if self._coloured and shown else shown


def _ms(at: Any) -> str:
    return f"{at.microsecond // 1000:03d}"


def _short(event: Event, name: str) -> str:
    shown = text(event, name)
    return shown if len(shown) <= MAX_FIELD_CHARS else shown[:MAX_FIELD_CHARS] + "…"


def _measured(event: Event, name: str, unit: str) -> str:
    shown = _short(event, name)
    return f"{shown} {unit}" if shown else ""


def _why(event: Event) -> str:
    names = ("code", "reason", "limit", "required_scope", "fault_codes")
    return " ".join(shown for name in names if (shown := _short(event, name)))


def _traceback(event: Event) -> str:
    lines = str(event.get("exception") or "").splitlines()
    return "".join(f"\n    | {printable(line)}" for line in lines)
