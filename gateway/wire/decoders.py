"""Compressed bodies, chunk by chunk: what each coding allows, and no byte more.

Sources: RFC 1950 to 1952 (zlib, deflate, gzip), RFC 7932 (br), RFC 8878 and RFC 9659 (zstd).
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import Any

import brotli
import zstandard
from isal import igzip_lib, isal_zlib

_CHUNK_BYTES = 1 << 20
_INPUT_BYTES = 1 << 16
# RFC 9659 section 3: no more than 8 MiB of window for zstd as a content coding.
_ZSTD_WINDOW_BYTES = 8 << 20
_GZIP_WBITS, _ZLIB_WBITS, _RAW_WBITS = 31, 15, -15
# Each member of gzip and frame of zstd takes some microseconds, and holds nothing if it likes. In
# blocks of 64 KiB, as BGZF has them, the largest body has a thousand.
MOST_PARTS = 10_000

# What the decoders raise. Any, because the stubs of isal take its exception for a value.
CORRUPT: Any = (
    igzip_lib.IsalError,
    brotli.error,
    zstandard.ZstdError,
    EOFError,
)


class Overflow(Exception):
    """More would come out than is allowed."""


class TooManyParts(Exception):
    """More of them than anybody needs."""


def _gzip(body: bytes, _allowed: int) -> Iterator[bytes]:
    """One member or several (RFC 1952 section 2.2)."""
    return _in_parts(body, lambda: isal_zlib.decompressobj(_GZIP_WBITS), _inflated)


def _in_parts(
    body: bytes,
    begin: Callable[[], Any],
    undone: Callable[[Any, memoryview], Generator[bytes, None, memoryview]],
) -> Iterator[bytes]:
    """What one part after the other holds.

    Args:
        begin: makes what undoes one part.
        undone: what it holds; returns what stands behind it.
    """
    rest = memoryview(body)
    for _ in range(MOST_PARTS):
        if not rest:
            return
        rest = yield from undone(begin(), rest)
    if rest:
        raise TooManyParts


def _deflate(body: bytes, _allowed: int) -> Iterator[bytes]:
    """In the zlib format, as the RFC has it, or raw, as some clients send it."""
    zlib_format = body[:1] and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    stream = isal_zlib.decompressobj(_ZLIB_WBITS if zlib_format else _RAW_WBITS)
    rest = yield from _inflated(stream, memoryview(body))
    if rest:
        raise EOFError


def _inflated(stream: Any, body: memoryview) -> Generator[bytes, None, memoryview]:
    """What the stream that begins here holds; returns what stands behind it."""
    # What is left of an input is copied after each chunk. Handed over in small parts it is half
    # the time: 8 ms, not 17, for 5.9 MB of JSON.
    for end in range(_INPUT_BYTES, len(body) + _INPUT_BYTES, _INPUT_BYTES):
        given: Any = body[end - _INPUT_BYTES : end]
        while given and not stream.eof:
            yield stream.decompress(given, _CHUNK_BYTES)
            given = stream.unconsumed_tail
        if stream.eof:
            return body[min(end, len(body)) - len(stream.unused_data) :]
    while not stream.eof:
        # All was taken in, but not all has come out.
        chunk = stream.decompress(b"", _CHUNK_BYTES)
        if not chunk and not stream.eof:
            raise EOFError
        yield chunk
    return memoryview(b"")


def _br(body: bytes, _allowed: int) -> Iterator[bytes]:
    stream = brotli.Decompressor()
    chunk = stream.process(body, output_buffer_limit=_CHUNK_BYTES)
    while chunk:
        yield chunk
        chunk = b"" if stream.is_finished() else stream.process(b"", _CHUNK_BYTES)
    if not stream.is_finished():
        raise EOFError


def _zstd(body: bytes, allowed: int) -> Iterator[bytes]:
    """One frame or several (RFC 8878 section 3)."""
    zstd = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    if 0 < zstandard.frame_content_size(body) <= allowed:
        # Nearly always one frame that tells its size. Of an empty one, this looks no further.
        with suppress(zstandard.ZstdError):
            yield zstd.decompress(body, max_output_size=allowed, allow_extra_data=False)
            return
    # A stream takes a frame that was cut off for a whole one, but it bounds what comes out: so it
    # only measures.
    with zstd.stream_reader(body, read_across_frames=True) as stream:
        size = 0
        while size <= allowed and (chunk := stream.read(_CHUNK_BYTES)):
            size += len(chunk)
    if size > allowed:
        raise Overflow
    yield from _in_parts(body, zstd.decompressobj, _zstd_frame)


def _zstd_frame(frame: Any, body: memoryview) -> Generator[bytes, None, memoryview]:
    # What stands behind a frame is copied, so it is handed over in small parts, as above.
    for end in range(_INPUT_BYTES, len(body) + _INPUT_BYTES, _INPUT_BYTES):
        yield frame.decompress(body[end - _INPUT_BYTES : end])
        if frame.eof:
            return body[min(end, len(body)) - len(frame.unused_data) :]
    raise EOFError


# By coding: takes the body, and the largest size that may come out, which only zstd can ask for.
DECODERS: dict[str, Callable[[bytes, int], Iterator[bytes]]] = {
    "zstd": _zstd,
    "br": _br,
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
}
