"""Form bodies, parsed in memory and within bounds. Sources: RFC 7578; URL Standard, section 5.

The body was capped before, and no field is longer than it: nothing is written to files.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder

from gateway.errors import BadRequest

MULTIPART, URLENCODED = "multipart/form-data", "application/x-www-form-urlencoded"

MAX_FIELDS = 16
# RFC 2046, section 5.1.1 stops at 70; Werkzeug's client goes up to 74 in 3 of 1,000 bodies.
_MAX_BOUNDARY = 200
_NOT_MULTIPART = "The body is not valid multipart/form-data."


@dataclass(frozen=True, slots=True)
class FormField:
    """One field; `is_file` where it came with a filename."""

    name: str
    value: bytes
    is_file: bool = False


def is_form(content_type: str) -> bool:
    return _media_type(content_type) in {MULTIPART, URLENCODED}


def read_form(body: bytes, content_type: str) -> dict[str, FormField]:
    """The fields of a form by name, each once.

    Raises: BadRequest, also where there are more than `MAX_FIELDS`.
    """
    if _media_type(content_type) == URLENCODED:
        return _by_name(_pairs(body))
    try:
        return _by_name(_parts(body, _boundary(content_type)))
    except (ValueError, RequestEntityTooLarge) as exc:
        detail = f"{_NOT_MULTIPART} It may have {MAX_FIELDS} parts."
        raise BadRequest(detail) from exc


def _boundary(content_type: str) -> bytes:
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not boundary or not boundary.isascii():
        raise BadRequest("Say the boundary of the parts: multipart/form-data; boundary=…")
    if len(boundary) > _MAX_BOUNDARY:
        raise BadRequest(f"The boundary of the parts may have at most {_MAX_BOUNDARY} characters.")
    return boundary.encode()


def _pairs(body: bytes) -> Iterator[FormField]:
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as exc:
        raise BadRequest(f"The form cannot be decoded, or has over {MAX_FIELDS} fields.") from exc
    return (FormField(name, value.encode()) for name, value in pairs)


def _parts(body: bytes, boundary: bytes) -> Iterator[FormField]:
    decoder = MultipartDecoder(boundary, max_parts=MAX_FIELDS)
    decoder.receive_data(body)
    decoder.receive_data(None)
    heading: Field | File | None = None
    pieces: list[bytes] = []
    while not isinstance(event := decoder.next_event(), Epilogue):
        if isinstance(event, (Field, File)):
            heading, pieces = event, []
        elif isinstance(event, Data) and heading is not None:
            pieces.append(event.data)
            if not event.more_data:
                yield FormField(heading.name, b"".join(pieces), isinstance(heading, File))


def _by_name(fields: Iterator[FormField]) -> dict[str, FormField]:
    found: dict[str, FormField] = {}
    for field in fields:
        if field.name in found:
            raise BadRequest("A field of the form comes twice.")
        found[field.name] = field
    return found


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
