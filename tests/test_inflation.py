"""Compressed request bodies: every coding, its caps on both sides, and its lies."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import numpy as np
import pytest
import zstandard
from app_fixture import AppFixture
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_wine

from gateway.errors import BodyTooLarge, CorruptBody, DeadlineExceeded, UnsupportedEncoding
from gateway.wire.decoders import MOST_PARTS
from gateway.wire.inflation import InflationCaps, inflate

CAPS = InflationCaps(max_bytes=64 << 20, max_ratio=200)


def _raw_deflate(body: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(body) + stream.flush()


def _zstd_without_size(body: bytes) -> bytes:
    stream = zstandard.ZstdCompressor().compressobj()
    return stream.compress(body) + stream.flush()


ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw": ("deflate", _raw_deflate),
    "br": ("br", lambda body: brotli.compress(body, quality=1)),
    "zstd": ("zstd", zstandard.ZstdCompressor().compress),
    "zstd without size": ("zstd", _zstd_without_size),
}
each_coding = pytest.mark.parametrize(("coding", "encode"), ENCODERS.values(), ids=ENCODERS)


def _inflate(body: bytes, coding: str, caps: InflationCaps = CAPS, remaining_s: float = 1) -> bytes:
    return inflate(body, coding, caps, lambda: remaining_s)


@each_coding
@settings(max_examples=40)
@given(body=st.binary())
def test_every_coding_gives_the_body_back(coding, encode, body):
    """What was compressed comes out, byte for byte, the empty body too."""
    assert _inflate(encode(body), coding) == body


@each_coding
def test_large_bodies_come_out_whole(coding, encode):
    """Also over many chunks."""
    body = json.dumps(list(range(1_000_000))).encode()

    assert _inflate(encode(body), coding.upper()) == body


@each_coding
def test_the_cap_holds_on_both_sides(coding, encode):
    """A body of just the largest size is read; one byte more is refused."""
    body = bytes(100_000)
    encoded = encode(body)

    assert _inflate(encoded, coding, InflationCaps(100_000, 1)) == body
    with pytest.raises(BodyTooLarge):
        _inflate(encoded, coding, InflationCaps(99_999, 1))


@each_coding
def test_the_ratio_holds_above_the_free_size(coding, encode):
    """Below the free size any ratio passes; above it, the ratio is the cap."""
    body = bytes(100_000)
    encoded = encode(body)
    ratio = len(body) // len(encoded)

    assert _inflate(encoded, coding, InflationCaps(1 << 20, 1, free_bytes=100_000)) == body
    assert _inflate(encoded, coding, InflationCaps(1 << 20, ratio + 1, free_bytes=1)) == body
    with pytest.raises(BodyTooLarge):
        _inflate(encoded, coding, InflationCaps(1 << 20, ratio - 1, free_bytes=1))


@each_coding
def test_a_bomb_costs_little(coding, encode):
    """100 MB of zeros are refused, and never held beyond what an honest body may take."""
    bomb = encode(bytes(100_000_000))
    allowed = CAPS.allowed(len(bomb))
    tracemalloc.start()
    with pytest.raises(BodyTooLarge):
        _inflate(bomb, coding)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < allowed + (2 << 20)


@each_coding
def test_what_is_cut_off_or_damaged_is_refused(coding, encode):
    """Every prefix is refused, and so is anything after the end that is no further part."""
    encoded = encode(json.dumps([[1.5, 2.25]] * 50).encode())

    for length in range(1, len(encoded)):
        with pytest.raises(CorruptBody):
            _inflate(encoded[:length], coding)
    if coding != "br":  # Brotli has no place where a second stream could begin.
        with pytest.raises(CorruptBody):
            _inflate(encoded + b"\x01\x02\x03\x04\x05", coding)


@each_coding
@settings(max_examples=60)
@given(noise=st.binary(min_size=1, max_size=200))
def test_noise_never_fails_otherwise(coding, encode, noise):
    """Whatever comes in, the answer is bytes or one of our refusals."""
    try:
        inflated = _inflate(noise, coding)
    except (CorruptBody, BodyTooLarge):
        return

    assert isinstance(inflated, bytes)


def test_several_members_are_one_body():
    """RFC 1952 2.2 and RFC 8878 3 let compressed parts follow each other."""
    zstd = zstandard.ZstdCompressor().compress

    assert _inflate(gzip.compress(b"[[1,") + gzip.compress(b"2]]"), "gzip") == b"[[1,2]]"
    assert _inflate(zstd(b"[[1,") + zstd(b"2]]"), "zstd") == b"[[1,2]]"


@pytest.mark.parametrize(
    ("coding", "encode"), [ENCODERS[name] for name in ("gzip", "zstd", "zstd without size")]
)
def test_parts_are_counted(coding, encode):
    """Empty ones cost time and hold nothing: of a million, a worker would be busy for seconds."""
    most = encode(b"[[1") + encode(b"") * (MOST_PARTS - 2) + encode(b"]]")

    assert _inflate(most, coding) == b"[[1]]"
    with pytest.raises(CorruptBody, match="compress it as one"):
        _inflate(most + encode(b""), coding)


@pytest.mark.parametrize("encode", [ENCODERS["zstd"][1], ENCODERS["zstd without size"][1]])
def test_what_stands_behind_an_empty_frame_is_read(encode):
    """It is a part like any other: nothing behind it is passed over, and it may not be rubbish."""
    assert _inflate(encode(b"") + encode(b"[[1]]"), "zstd") == b"[[1]]"
    with pytest.raises(CorruptBody):
        _inflate(encode(b"") + b"rubbish", "zstd")


@pytest.mark.parametrize("length", [65_535, 65_536, 65_537, 131_072, 131_073])
def test_members_may_end_anywhere(length):
    """A body is handed over in parts of 65,536 bytes: no member's end may hide between them."""
    around = len(gzip.compress(bytes(length - 30), 0)) - (length - 30)
    first = np.random.default_rng(0).bytes(length - around)
    member = gzip.compress(first, 0)
    assert len(member) == length

    assert _inflate(member, "gzip") == first
    assert _inflate(member + gzip.compress(b"2]]"), "gzip") == first + b"2]]"
    for damaged in (member[:-1], member + b"\x01", member + gzip.compress(b"2]]")[:-1]):
        with pytest.raises(CorruptBody):
            _inflate(damaged, "gzip")


@pytest.mark.parametrize("coding", ["compress", "gzip, gzip", "gzip,br", "*", "zip"])
def test_other_codings_are_refused(coding):
    """415 names those that are understood; none is undone upon another."""
    with pytest.raises(UnsupportedEncoding) as refused:
        _inflate(gzip.compress(gzip.compress(b"x")), coding)

    assert refused.value.headers["Accept-Encoding"] == "zstd, br, gzip, deflate"


@each_coding
def test_time_is_kept(coding, encode):
    """A request whose time has run out inflates no further."""
    with pytest.raises(DeadlineExceeded):
        _inflate(encode(bytes(1000)), coding, remaining_s=0)


@each_coding
def test_a_compressed_call_is_answered(shared_gateway: AppFixture, coding, encode):
    """The same rows, compressed or not, get the same answer."""
    rows = json.dumps(load_wine().data[:50].tolist()).encode()
    call = {"content_type": "application/json", "headers": shared_gateway.bearer()}
    plain = shared_gateway.client.post("/v1/models/wine/predict", data=rows, **call)
    call["headers"] = {**call["headers"], "Content-Encoding": coding}
    compressed = shared_gateway.client.post("/v1/models/wine/predict", data=encode(rows), **call)

    assert compressed.status_code == 200
    assert compressed.data == plain.data
