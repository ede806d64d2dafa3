"""The bytes of a request body, bounded."""

from typing import Any

from gateway.errors import BadRequest, BodyTooLarge, EmptyBody, UnsupportedEncoding

_READ_MARK = "gateway.body_read"


def read_body(environ: dict[str, Any], max_body_bytes: int) -> bytes:
    """All bytes of the body.

    Raises:
        UnsupportedEncoding: a Content-Encoding other than identity.
        BodyTooLarge: before a byte is read where the length is declared.
        EmptyBody: there is none.
        BadRequest: the caller sent less than it declared.
    """
    encoding = environ.get("HTTP_CONTENT_ENCODING", "")
    if encoding and encoding.strip().lower() != "identity":
        raise UnsupportedEncoding(
            "Send the body without Content-Encoding.", headers={"Accept-Encoding": "identity"}
        )
    length = _declared_length(environ)
    if length is not None and length > max_body_bytes:
        raise _too_large(max_body_bytes)
    stream = environ["wsgi.input"]
    body = _read(stream, max_body_bytes + 1 if length is None else length)
    if len(body) > max_body_bytes:
        raise _too_large(max_body_bytes)
    environ[_READ_MARK] = True
    if length is not None and len(body) != length:
        raise BadRequest("The body ended before its declared length.")
    if not body:
        raise EmptyBody
    return body


def _read(stream: Any, size: int) -> bytes:
    try:
        body: bytes = stream.read(size)
    except Exception as exc:
        # Servers raise types of their own where a caller breaks off or sends wrong chunks.
        raise BadRequest("The body could not be read to its end.") from exc
    return body


def _declared_length(environ: dict[str, Any]) -> int | None:
    declared = environ.get("CONTENT_LENGTH")
    if not declared:
        return None
    # RFC 9110 section 8.6. A negative length would read without end.
    if not (declared.isascii() and declared.isdecimal() and len(declared) < 20):
        raise BadRequest("Content-Length is not a number of bytes.")
    return int(declared)


def _too_large(max_body_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"A body may have {max_body_bytes} bytes: send fewer rows per call.",
        members={"max_body_bytes": max_body_bytes},
    )
