"""Children's output as one stream of JSON objects, a line each."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import groupby

import orjson

# A line longer than this is passed on in parts: memory is bounded by us, not by a child.
MAX_LINE_BYTES = 1 << 20
# `2026/11/23 13:41:03 [crit] 71#71: *3 message, client: ::1, server: localhost, request: "…"`
_NGINX = re.compile(r"\S+ \S+ \[(?P<level>\w+)\] \d+#\d+: (?:\*\d+ )?(?P<text>.*)")
# From here on nginx quotes the request, with whatever a caller put in it.
_NGINX_REQUEST = re.compile(r", (?:server|request|upstream|host|referrer): .*")
# `71:M 23 Nov 2026 13:41:03.163 # message`
_REDIS = re.compile(r"\d+:[XCSM] \d+ \w+ \d+ \S+ (?P<level>[.\-*#]) (?P<text>.*)")

_NGINX_LEVELS = {"emerg": "critical", "alert": "critical", "crit": "error", "warn": "warning"}
_REDIS_LEVELS = {".": "debug", "-": "info", "*": "info", "#": "warning"}
_LEVELS = _NGINX_LEVELS | _REDIS_LEVELS


class OutputOfChild:
    """Turns what one child writes, in any pieces, into whole lines of JSON."""

    def __init__(self, name: str, now: Callable[[], datetime]) -> None:
        self._name = name
        self._now = now
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        """The lines completed by this piece."""
        lines, newline, rest = (self._rest + piece).rpartition(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            lines, newline, rest = self._rest + piece, b"\n", b""
        self._rest = rest
        return self._to_json(lines + newline) if newline else b""

    def end(self) -> bytes:
        """What was left without a newline."""
        rest, self._rest = self._rest, b""
        return self._to_json(rest + b"\n") if rest else b""

    def _to_json(self, lines: bytes) -> bytes:
        # Nearly always every line is an object already, and needs no look at each.
        if lines.startswith(b"{") and lines.count(b"\n{") == lines.count(b"\n") - 1:
            return lines
        return b"".join(
            part
            for kind, group in groupby(lines.split(b"\n"), _kind)
            for part in self._parts(kind, group)
        )

    def _parts(self, kind: str, lines: Iterable[bytes]) -> Iterator[bytes]:
        if kind == "object":
            yield from (line + b"\n" for line in lines)
        elif kind == "server":
            yield from (self._event(*_parse(_text(line))) for line in lines)
        else:
            # Nobody here writes such lines one by one: together they are a traceback.
            text = "\n".join(_text(line) for line in lines).strip("\n")
            yield self._event("warning", text) if text else b""

    def _event(self, level: str, text: str) -> bytes:
        event = {
            "event": text,
            "logger": self._name,
            "level": level,
            "timestamp": self._now().isoformat().replace("+00:00", "Z"),
        }
        return orjson.dumps(event) + b"\n"


def _text(line: bytes) -> str:
    # ASCII, so that nothing in it ends a line for whoever reads the stream.
    return line.decode("ascii", "backslashreplace")


def _kind(line: bytes) -> str:
    if line.startswith(b"{"):
        return "object"
    return "server" if _server_line(_text(line)) else "text"


def _server_line(line: str) -> re.Match[str] | None:
    return _NGINX.fullmatch(line) or _REDIS.fullmatch(line)


def _parse(line: str) -> tuple[str, str]:
    """Level and text of a line of nginx's or Redis's."""
    found = _server_line(line)
    if found is None:
        return "warning", line
    text = _NGINX_REQUEST.sub("", found["text"])
    return _LEVELS.get(found["level"], found["level"]), text
