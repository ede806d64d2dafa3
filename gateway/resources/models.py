"""GET /v1/models and /v1/models/{model}: what there is, and its contract."""

from datetime import UTC, datetime
from typing import Any

from flask import Response
from flask_restful import Resource

from gateway.dialects import native, tensorflow_serving
from gateway.inference import Inference
from gateway.wire.encode import encode_json
from gateway.wire.media_type import JSON
from model import ServedModel


class Models(Resource):  # type: ignore[misc]  # flask_restful has no types
    """The models that the caller may use."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    def get(self) -> Response:
        return Response(encode_json({"models": self._inference.usable_names()}), content_type=JSON)


class ModelContract(Resource):  # type: ignore[misc]  # flask_restful has no types
    """The contract of one model, in one of its versions: features, outputs, an example to post."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    def get(self, model_name: str, version: str | None = None) -> Response:
        model = self._inference.model(model_name, version)
        versions = [_version(each) for each in self._inference.versions(model_name)]
        named = [model.version] if version else [each["version"] for each in versions]
        # One answer for our own clients and for those of KServe and TensorFlow Serving.
        answer = {
            **native.describe(model.contract, versions),
            **tensorflow_serving.status(model.name, named),
        }
        return Response(encode_json(answer), content_type=JSON)


def _version(model: ServedModel) -> dict[str, Any]:
    facts = {"version": model.version, "role": model.role}
    if model.sunset_at is None or model.role == "canary":
        return facts
    return facts | {"sunset_at": datetime.fromtimestamp(model.sunset_at, UTC).isoformat()}
