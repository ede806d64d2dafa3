"""GET /openapi.json: what the caller may call, and how."""

from flask import Response, request
from flask_restful import Resource

from gateway.openapi.documents import Documents
from gateway.request_context import context

OPENAPI_JSON = "application/openapi+json"


class OpenApi(Resource):  # type: ignore[misc]  # flask_restful has no types
    """The document for this caller; 304 where it has not changed since it was read."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def get(self) -> Response:
        written = self._documents.of(context().caller)
        response = Response(written.body, content_type=OPENAPI_JSON)
        # Weak: the same document may be sent compressed.
        response.set_etag(written.etag, weak=True)
        response.headers["Cache-Control"] = "private, no-cache"
        return response.make_conditional(request)  # type: ignore[return-value]  # Flask's own
