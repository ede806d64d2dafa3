"""Compressed request bodies, undone within bounds. Source: RFC 9110 section 8.4, RFC 9659.

A small body can inflate a thousandfold, so the size of what may come out is known before the
first byte does: a bomb costs no more memory than an honest body of the largest size.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.errors import BodyTooLarge, CorruptBody, DeadlineExceeded, UnsupportedEncoding
from gateway.wire.decoders import CORRUPT, DECODERS, MOST_PARTS, Overflow, TooManyParts

CODINGS = ("zstd", "br", "gzip", "deflate")
ACCEPT_ENCODING = ", ".join(CODINGS)


@dataclass(frozen=True, slots=True)
class InflationCaps:
    """How large an inflated body may be.

    Attributes:
        max_bytes: in any case.
        max_ratio: inflated to compressed size, checked above `free_bytes`.
    """

    max_bytes: int
    max_ratio: int
    free_bytes: int = 1 << 20

    def allowed(self, compressed_bytes: int) -> int:
        """The largest size that a body of so many bytes may inflate to."""
        return min(self.max_bytes, max(self.free_bytes, self.max_ratio * compressed_bytes))


def inflate(
    body: bytes, coding: str, caps: InflationCaps, remaining_s: Callable[[], float]
) -> bytes:
    """The body as it was before it was compressed.

    Args:
        coding: the value of Content-Encoding.
        remaining_s: what is left of the request's time, asked between chunks.

    Raises:
        UnsupportedEncoding: unknown, or several one upon the other.
        CorruptBody: not what its Content-Encoding says, cut off, followed by something else, or in
            more parts than `MOST_PARTS`.
        BodyTooLarge: beyond the caps.
        DeadlineExceeded: the time ran out.
    """
    allowed, size, parts = caps.allowed(len(body)), 0, []
    chunks = _chunks_of(coding)(body, allowed)
    try:
        for chunk in chunks:
            size += len(chunk)
            if size > allowed or remaining_s() <= 0:
                break
            parts.append(chunk)
    except Overflow as exc:
        raise _too_large(allowed, caps) from exc
    except TooManyParts as exc:
        detail = f"The body is more than {MOST_PARTS} compressed parts: compress it as one."
        raise CorruptBody(detail) from exc
    except CORRUPT as exc:
        raise CorruptBody(f"The body is not valid {coding}, or is cut off.") from exc
    if size > allowed:
        raise _too_large(allowed, caps)
    if remaining_s() <= 0:
        raise DeadlineExceeded
    return b"".join(parts)


def _chunks_of(coding: str) -> Callable[[bytes, int], Iterator[bytes]]:
    known = DECODERS.get(coding.strip().lower())
    if known is None:
        detail = f"Send Content-Encoding: one of {ACCEPT_ENCODING}, and only one; or none."
        raise UnsupportedEncoding(detail, headers={"Accept-Encoding": ACCEPT_ENCODING})
    return known


def _too_large(allowed: int, caps: InflationCaps) -> BodyTooLarge:
    detail = f"The body inflates to more than {allowed} bytes: send fewer rows per call."
    return BodyTooLarge(detail, members={"max_body_bytes": caps.max_bytes})
