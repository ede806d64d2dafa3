"""Answers of an operation: its own, and its problems with their codes and header fields."""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.dialects import dialect_of
from gateway.dialects.operation import Answer, Body, Operation, Shared
from gateway.errors import PROBLEM_JSON, catalogue
from gateway.openapi.components import Components
from gateway.openapi.problems import Kinds, problems_of
from gateway.openapi.routes import Place

_TEXT = {"type": "string"}
_WHOLE = {"type": "integer", "minimum": 0}

# Header fields that answers share, by name: what they say, and their schema.
HEADERS: Mapping[str, Mapping[str, Any]] = {
    "X-Request-ID": {
        "description": "Name it when you ask the operator about a call.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
    "Gateway-Error-Code": {
        "description": "The problem's stable code, in every shape of error.",
        "required": True,
        "schema": _TEXT,
    },
    "Retry-After": {
        "description": "Seconds to wait before the same call is sent again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "RateLimit-Policy": {
        "description": "The plan: quota (q), window in seconds (w) and unit (qu) of each limit.",
        "schema": _TEXT,
        "example": '"requests_per_second";q=20;w=1;qu="requests"',
    },
    "RateLimit": {
        "description": "What is left of each limit (r), and seconds until it is full again (t).",
        "schema": _TEXT,
        "example": '"requests_per_second";r=19;t=1',
    },
    "WWW-Authenticate": {
        "description": "What is wrong with the token (RFC 6750).",
        "required": True,
        "schema": _TEXT,
    },
    "Content-Encoding": {
        "description": "Where Accept-Encoding asked for it: zstd, br, gzip or deflate.",
        "schema": {"type": "string", "enum": ["zstd", "br", "gzip", "deflate"]},
    },
    "Deprecation": {
        "description": "Since when this version is being replaced (RFC 9745).",
        "schema": {"type": "string", "pattern": "^@[0-9]+$"},
    },
    "Sunset": {"description": "When it ends (RFC 8594).", "schema": _TEXT},
    "Link": {"description": "The version to move to (successor-version).", "schema": _TEXT},
}
_ALWAYS = ("X-Request-ID",)
_OF_STATUS: Mapping[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    429: ("Retry-After", "RateLimit-Policy", "RateLimit"),
    503: ("Retry-After",),
}

_FAULT = Shared(
    "Fault",
    {
        "type": "object",
        "description": "One thing that is wrong with the rows.",
        "properties": {
            "row": {"type": ["integer", "null"], "description": "From 0; null: all rows."},
            "feature": {"type": ["string", "null"], "description": "Null: the whole row."},
            "code": _TEXT,
            "found": {"type": "string", "description": "What kind of value; never the value."},
            "expected": _TEXT,
        },
        "required": ["row", "feature", "code", "found", "expected"],
    },
)
PROBLEM = Body(
    PROBLEM_JSON,
    Shared(
        "Problem",
        {
            "type": "object",
            "description": "Problem details (RFC 9457). Let programs decide by `code`.",
            "properties": {
                "type": {"type": "string", "pattern": "^urn:gateway:problem:[a-z_]+$"},
                "title": _TEXT,
                "status": {"type": "integer", "minimum": 400, "maximum": 599},
                "detail": {"type": "string", "description": "A sentence for people."},
                "code": {"type": "string", "enum": sorted(catalogue())},
                "request_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                "errors": {
                    "type": "array",
                    "items": _FAULT,
                    "description": "Of invalid_input: what is wrong, at most 100 faults.",
                },
                "error_count": _WHOLE,
                "required_scope": _TEXT,
                "limit": {"type": "string", "description": "Of rate_limited: which limit."},
                "retry_after": _WHOLE,
                "max_body_bytes": _WHOLE,
            },
            "required": ["type", "title", "status", "detail", "code", "request_id"],
        },
    ),
)


def responses_of(place: Place, operation: Operation, components: Components) -> dict[str, Any]:
    """All answers by status."""
    responses: dict[int, Any] = {
        status: _answer(place, status, answer, components)
        for status, answer in operation.answers.items()
    }
    for status, kinds in problems_of(place, operation).items():
        if status not in responses:
            responses[status] = _problem(_error_at(place.path), status, kinds, components)
    return {str(status): responses[status] for status in sorted(responses)}


def _error_at(path: str) -> Body:
    dialect = dialect_of(path)
    return PROBLEM if dialect is None else dialect.error


def _answer(place: Place, status: int, answer: Answer, components: Components) -> dict[str, Any]:
    names = [*_ALWAYS]
    if answer.bodies:
        names.append("Content-Encoding")
    if place.route.takes_rows and status < 300:
        names += ["RateLimit-Policy", "RateLimit"]
    if place.contract is not None:
        names += ["Deprecation", "Sunset", "Link"]
    own = {name: {"description": text, "schema": _TEXT} for name, text in answer.headers.items()}
    response = {"description": answer.description, "headers": {**_references(names), **own}}
    if answer.bodies:
        response["content"] = content_of(answer.bodies, components)
    if answer.links:
        response["links"] = answer.links
    return response


def _problem(error: Body, status: int, kinds: Kinds, components: Components) -> dict[str, str]:
    codes = [kind.code for kind in kinds]
    response = {
        "description": "\n".join(f"- `{kind.code}`: {kind.title}." for kind in kinds),
        "headers": _references([*_ALWAYS, "Gateway-Error-Code", *_OF_STATUS.get(status, ())]),
        "content": {
            error.media_type: {
                "schema": {
                    "allOf": [
                        components.plain(error.schema),
                        {"properties": {"code": {"enum": codes}}},
                    ]
                }
            }
        },
    }
    return components.response(f"{_shape_name(error)}-{status}", response)


def _shape_name(error: Body) -> str:
    return error.schema.name if isinstance(error.schema, Shared) else "Error"


def _references(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def content_of(bodies: Iterable[Body], components: Components) -> dict[str, Any]:
    """By media type, what a body looks like."""
    content: dict[str, Any] = {}
    for body in bodies:
        described: dict[str, Any] = {"schema": components.plain(body.schema)}
        if body.examples:
            described["examples"] = {name: {"value": it} for name, it in body.examples.items()}
        content[body.media_type] = described
    return content
