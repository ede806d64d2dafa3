"""What partners read of the endpoints that concern no model: probes and limits."""

from gateway.dialects import schemas
from gateway.dialects.operation import Answer, Body, Operation, Tag
from gateway.errors import NotFound, NotReady
from gateway.wire.media_type import JSON

HEALTH = Tag("Health", "For load balancers and orchestrators; public, and never limited.")
LIMITS = Tag("Limits", "The caller's plan, and what is left of it.")

LIVE = Operation(
    HEALTH,
    "Is this worker alive",
    {200: Answer("It answers.", (Body(JSON, schemas.members({"live": {"const": True}})),))},
)
READY = Operation(
    HEALTH,
    "Can this worker serve",
    {200: Answer("It can.", (Body(JSON, schemas.members({"ready": {"const": True}})),))},
    problems=(NotReady,),
)

DOCUMENT = Tag("Documentation", "This document, and a page to try things on.")
OPENAPI = Operation(
    DOCUMENT,
    "Read this document",
    {
        200: Answer(
            "OpenAPI 3.1: the models that the token may use, and every call.",
            (Body("application/openapi+json", {"type": "object", "required": ["openapi"]}),),
            {"ETag": "Send it as If-None-Match.", "Cache-Control": "Kept by its reader only."},
        ),
        304: Answer("It has not changed."),
    },
)
DOCS = Operation(
    DOCUMENT,
    "Open the page to try things on",
    {
        200: Answer("The page, or one of its files.", (Body("text/html", {"type": "string"}),)),
        304: Answer("It has not changed."),
    },
    problems=(NotFound,),
)

_COUNT = {"type": "integer", "minimum": 0}
_LIMIT = schemas.members(
    {
        "name": {"type": "string"},
        "unit": {"type": "string"},
        "limit": _COUNT,
        "remaining": _COUNT,
        "window_s": _COUNT,
        "reset_s": _COUNT,
    },
    ["name", "unit", "limit", "remaining"],
)
_PLAN = schemas.members(
    {
        "plan": {"type": "string"},
        "max_rows_per_call": _COUNT,
        "limits": {"type": "array", "items": _LIMIT},
    }
)
LIMITS_LEFT = Operation(
    LIMITS,
    "See what is left of the plan",
    {200: Answer("Costs nothing, also when all is used up.", (Body(JSON, _PLAN),))},
)
