"""GET /docs and its files: static, public, and from nowhere else."""

from collections.abc import Mapping

from flask import Response, request
from flask_restful import Resource

from gateway.errors import NotFound
from gateway.page.files import CONTENT_SECURITY_POLICY, PageFile


class Docs(Resource):  # type: ignore[misc]  # flask_restful has no types
    """The page, or one of its files."""

    def __init__(self, page: Mapping[str, PageFile]) -> None:
        self._page = page

    def get(self, file_name: str = "index.html") -> Response:
        file = self._page.get(file_name)
        if file is None:
            raise NotFound
        response = Response(file.body, content_type=file.content_type)
        # Weak: the same file may be sent compressed.
        response.set_etag(file.etag, weak=True)
        response.headers["Cache-Control"] = "public, no-cache"
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response.make_conditional(request)  # type: ignore[return-value]  # Flask's own
