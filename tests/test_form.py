"""Form bodies: fields by name, bounded, and never written to files."""

import tempfile
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from gateway.errors import BadRequest
from gateway.wire.form import MAX_FIELDS, FormField, is_form, read_form

URLENCODED = "application/x-www-form-urlencoded"


def multipart(*parts: tuple[str, bytes]) -> tuple[bytes, str]:
    """A body of parts: a disposition's parameters, and the content."""
    lines = [
        b"--b\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (name.encode(), content)
        for name, content in parts
    ]
    return b"".join(lines) + b"--b--\r\n", "multipart/form-data; boundary=b"


def test_fields_and_files_are_told_apart() -> None:
    """A part with a filename is a file; its bytes are kept as they are."""
    fields = read_form(
        *multipart(('name="strData"', b"a\r\nb"), ('name="binData"; filename="x"', b"\xff\0"))
    )

    assert fields == {
        "strData": FormField("strData", b"a\r\nb"),
        "binData": FormField("binData", b"\xff\0", is_file=True),
    }


def test_what_a_client_library_sends_is_understood() -> None:
    """Bodies as Werkzeug's test client and browsers write them."""
    builder = EnvironBuilder(method="POST", data={"json": '{"a": 1}', "file": (__file__,)})
    request = builder.get_request()
    body, content_type = request.get_data(), request.content_type or ""
    plain = EnvironBuilder(method="POST", data={"json": "ä=&"}).get_request().get_data()

    assert is_form(content_type)
    assert read_form(body, content_type)["json"].value == b'{"a": 1}'
    assert read_form(plain, URLENCODED)["json"].value == "ä=&".encode()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "multipart/form-data"),
        (b"", "multipart/form-data; boundary="),
        (b"", f"multipart/form-data; boundary={'b' * 201}"),
        (b"", "multipart/form-data; boundary=b"),
        (b"no parts at all", "multipart/form-data; boundary=b"),
        (
            b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\ncut",
            "multipart/form-data; boundary=b",
        ),
        (b"--b\r\n\r\nno name\r\n--b--", "multipart/form-data; boundary=b"),
        multipart(('name="a"', b"1"), ('name="a"', b"2")),
        (b"a=1&a=2", URLENCODED),
        ("ä=1".encode(), URLENCODED),
        (b"a=%ff", URLENCODED),
    ],
)
def test_what_is_no_form_is_refused(body: bytes, content_type: str) -> None:
    """400: no boundary, cut off, a name that is missing or comes twice, no UTF-8."""
    with pytest.raises(BadRequest):
        read_form(body, content_type)


def test_a_boundary_may_be_longer_than_its_rfc_has_it() -> None:
    """RFC 2046 stops at 70 characters, and Werkzeug's own client sends up to 74 now and then."""
    body, content_type = multipart(('name="a"', b"1"))
    for length in (70, 74, 200):
        boundary = "b" * length
        longer = body.replace(b"--b", b"--" + boundary.encode())
        fields = read_form(longer, content_type.replace("=b", f'="{boundary}"'))

        assert fields["a"].value == b"1"


def test_a_boundary_that_is_too_long_is_called_so() -> None:
    """Both messages: there is none, and it is too long."""
    for boundary, told in (("", "Say the boundary"), ("b" * 201, "at most 200")):
        with pytest.raises(BadRequest, match=told):
            read_form(b"", f"multipart/form-data; boundary={boundary}")


def test_the_number_of_fields_is_capped() -> None:
    """Both sides of the limit, in both forms."""
    names = [f"f{at}" for at in range(MAX_FIELDS + 1)]
    parts = [(f'name="{name}"', b"") for name in names]
    pairs = [f"{name}=x" for name in names]

    assert len(read_form(*multipart(*parts[:-1]))) == MAX_FIELDS
    assert len(read_form("&".join(pairs[:-1]).encode(), URLENCODED)) == MAX_FIELDS
    for body, content_type in (multipart(*parts), ("&".join(pairs).encode(), URLENCODED)):
        with pytest.raises(BadRequest):
            read_form(body, content_type)


def test_a_large_part_stays_in_memory_and_takes_little_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No temporary file; a few times the size of the body, which is capped itself."""

    def no_file(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file")

    for name in ("TemporaryFile", "SpooledTemporaryFile", "NamedTemporaryFile"):
        monkeypatch.setattr(tempfile, name, no_file)
    size = 4 << 20
    body, content_type = multipart(('name="binData"; filename="x"', bytes(size)))
    tracemalloc.start()
    fields = read_form(body, content_type)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(fields["binData"].value) == size
    assert peak < 4 * size


@given(st.binary(max_size=400), st.sampled_from([URLENCODED, "multipart/form-data; boundary=b"]))
def test_any_bytes_are_a_form_or_refused(body: bytes, content_type: str) -> None:
    """No other exception, whatever comes."""
    for tried in (body, b"--b\r\n" + body + b"\r\n--b--"):
        try:
            read_form(tried, content_type)
        except BadRequest:
            continue
