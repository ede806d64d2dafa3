"""POST …/predict."""

from flask import Response, request
from flask_restful import Resource

from gateway.dialects import native
from gateway.inference import Inference
from gateway.request_context import context
from gateway.wire.body import BodyCaps, read_body
from gateway.wire.encode import encode_json
from gateway.wire.json_document import JsonDocument, JsonParser
from gateway.wire.media_type import JSON, require_json


class Predict(Resource):  # type: ignore[misc]  # flask_restful has no types
    """Predictions of a model for the rows in the body."""

    def __init__(self, inference: Inference, parser: JsonParser, caps: BodyCaps) -> None:
        self._inference = inference
        self._parser = parser
        self._caps = caps

    def post(self, model_name: str | None = None, version: str | None = None) -> Response:
        model = self._inference.model(model_name or self._inference.default_model_name(), version)
        batch = native.parse(self._document(), model.contract)
        prediction = self._inference.predict(model, batch)
        context().enter("encode")
        return Response(encode_json(native.render(prediction)), content_type=JSON)

    def _document(self) -> JsonDocument:
        current = context()
        current.enter("decode")
        require_json(request.environ)
        body = read_body(request.environ, self._caps, current.remaining_s)
        return self._parser.parse(body, max_rows=current.caller.plan.max_rows_per_call)
