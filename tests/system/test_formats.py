"""Formats and encodings through nginx and TLS: what is packed arrives as it was packed."""

import array
import csv
import gzip
import io
import json

import pytest
import zstandard
from stack_process import EXAMPLE_ROW, PREDICT, Stack, bearer

ROWS = 12_000


@pytest.fixture(scope="module")
def token(stack: Stack) -> str:
    return stack.token(stack.create_partner("formats", "unlimited"))


def test_packed_bodies_pass_the_edge_both_ways(stack: Stack, token: str) -> None:
    """A gzip body is unpacked by the application only, a zstd answer by the caller only."""
    body = gzip.compress(json.dumps([EXAMPLE_ROW] * 200).encode())
    headers = {**bearer(token), "Content-Type": "application/json", "Content-Encoding": "gzip"}
    with (
        stack.client() as client,
        client.stream(
            "POST", PREDICT, content=body, headers={**headers, "Accept-Encoding": "gzip, zstd"}
        ) as answer,
    ):
        packed = b"".join(answer.iter_raw())

    assert (answer.status_code, answer.headers["Content-Encoding"]) == (200, "zstd")
    assert int(answer.headers["Content-Length"]) == len(packed)
    assert len(json.loads(zstandard.decompress(packed))["predictions"]) == 200


def test_a_large_answer_comes_in_parts(stack: Stack, token: str) -> None:
    """Chunked, packed once, every row in its place, with the fields of every answer."""
    lines = ",".join(map(repr, EXAMPLE_ROW)) + "\n"
    headers = {
        **bearer(token),
        "Content-Type": "text/csv",
        "Accept": "text/csv",
        "Accept-Encoding": "gzip",
    }
    with (
        stack.client() as client,
        client.stream("POST", PREDICT, content=(lines * ROWS).encode(), headers=headers) as answer,
    ):
        packed = b"".join(answer.iter_raw())
    header, *rows = csv.reader(io.StringIO(gzip.decompress(packed).decode()))

    assert answer.headers.get("Transfer-Encoding", "chunked") == "chunked"
    assert "Content-Length" not in answer.headers
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "RateLimit" in answer.headers
    assert answer.headers["Gateway-Model"] == "breast-cancer"
    assert header[0] == "predictions"
    assert len(rows) == ROWS
    assert len({tuple(row) for row in rows}) == 1


def test_a_body_larger_than_the_memory_of_nginx_arrives(stack: Stack, token: str) -> None:
    """Above 10 MiB nginx keeps a body in a file of its own: it must be able to make one."""
    rows = 12 * 2**20 // (8 * len(EXAMPLE_ROW))
    body = array.array("d", EXAMPLE_ROW).tobytes() * rows
    headers = {**bearer(token), "Content-Type": "application/octet-stream"}
    with stack.client() as client:
        answer = client.post(PREDICT, content=body, headers=headers)

    assert answer.status_code == 200
    assert len(answer.json()["predictions"]) == rows
