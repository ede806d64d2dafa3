"""The bytes of a request body, bounded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.errors import BadRequest, BodyTooLarge, EmptyBody
from gateway.wire.inflation import InflationCaps, inflate

_READ_MARK = "gateway.body_read"


@dataclass(frozen=True, slots=True)
class BodyCaps:
    """How large a body may be: as it is sent, and once inflated."""

    max_body_bytes: int
    inflation: InflationCaps


def read_body(environ: dict[str, Any], caps: BodyCaps, remaining_s: Callable[[], float]) -> bytes:
    """A body that must be there. Raises what `read_any_body` does, and EmptyBody."""
    body = read_any_body(environ, caps, remaining_s)
    if not body:
        raise EmptyBody
    return body


def read_any_body(
    environ: dict[str, Any], caps: BodyCaps, remaining_s: Callable[[], float]
) -> bytes:
    """All bytes of the body, as they were before any Content-Encoding; none is empty.

    Args:
        remaining_s: what is left of the request's time.

    Raises:
        BodyTooLarge: before a byte is read where the length is declared.
        BadRequest: the caller sent less than it declared.
        UnsupportedEncoding, CorruptBody, DeadlineExceeded: see `inflate`.
    """
    coding = environ.get("HTTP_CONTENT_ENCODING", "")
    body = _read_wire(environ, caps.max_body_bytes)
    if coding and coding.strip().lower() != "identity":
        return inflate(body, coding, caps.inflation, remaining_s)
    return body


def _read_wire(environ: dict[str, Any], max_body_bytes: int) -> bytes:
    length = _declared_length(environ)
    if length is not None and length > max_body_bytes:
        raise _too_large(max_body_bytes)
    stream = environ["wsgi.input"]
    body = _read(stream, max_body_bytes + 1 if length is None else length)
    if len(body) > max_body_bytes:
        raise _too_large(max_body_bytes)
    environ[_READ_MARK] = True
    if length is not None and len(body) != length:
        raise BadRequest("The body ended before its declared length.")
    return body


def _read(stream: Any, size: int) -> bytes:
    try:
        body: bytes = stream.read(size)
    except Exception as exc:
        # Servers raise types of their own where a caller breaks off or sends wrong chunks.
        raise BadRequest("The body could not be read to its end.") from exc
    return body


def _declared_length(environ: dict[str, Any]) -> int | None:
    declared = environ.get("CONTENT_LENGTH")
    if not declared:
        return None
    # RFC 9110 section 8.6. A negative length would read without end.
    if not (declared.isascii() and declared.isdecimal() and len(declared) < 20):
        raise BadRequest("Content-Length is not a number of bytes.")
    return int(declared)


def _too_large(max_body_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"A body may have {max_body_bytes} bytes: send fewer rows per call.",
        members={"max_body_bytes": max_body_bytes},
    )
