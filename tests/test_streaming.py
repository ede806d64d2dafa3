"""Large answers in parts, and requests that overlap."""

import gzip
import itertools
import json
import zlib

import brotli
import numpy as np
import pytest
import zstandard
from app_fixture import AppFixture
from sklearn.datasets import load_wine
from structlog.testing import capture_logs

from gateway.wire.formats import FORMATS
from gateway.wire.formats.parts import ROWS_PER_PART
from gateway.wire.table import Table

WINE = np.tile(load_wine().data, (120, 1))[: 2 * ROWS_PER_PART + 1]
BODY = WINE.astype("<f8").tobytes()
PATH = "/v1/models/wine/predict"
DECODERS = {
    "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
    "br": brotli.decompress,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
}


def ask(gateway: AppFixture, body: bytes = BODY, *, buffered: bool = True, **headers: str):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    headers = {**gateway.bearer(), "Content-Type": "application/octet-stream", **named}
    return gateway.client.post(PATH, data=body, headers=headers, buffered=buffered)


@pytest.mark.parametrize(("rows", "parts"), [(ROWS_PER_PART, 1), (ROWS_PER_PART + 1, 2)])
@pytest.mark.parametrize("name", ["csv", "ndjson"])
def test_beyond_one_part_an_answer_is_streamed(name: str, rows: int, parts: int) -> None:
    """Up to there its length is known; the parts together are the same as one."""
    table = Table({"x": np.arange(rows), "y": np.ones((rows, 2))})
    encoded = FORMATS[name].encode(table, {})
    given = [encoded] if isinstance(encoded, bytes) else list(encoded)
    lines = b"".join(given).splitlines()

    assert isinstance(encoded, bytes) == (parts == 1)
    assert len(given) == parts
    assert len(lines) == rows + (name == "csv")
    assert lines[-1] == (b"%d,1.0,1.0" if name == "csv" else b'{"x":%d,"y":[1.0,1.0]}') % (rows - 1)


def test_a_streamed_answer_is_the_plain_one(shared_gateway: AppFixture) -> None:
    """Digit for digit, without a length, with the fields of every answer."""
    plain = ask(shared_gateway).json
    with capture_logs() as events:
        streamed = ask(shared_gateway, buffered=False, Accept="application/x-ndjson")
        assert not [event for event in events if event["event"] == "request_finished"]
        lines = [json.loads(line) for line in streamed.data.splitlines()]
        streamed.close()
    [event] = [event for event in events if event["event"] == "request_finished"]

    assert "Content-Length" not in streamed.headers
    assert "RateLimit" in streamed.headers
    assert streamed.headers["X-Request-ID"] == event["request_id"]
    assert event["bytes_out"] == len(streamed.data)
    assert [line["predictions"] for line in lines] == plain["predictions"]
    assert [line["probabilities"] for line in lines] == plain["probabilities"]


@pytest.mark.parametrize("coding", DECODERS)
def test_a_streamed_answer_is_compressed_as_asked(shared_gateway: AppFixture, coding: str) -> None:
    """Part by part, in each coding; never unasked."""
    plain = ask(shared_gateway, Accept="text/csv")
    packed = ask(shared_gateway, Accept="text/csv", Accept_Encoding=coding)

    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == coding
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding, Authorization"
    assert len(packed.data) < len(plain.data) / 2
    assert DECODERS[coding](packed.data) == plain.data


def test_a_lease_is_held_until_the_last_part(gateway: AppFixture) -> None:
    """A call is at once with others for as long as it is sent, and counted as that."""
    gateway.control.set_partner("acme", plan="unlimited")
    gateway.refresh()

    def concurrent_left() -> int:
        limits = gateway.client.get("/v1/limits", headers=gateway.bearer()).json["limits"]
        return next(one["remaining"] for one in limits if one["name"] == "concurrent_calls")

    before = concurrent_left()
    answer = ask(gateway, buffered=False, Accept="text/csv")
    during = concurrent_left()
    answer.close()

    assert (during, concurrent_left()) == (before - 1, before)


def test_nothing_leaks_between_requests_that_overlap(shared_gateway: AppFixture) -> None:
    """Answers that are read in turns, with refusals in between, are those they would be alone."""
    size = ROWS_PER_PART + 1
    bodies = [WINE[:size], WINE[size - 1 :], WINE[::-1][:size]]
    accepts = ["application/x-ndjson", "text/csv", "application/x-ndjson"]
    alone = [
        ask(shared_gateway, body.tobytes(), Accept=accept).data
        for body, accept in zip(bodies, accepts, strict=True)
    ]
    answers = [
        ask(shared_gateway, body.tobytes(), buffered=False, Accept=accept)
        for body, accept in zip(bodies, accepts, strict=True)
    ]
    parts: list[list[bytes]] = [[], [], []]
    for turn in itertools.zip_longest(*(answer.response for answer in answers)):
        refused = ask(shared_gateway, b"[[1", Content_Type="application/json")
        assert refused.json["code"] == "invalid_json"
        for kept, part in zip(parts, turn, strict=True):
            kept.append(part or b"")

    for answer in answers:
        answer.close()

    assert [b"".join(kept) for kept in parts] == alone


def test_formats_in_turns_do_not_mix(shared_gateway: AppFixture) -> None:
    """One parser and one process serve all; each answer is that of its own rows."""
    rows = WINE[:50]
    expected = [shared_gateway.predict([row]).json["predictions"] for row in rows.tolist()]
    for at, row in enumerate(rows):
        line = ",".join(map(repr, row.tolist()))
        sent = [
            (b"[" + line.encode() + b"]\n", "application/x-ndjson"),
            (line.encode(), "text/csv"),
            (row.tobytes(), "application/octet-stream"),
            (b"[[" + line.encode() + b"]]", "application/json"),
        ]
        body, content_type = sent[at % len(sent)]
        broken, _ = sent[(at + 1) % len(sent)]
        ask(shared_gateway, broken[:-3], Content_Type=content_type)
        answer = ask(shared_gateway, body, Content_Type=content_type)

        assert answer.json["predictions"] == expected[at]
