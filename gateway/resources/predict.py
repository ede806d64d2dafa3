"""POST …/predict."""

from flask import Response
from flask_restful import Resource

from gateway.inference import Inference
from gateway.request_context import context
from gateway.resources.exchange import Exchange


class Predict(Resource):  # type: ignore[misc]  # flask_restful has no types
    """Predictions of a model for the rows in the body."""

    def __init__(self, inference: Inference, exchange: Exchange) -> None:
        self._inference = inference
        self._exchange = exchange

    def post(self, model_name: str | None = None, version: str | None = None) -> Response:
        model = self._inference.model(model_name or self._inference.default_model_name(), version)
        batch = self._exchange.batch(model.contract)
        prediction = self._inference.predict(model, batch)
        context().enter("encode")
        reply = self._exchange.reply(prediction, model.contract)
        return Response(reply.body, content_type=reply.content_type)
