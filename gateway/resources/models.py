"""GET /v1/models and /v1/models/{model}: what there is, and its contract."""

from flask import Response
from flask_restful import Resource

from gateway.dialects import native
from gateway.inference import Inference
from gateway.request_context import context
from gateway.wire.encode import encode_json
from gateway.wire.media_type import JSON


class Models(Resource):  # type: ignore[misc]  # flask_restful has no types
    """The models that the caller may use."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    def get(self) -> Response:
        principal = context().caller
        names = [
            name
            for name in self._inference.model_names()
            if principal.may("read", name) or principal.may("predict", name)
        ]
        return Response(encode_json({"models": names}), content_type=JSON)


class ModelContract(Resource):  # type: ignore[misc]  # flask_restful has no types
    """The contract of one model: features, outputs, versions, an example to post."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    def get(self, model_name: str) -> Response:
        model = self._inference.model(model_name)
        description = native.describe(model.contract, [model.version])
        return Response(encode_json(description), content_type=JSON)
