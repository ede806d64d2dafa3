"""POST …/predict."""

from flask import Response
from flask_restful import Resource

from gateway.dialects.endpoint import Reply
from gateway.errors import BadRequest
from gateway.inference import Inference
from gateway.request_context import context
from gateway.resources.exchange import Exchange
from gateway.wire.table import Refusals
from model import ServedModel

_ON_ERROR = ("refuse", "row")


class Predict(Resource):  # type: ignore[misc]  # flask_restful has no types
    """Predictions of a model for the rows in the body.

    With `?on_error=row` each row is judged for itself: the good ones are answered. Otherwise one
    bad row refuses the call.
    """

    def __init__(self, inference: Inference, exchange: Exchange) -> None:
        self._inference = inference
        self._exchange = exchange

    def post(self, model_name: str | None = None, version: str | None = None) -> Response:
        model = self._inference.model(model_name or self._inference.default_model_name(), version)
        reply = self._by_row(model) if _wants_rows() else self._as_a_whole(model)
        return Response(reply.body, content_type=reply.content_type, headers=reply.headers or None)

    def _as_a_whole(self, model: ServedModel) -> Reply:
        batch = self._exchange.batch(model.contract)
        prediction = self._inference.predict(model, batch)
        context().enter("encode")
        return self._exchange.reply(prediction, model.contract)

    def _by_row(self, model: ServedModel) -> Reply:
        rows = self._exchange.rows(model.contract)
        prediction = self._inference.predict_good(model, rows)
        context().enter("encode")
        refusals = Refusals(rows.kept.tolist(), rows.faults)
        return self._exchange.reply(prediction, model.contract, refusals)


def _wants_rows() -> bool:
    asked = context().request
    if not asked.query_string:
        return False
    on_error = asked.args.get("on_error", _ON_ERROR[0])
    if on_error not in _ON_ERROR:
        raise BadRequest("The parameter on_error is row or refuse.")
    return on_error == "row"
