"""POST …/feedback."""

import structlog
from flask import Response, request
from flask_restful import Resource

from gateway.dialects import native_feedback
from gateway.inference import Inference
from gateway.request_context import context
from gateway.wire.body import BodyCaps, read_body
from gateway.wire.encode import encode_json
from gateway.wire.json_document import JsonDocument, JsonParser
from gateway.wire.media_type import JSON, require_json

log = structlog.get_logger()


class Feedback(Resource):  # type: ignore[misc]  # flask_restful has no types
    """What became of rows that a model was asked about."""

    def __init__(self, inference: Inference, parser: JsonParser, caps: BodyCaps) -> None:
        self._inference = inference
        self._parser = parser
        self._caps = caps

    def post(self, model_name: str, version: str | None = None) -> Response:
        model = self._inference.model(model_name, version)
        feedback = native_feedback.parse(self._document(), model.contract)
        self._inference.take_feedback(model, feedback.batch, feedback.reward, feedback.truth)
        answer = {"model": model.name, "version": model.version, "accepted": True}
        return Response(encode_json(answer), status=202, content_type=JSON)

    def _document(self) -> JsonDocument:
        current = context()
        current.enter("decode")
        require_json(request.environ)
        body = read_body(request.environ, self._caps, current.remaining_s)
        return self._parser.parse(body, max_rows=current.caller.plan.max_rows_per_call)
