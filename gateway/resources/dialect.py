"""The endpoints of every dialect, as Flask-RESTful resources."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flask import Response
from flask_restful import Api, Resource

from gateway.dialects import DIALECTS
from gateway.dialects.endpoint import Dialect, Endpoint, Reply
from gateway.inference import Inference
from gateway.request_context import context, note
from gateway.resources.exchange import Exchange
from gateway.wire.formats.format import Format
from gateway.wire.json_document import JsonDocument
from gateway.wire.table import Table
from model import Batch, Contract, Prediction, ServedModel

_NO_PARAMETERS: Mapping[str, str] = {}


class DialectResource(Resource):  # type: ignore[misc]  # flask_restful has no types
    """One path of a dialect: each of its methods is one endpoint."""

    def __init__(self, endpoint: Endpoint, make_call: Callable[[], "RequestCall"]) -> None:
        self._endpoint = endpoint
        self._make_call = make_call

    def dispatch_request(self, *_args: Any, **_kwargs: Any) -> Response:
        return _response(self._endpoint.answer(self._make_call()))


def add_dialects(
    api: Api, make_call: Callable[[], "RequestCall"], dialects: Iterable[Dialect] = DIALECTS
) -> None:
    """Route every endpoint of these dialects."""
    for dialect in dialects:
        for endpoint in dialect.endpoints:
            api.add_resource(
                _with_method(endpoint.method),
                *endpoint.rules,
                *endpoint.aliases,
                endpoint=f"{dialect.name}.{endpoint.name}",
                resource_class_args=(endpoint, make_call),
            )


def _with_method(method: str) -> type[DialectResource]:
    """Routing reads the methods off the class."""
    methods = {"GET", "HEAD"} if method == "GET" else {method}
    return type("DialectResource", (DialectResource,), {"methods": methods})


def _response(reply: Reply) -> Response:
    response = Response(reply.body, status=reply.status, content_type=reply.content_type)
    response.headers.update(reply.headers)
    return response


class RequestCall:
    """The request in hand, as `gateway.dialects.endpoint.Call` describes it."""

    def __init__(self, inference: Inference, exchange: Exchange, ready: Callable[[], bool]) -> None:
        self._inference = inference
        self._exchange = exchange
        self._ready = ready

    @property
    def args(self) -> Mapping[str, str]:
        return context().request.view_args or {}

    @property
    def request_id(self) -> str:
        return context().request_id

    @property
    def content_type(self) -> str:
        content_type: str = context().request.environ.get("CONTENT_TYPE", "")
        return content_type

    @property
    def ready(self) -> bool:
        return self._ready()

    @property
    def max_rows(self) -> int | None:
        return context().caller.plan.max_rows_per_call

    def header(self, name: str) -> str:
        return context().request.headers.get(name, "")

    def query(self, name: str) -> str:
        return context().request.args.get(name, "")

    def body(self) -> bytes:
        return self._exchange.body()

    def parse_json(self, body: bytes) -> JsonDocument:
        return self._exchange.parse_json(body)

    def batch(self, model: ServedModel) -> Batch:
        return self._exchange.batch(model.contract)

    def read(
        self,
        known: Format,
        body: bytes,
        contract: Contract,
        parameters: Mapping[str, str] = _NO_PARAMETERS,
    ) -> Batch:
        return self._exchange.read(known, body, contract, parameters)

    def reply(self, model: ServedModel, prediction: Prediction) -> Reply:
        return self._exchange.reply(prediction, model.contract)

    def write(self, table: Table) -> Reply:
        return self._exchange.write(table)

    def model_names(self) -> list[str]:
        return self._inference.usable_names()

    def ready_version(self, model_name: str) -> str | None:
        return self._inference.ready_version(model_name)

    def model(self) -> ServedModel:
        name = self.args.get("model_name") or self._inference.default_model_name()
        return self._inference.model(name, self.args.get("version"))

    def predict(self, model: ServedModel, batch: Batch) -> Prediction:
        prediction = self._inference.predict(model, batch)
        context().enter("encode")
        return prediction

    def health_status(self, model: ServedModel) -> Mapping[str, Any] | None:
        return self._inference.health_status(model)

    def take_feedback(
        self, model: ServedModel, batch: Batch, reward: float, truth: Sequence[Any] | None
    ) -> None:
        self._inference.take_feedback(model, batch, reward, truth)

    def statistics(self, model_name: str) -> Mapping[str, Mapping[str, float]]:
        return self._inference.statistics(model_name)

    def note(self, **facts: object) -> None:
        note(**facts)
