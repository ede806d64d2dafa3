"""Where the message of a Seldon request is: in one of four places, as its wrapper looks for it.

A multipart form whose parts are the members of a message; the field `json` of a form; the
parameter `json` of the query; a JSON body.
"""

from base64 import b64encode

import orjson

from gateway.dialects.endpoint import Call
from gateway.errors import BadRequest, EmptyBody, UnsupportedMediaType
from gateway.wire.form import MULTIPART, URLENCODED, FormField, is_form, read_form
from gateway.wire.json_document import JsonDocument
from gateway.wire.media_type import JSON, is_utf8_json

_JSON_FIELD = "json"
# An escaped `[` would be counted where none is written.
_ESCAPED_BRACKET = b"\\u005"
_TAKEN = ", ".join([JSON, MULTIPART, URLENCODED])


def read_document(call: Call) -> tuple[JsonDocument, bool]:
    """The document that holds the message, and whether its arrays can be counted in its bytes.

    Raises:
        EmptyBody, UnsupportedMediaType, BadRequest; and what `body` and `parse_json` raise.
    """
    text = _text(call)
    return call.parse_json(text), _ESCAPED_BRACKET not in text


def _text(call: Call) -> bytes:
    body = call.body()
    if body and is_form(call.content_type):
        text = _in_form(call, read_form(body, call.content_type))
        if text is not None:
            return text
    if queried := call.query(_JSON_FIELD):
        return queried.encode()
    if not body:
        raise EmptyBody
    if not is_utf8_json(call.content_type):
        fields = {"Accept-Post": _TAKEN, "Accept": _TAKEN}
        raise UnsupportedMediaType(f"Send the message as {_TAKEN}.", headers=fields)
    return body


def _in_form(call: Call, fields: dict[str, FormField]) -> bytes | None:
    if _JSON_FIELD in fields:
        return fields[_JSON_FIELD].value
    if call.content_type.partition(";")[0].strip().lower() == URLENCODED:
        return None
    if not fields:
        raise EmptyBody
    members = [orjson.dumps(name) + b":" + _member(call, field) for name, field in fields.items()]
    return b"{" + b",".join(members) + b"}"


def _member(call: Call, field: FormField) -> bytes:
    """A part as JSON: bytes in base64, text as text, anything else JSON already."""
    if field.name == "binData" and field.is_file:
        return orjson.dumps(b64encode(field.value).decode())
    if field.name in {"binData", "strData"}:
        try:
            return orjson.dumps(field.value.decode())
        except UnicodeDecodeError as exc:
            raise BadRequest(f"The part {field.name} is not text in UTF-8.") from exc
    # Parsed on its own, so that it is one value and cannot close the message around it.
    call.parse_json(field.value).refuse()
    return field.value
