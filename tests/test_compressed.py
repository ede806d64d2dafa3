"""Compressed model files are inflated as far as allowed, and believed if they add up."""

import bz2
import gzip
import lzma
import zlib

import pytest

from model import ArtifactRejected
from model.compressed import inflate

DATA = b"\x80\x05" + bytes(range(256)) * 5_000


def alone(data):
    return lzma.compress(data, format=lzma.FORMAT_ALONE)


PACKERS = [gzip.compress, bz2.compress, lzma.compress, alone, zlib.compress]


@pytest.mark.parametrize("pack", PACKERS)
def test_each_compression_is_read(pack):
    """Whatever joblib and the usual tools write, in pieces of any size, is inflated whole."""
    assert inflate(pack(DATA), "m") == DATA
    assert inflate(pack(b"\x80\x05."), "m") == b"\x80\x05."


def test_other_bytes_stay_as_they_are():
    """A file without compression is not touched."""
    assert inflate(DATA, "m") is DATA


@pytest.mark.parametrize("pack", PACKERS)
def test_the_cap_is_exact(pack):
    """As many bytes as allowed pass; one more is refused, without inflating the rest."""
    assert len(inflate(pack(DATA), "m", max_bytes=len(DATA))) == len(DATA)
    with pytest.raises(ArtifactRejected, match="m inflates to more than"):
        inflate(pack(DATA), "m", max_bytes=len(DATA) - 1)


@pytest.mark.parametrize("pack", PACKERS)
@pytest.mark.parametrize("cut", [8, 20, -1, -9])
def test_a_stream_cut_short_is_refused(pack, cut):
    """A download that broke off is never half a model."""
    with pytest.raises(ArtifactRejected, match="damaged or cut short"):
        inflate(pack(DATA)[:cut], "m")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zlib.compress])
def test_a_stream_that_contradicts_itself_is_refused(pack):
    """Where the format has a checksum, it counts."""
    packed = bytearray(pack(DATA))
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(ArtifactRejected, match="damaged or cut short"):
        inflate(bytes(packed), "m")


@pytest.mark.parametrize(
    ("magic", "name"), [(b"\x04\x22\x4d\x18", "lz4"), (b"\x28\xb5\x2f\xfd", "zstd")]
)
def test_other_compressions_are_named(magic, name):
    """The operator learns what to save it with instead."""
    with pytest.raises(ArtifactRejected, match=f"compressed with {name}, which is not supported"):
        inflate(magic + DATA, "m")
