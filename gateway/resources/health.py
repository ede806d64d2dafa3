"""GET /livez and /readyz: for load balancers and orchestrators. Public, tiny, never limited."""

from collections.abc import Callable

from flask import Response
from flask_restful import Resource

from gateway.errors import NotReady
from gateway.wire.media_type import JSON

_LIVE, _READY = b'{"live":true}', b'{"ready":true}'


class Live(Resource):  # type: ignore[misc]  # flask_restful has no types
    """This worker answers."""

    def get(self) -> Response:
        return Response(_LIVE, content_type=JSON)


class Ready(Resource):  # type: ignore[misc]  # flask_restful has no types
    """This worker can serve: 200, or 503 not_ready."""

    def __init__(self, ready: Callable[[], bool]) -> None:
        self._ready = ready

    def get(self) -> Response:
        if not self._ready():
            raise NotReady(retry_after_s=5)
        return Response(_READY, content_type=JSON)
