"""What a file's compression hides, up to a stated size: a small file may claim to be endless."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator

from model.errors import ArtifactRejected

MAX_INFLATED_BYTES = 4 << 30

_PIECE_BYTES = 1 << 20
_FED_BYTES = 1 << 16

# By the first bytes, as joblib decides: no pickle begins like any of these.
_UNSUPPORTED = {b"\x04\x22\x4d\x18": "lz4", b"\x28\xb5\x2f\xfd": "zstd"}

_DAMAGE = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, MemoryError)


def inflate(data: bytes, filename: str, max_bytes: int = MAX_INFLATED_BYTES) -> bytes:
    """The bytes inside gzip, bz2, xz, lzma or zlib; any others as they are.

    Raises:
        ArtifactRejected: the stream is cut short, contradicts its own checksum, or holds more than
            `max_bytes`, which is noticed while inflating and not after.
    """
    _refuse_unsupported(data, filename)
    pieces = _pieces_of(data)
    if pieces is None:
        return data
    inflated = io.BytesIO()
    try:
        for piece in pieces:
            inflated.write(piece)
            if inflated.tell() > max_bytes:
                raise ArtifactRejected(
                    f"{filename} inflates to more than {max_bytes:,} bytes;"
                    " save the model without compression."
                )
    except _DAMAGE as exc:
        raise ArtifactRejected(
            f"{filename} cannot be decompressed ({type(exc).__name__}); it is damaged or cut short."
        ) from exc
    return inflated.getvalue()


def _refuse_unsupported(data: bytes, filename: str) -> None:
    for prefix, name in _UNSUPPORTED.items():
        if data.startswith(prefix):
            raise ArtifactRejected(
                f"{filename} is compressed with {name}, which is not supported;"
                " save it with gzip, bz2, xz, lzma or zlib."
            )


def _pieces_of(data: bytes) -> Iterator[bytes] | None:
    for prefix, inflated in _FORMATS.items():
        if data.startswith(prefix):
            return inflated(data)
    return None


def _gzip(data: bytes) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _bz2(data: bytes) -> Iterator[bytes]:
    with bz2.BZ2File(io.BytesIO(data)) as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _lzma(data: bytes) -> Iterator[bytes]:
    with lzma.LZMAFile(io.BytesIO(data)) as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _zlib(data: bytes) -> Iterator[bytes]:
    stream = zlib.decompressobj()
    # In small parts: what is left of a part is copied for every piece that it yields.
    for start in range(0, len(data), _FED_BYTES):
        rest = data[start : start + _FED_BYTES]
        while rest and not stream.eof:
            yield stream.decompress(rest, _PIECE_BYTES)
            rest = stream.unconsumed_tail
    # What the stream still holds back is less than one piece.
    yield stream.flush(_PIECE_BYTES)
    if not stream.eof:
        raise EOFError


_FORMATS: dict[bytes, Callable[[bytes], Iterator[bytes]]] = {
    b"\x1f\x8b": _gzip,
    b"BZh": _bz2,
    b"\xfd7zXZ": _lzma,
    b"\x5d\x00": _lzma,
    b"x": _zlib,
}
