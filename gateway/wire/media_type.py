"""Media types of requests and answers: what is understood, what can be given."""

from typing import Any

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_options_header

from gateway.errors import NotAcceptable, UnsupportedMediaType

JSON = "application/json"


def require_json(environ: dict[str, Any]) -> None:
    """Refuse bodies of another type, and callers that accept no JSON.

    Raises: UnsupportedMediaType, with Accept-Post (RFC 9110 section 15.5.16); NotAcceptable.
    """
    content_type = environ.get("CONTENT_TYPE", "")
    if content_type != JSON and not is_utf8_json(content_type):
        raise UnsupportedMediaType(
            "Send the body as Content-Type: application/json, in UTF-8.",
            headers={"Accept-Post": JSON, "Accept": JSON},
        )
    accept = environ.get("HTTP_ACCEPT", "*/*")
    # Nearly every client sends one of these two: parsing Accept costs 20 µs.
    if accept not in {"*/*", JSON, ""} and not _accepts_json(accept):
        raise NotAcceptable("Answers are application/json: accept that, or send no Accept.")


def is_utf8_json(content_type: str) -> bool:
    media_type, options = parse_options_header(content_type)
    return media_type.lower() == JSON and options.get("charset", "utf-8").lower() == "utf-8"


def _accepts_json(accept: str) -> bool:
    accepted = parse_accept_header(accept, MIMEAccept)
    # Werkzeug takes `application/json;charset=utf-8`, which many clients send, for another type.
    return accepted.quality(JSON) > 0 or any(
        quality > 0 and name.lower().startswith(f"{JSON};") for name, quality in accepted
    )
