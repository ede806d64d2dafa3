"""Bodies that cannot be read as what they should be: 400, 406, 413 and 415."""

import json
from io import BytesIO
from pathlib import Path

import pytest
from app_fixture import AppFixture, make_app
from gunicorn.http.errors import InvalidChunkSize
from sklearn.datasets import load_wine

ROW = load_wine().data[0].tolist()
PREDICT = "/v1/models/wine/predict"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty_body"),
        (b" ", "invalid_json"),
        (b"[[1]", "invalid_json"),
        (b"[[1]] [[1]]", "invalid_json"),
        (b"[[NaN]]", "invalid_json"),
        (b"[[-Infinity]]", "invalid_json"),
        (b"[[1e400]]", "invalid_json"),
        (b"[[01]]", "invalid_json"),
        (b"[[18446744073709551616]]", "invalid_json"),
        (b'["\\ud800"]', "invalid_json"),
        (b"\xff[[1]]", "invalid_json"),
        (b"\xef\xbb\xbf[[1]]", "invalid_json"),
        ("[[1]]".encode("utf-16"), "invalid_json"),
        (b"[" * 33 + b"]" * 33, "json_too_deep"),
        (b'{"rows":' + b"[" * 32 + b"]" * 32 + b"}", "json_too_deep"),
        (b'{"data": [[1]], "data": [[2]]}', "duplicate_key"),
        (b"{}", "bad_request"),
        (b'{"instances": [[1]]}', "bad_request"),
        (b'{"data": [[1]], "rows": []}', "bad_request"),
    ],
)
def test_what_cannot_be_read_is_400(shared_gateway: AppFixture, body: bytes, code: str) -> None:
    """Bytes that are no strict JSON of a known shape (SEC-56)."""
    response = shared_gateway.client.post(
        PREDICT, data=body, content_type="application/json", headers=shared_gateway.bearer()
    )

    assert response.status_code == 400
    assert response.json["code"] == code


def test_depth_and_elements_have_caps(tmp_path: Path) -> None:
    """At its cap a body is read; one more of either is refused."""
    gateway = make_app(tmp_path, server={"json_max_depth": 4, "json_max_elements": 26})
    two_rows, three_rows = [ROW, ROW], [ROW, ROW, ROW]

    assert gateway.predict(two_rows).status_code == 200
    assert gateway.predict(three_rows).json["code"] == "json_too_large"
    assert gateway.predict([[[[1]]]]).status_code == 422
    assert gateway.predict([[[[[1]]]]]).json["code"] == "json_too_deep"


@pytest.mark.parametrize(
    ("header", "value", "status", "code"),
    [
        ("Content-Type", "application/json; charset=UTF-8", 200, None),
        ("Content-Type", "APPLICATION/JSON", 200, None),
        ("Content-Type", "text/plain", 415, "unsupported_media_type"),
        ("Content-Type", "application/json; charset=latin-1", 415, "unsupported_media_type"),
        ("Content-Type", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        ("Content-Type", "", 415, "unsupported_media_type"),
        ("Content-Encoding", "compress", 415, "unsupported_encoding"),
        ("Content-Encoding", "gzip, gzip", 415, "unsupported_encoding"),
        ("Content-Encoding", "gzip", 400, "corrupt_body"),
        ("Content-Encoding", "identity", 200, None),
        ("Accept", "application/*;q=0.1", 200, None),
        ("Accept", "text/html", 406, "not_acceptable"),
        ("Accept", "*/*;q=0", 406, "not_acceptable"),
        ("Accept", ";;;=,", 406, "not_acceptable"),
    ],
)
def test_types_are_negotiated(
    shared_gateway: AppFixture, header: str, value: str, status: int, code: str | None
) -> None:
    """JSON in UTF-8 in both directions; what is refused says what is accepted (SEC-35)."""
    response = shared_gateway.predict([ROW], headers={header: value})

    assert response.status_code == status
    assert response.json.get("code") == code
    assert ("Accept-Post" in response.headers) == (code == "unsupported_media_type")
    assert ("Accept-Encoding" in response.headers) == (code == "unsupported_encoding")


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("size", "status"), [(1000, 200), (1001, 413)])
def test_large_bodies_are_refused(tmp_path: Path, size: int, status: int, chunked: bool) -> None:
    """One byte more than allowed is 413, whether its length was declared or not (SEC-36)."""
    gateway = make_app(tmp_path, server={"max_body_bytes": 1000})
    response = gateway.send(
        PREDICT,
        {"CONTENT_LENGTH": None if chunked else str(size)},
        method="POST",
        data=json.dumps([ROW]).encode().ljust(size),
        content_type="application/json",
        headers=gateway.bearer(),
    )

    assert response.status_code == status
    if status == 413:
        assert response.json["code"] == "body_too_large"
        assert response.json["max_body_bytes"] == 1000


class Unsent(BytesIO):
    """A body that the caller breaks off, as Gunicorn tells it."""

    def read(self, _size: int | None = -1, /) -> bytes:
        raise InvalidChunkSize("canary-71")


@pytest.mark.parametrize("body", [BytesIO(json.dumps([ROW]).encode()), Unsent()])
def test_a_body_that_breaks_off_is_refused(shared_gateway: AppFixture, body: BytesIO) -> None:
    """Half a body is never taken for a whole one, and is no fault of ours."""
    response = shared_gateway.send(
        PREDICT,
        {"CONTENT_LENGTH": "10000", "wsgi.input": body},
        method="POST",
        content_type="application/json",
        headers=shared_gateway.bearer(),
    )

    assert response.status_code == 400
    assert response.json["code"] == "bad_request"
    assert b"canary" not in response.data
