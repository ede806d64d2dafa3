"""Compressed answers, for those who ask. Source: RFC 9110 sections 8.4 and 12.5.3."""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

import brotli
import zstandard
from flask import Response
from isal import isal_zlib
from werkzeug.http import parse_accept_header

from gateway.web import add_fields, field

# Below this, compressing costs more time than it saves.
_MIN_BYTES = 1_400

# The fastest level of each: gzip's usual 6 takes six times as long for 8 % less.
_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda body: zstandard.ZstdCompressor(level=1).compress(body),
    "br": lambda body: brotli.compress(body, quality=1),
    "gzip": lambda body: isal_zlib.compress(body, 1, 31),
    "deflate": lambda body: isal_zlib.compress(body, 1, 15),
}


class _Brotli:
    """Brotli's own encoder, by the names that the others have."""

    def __init__(self) -> None:
        compressor = brotli.Compressor(quality=1)
        self.compress, self.flush = compressor.process, compressor.finish


# The same for answers in parts.
_STREAM_ENCODERS: dict[str, Callable[[], Any]] = {
    "zstd": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
    "br": _Brotli,
    "gzip": lambda: isal_zlib.compressobj(1, wbits=31),
    "deflate": lambda: isal_zlib.compressobj(1, wbits=15),
}

_VARY = (("Vary", "Accept-Encoding, Authorization"),)
# Text shrinks; the digits of binary floats are noise, and stay as they are.
_SHRINKING = (
    "application/json",
    "application/problem+json",
    "application/x-ndjson",
    "application/openapi+json",
    "text/",
)


def compress(response: Response, accept_encoding: str) -> Response:
    """Compress an answer in place, if the caller asked for it and it is worth it.

    Args:
        accept_encoding: the request's header, empty where there is none: then nothing is done.
    """
    if not _shrinks(response):
        return response
    add_fields(response, _VARY)
    if not accept_encoding:
        return response
    large = response.is_streamed or (response.content_length or 0) >= _MIN_BYTES
    coding = best_coding(accept_encoding) if large else "identity"
    if coding == "identity":
        return response
    if response.is_streamed:
        response.response = _in_parts(response.response, _STREAM_ENCODERS[coding]())
    else:
        response.set_data(_ENCODERS[coding](response.get_data()))
    response.headers["Content-Encoding"] = coding
    return response


def _in_parts(parts: Iterable[Any], encoder: Any) -> Iterator[bytes]:
    for part in parts:
        # An encoder may keep all of a part for later.
        if encoded := encoder.compress(part):
            yield encoded
    yield encoder.flush()


# Clients send the same few values, and parsing one takes 20 µs.
@lru_cache(maxsize=256)
def best_coding(accept_encoding: str) -> str:
    """The coding the caller likes most, ours first among equals; identity where none is liked."""
    given = dict(parse_accept_header(accept_encoding.lower()))
    others = given.get("*", 0.0)
    liked = {coding: given.get(coding, others) for coding in _ENCODERS}
    best = max(liked, key=lambda coding: liked[coding])
    # Identity is as good as any coding unless it is ranked (RFC 9110 section 12.5.3).
    return best if liked[best] > 0 and liked[best] >= given.get("identity", 0.0) else "identity"


def _shrinks(response: Response) -> bool:
    content_type = field(response, "content-type") or ""
    return content_type.startswith(_SHRINKING) and field(response, "content-encoding") is None
