"""Compressed answers: for those who ask, in the coding they like most."""

import gzip
import json
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from app_fixture import AppFixture
from sklearn.datasets import load_wine

from gateway.wire.content_coding import best_coding

DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": zstandard.ZstdDecompressor().decompress,
    "br": brotli.decompress,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
}
ROWS = load_wine().data.tolist()


def _ask(gateway: AppFixture, rows: list[list[float]], **headers: str):
    return gateway.client.post(
        "/v1/models/wine/predict", json=rows, headers={**gateway.bearer(), **headers}
    )


@pytest.mark.parametrize("coding", DECODERS)
def test_an_answer_is_compressed_as_asked(shared_gateway: AppFixture, coding: str) -> None:
    """It names its coding, and what comes out is the plain answer."""
    plain = _ask(shared_gateway, ROWS)
    answer = _ask(shared_gateway, ROWS, **{"Accept-Encoding": coding})

    assert answer.headers["Content-Encoding"] == coding
    assert len(answer.data) < len(plain.data) / 2
    assert json.loads(DECODERS[coding](answer.data)) == plain.json
    assert answer.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding, Authorization"
    assert int(answer.headers["Content-Length"]) == len(answer.data)


def test_nobody_gets_what_they_did_not_ask_for(shared_gateway: AppFixture) -> None:
    """Without Accept-Encoding, or below the size where it pays, the answer is plain."""
    unasked = _ask(shared_gateway, ROWS)
    small = _ask(shared_gateway, ROWS[:1], **{"Accept-Encoding": "gzip"})

    assert "Content-Encoding" not in unasked.headers
    assert "Content-Encoding" not in small.headers


@pytest.mark.parametrize(
    ("accept_encoding", "coding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip;q=0.5, br;q=0.1", "gzip"),
        ("GZIP", "gzip"),
        ("gzip;q=0, *", "zstd"),
        ("*;q=0", "identity"),
        ("compress", "identity"),
        ("identity, gzip;q=0.5", "identity"),
        ("identity;q=0.5, gzip;q=1.0", "gzip"),
        ("gzip;q=0", "identity"),
        ("gzip;q=nonsense", "identity"),
        (",,;;", "identity"),
    ],
)
def test_weights_decide(accept_encoding: str, coding: str) -> None:
    """RFC 9110 12.5.3: the greatest weight wins, zero is never, ours is first among equals."""
    assert best_coding(accept_encoding) == coding
