"""One JSON object a line on stdout: our events, Gunicorn's and every library's warnings."""

import json
import logging
import os
import threading
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

# Writes of several processes to one pipe stay whole up to 4,096 bytes (POSIX PIPE_BUF), the
# newline included.
_WHOLE_BYTES = 4095
_KEPT_CHARS = 100
# What people look for first, first. A merge keeps these places, at 0.9 µs an event.
_FIRST: dict[str, Any] = {"timestamp": None, "level": None, "event": None}

_TIMESTAMP = structlog.processors.TimeStamper(fmt="iso", utc=True)
_SHARED_PROCESSORS: list[Any] = [
    structlog.processors.add_log_level,
    _TIMESTAMP,
    structlog.processors.format_exc_info,
]


def configure_logging(level: str) -> None:
    """Set up the stream. To be called before the fork and before the first event."""
    structlog.configure(
        # Events of a request carry its id, as its context says it.
        processors=[structlog.contextvars.merge_contextvars, *_SHARED_PROCESSORS, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(_STREAM),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
    logging.captureWarnings(True)


def render(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> bytes:
    """An event as one line of ASCII, whatever it holds.

    orjson takes 2 µs but raises on lone surrogates and leaves U+2028 and C1 controls as they
    are, which some readers take for the end of a line: those events go the slow way.
    """
    ordered = _FIRST | event  # type: ignore[operator]  # structlog's events are dictionaries
    line = _line(ordered)
    while len(line) > _WHOLE_BYTES and _shorten(ordered):
        line = _line(ordered)
    return line


def _line(event: dict[str, Any]) -> bytes:
    try:
        line = orjson.dumps(event, default=repr)
    except TypeError:
        return _odd_line(event)
    return line if line.isascii() else json.dumps(orjson.loads(line)).encode("ascii")


def _odd_line(event: dict[str, Any]) -> bytes:
    try:
        return json.dumps(event, default=repr, skipkeys=True, allow_nan=False).encode("ascii")
    except Exception as exc:  # Whatever is in an event, logging it must not fail a request.
        return _odd_line(_plain(event) | {"not_rendered": type(exc).__name__})


def _plain(event: dict[str, Any]) -> dict[str, Any]:
    """What can be rendered for certain: texts, without which nobody finds the event."""
    return {str(name): text for name, text in event.items() if type(text) is str}


def _shorten(event: dict[str, Any]) -> bool:
    """Halve the longest text, of which the end says most; False if none is long."""
    lengths = {name: len(text) for name, text in event.items() if isinstance(text, str)}
    name = max(lengths, key=lengths.__getitem__, default=None)
    if name is None or lengths[name] <= _KEPT_CHARS:
        return False
    event[name] = "… " + event[name][-lengths[name] // 2 :].removeprefix("… ")
    return True


def gunicorn_logging(level: str) -> dict[str, Any]:
    """The logging.config dictionary that puts the standard library's loggers in the stream."""
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            *_SHARED_PROCESSORS,
        ],
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render_text],
    }
    handler = {"class": "logging.StreamHandler", "formatter": "json", "stream": _TEXT_STREAM}
    ours = {"level": level.upper(), "handlers": ["stream"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": formatter},
        "handlers": {"stream": handler},
        "root": {"level": "WARNING", "handlers": ["stream"]},
        "loggers": {"gunicorn.error": ours, "gunicorn.access": ours},
    }


def _render_text(logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
    return render(logger, name, event).decode("ascii")


class _Stream:
    """stdout, where a full disk or a closed pipe loses lines but never a request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lost = 0
        self._torn = False

    def write(self, line: bytes) -> int:
        with self._lock:
            try:
                self._write(line)
            except OSError:
                self._lost += line.count(b"\n")
        return len(line)

    def flush(self) -> None:
        """Every write is flushed already."""

    def _write(self, line: bytes) -> None:
        if self._torn:
            self._write_whole(b"\n")
        if self._lost:
            self._write_whole(_lines_lost(self._lost))
            self._lost = 0
        self._write_whole(line)

    def _write_whole(self, line: bytes) -> None:
        # Past Python's own buffer, which keeps what it could not write and fails again with it.
        while line:
            written = os.write(1, line)
            line = line[written:]
            self._torn = bool(line)


def _lines_lost(count: int) -> bytes:
    event = {"timestamp": None, "level": "error", "event": "log_lines_lost", "count": count}
    return render(None, "", _TIMESTAMP(None, "", event)) + b"\n"


class _TextStream:
    """The same stream for the standard library's handlers, which write text."""

    def write(self, text: str) -> int:
        return _STREAM.write(text.encode("ascii", "backslashreplace"))

    def flush(self) -> None:
        """Every write is flushed already."""


_STREAM = _Stream()
_TEXT_STREAM = _TextStream()
