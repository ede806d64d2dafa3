"""POST /v2/repository/models/{model}/load and /unload, at the token service.

Source: Triton, model repository extension. Of what a load request may carry there, only a version
is taken here: no configuration, and no files.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Flask, Response, request
from flask_restful import Resource

from gateway.auth.paths import LOAD_RULE, UNLOAD_RULE
from gateway.control.repository import NoSuchVersion, Repository
from gateway.errors import BadRequest, InvalidJson, JsonApi, ModelUnavailable, UnknownModel
from gateway.request_context import context, note

_RETRY_AFTER_S = 1


def add_repository(app: Flask, repository: Repository) -> None:
    """Route the two calls that change which models serve."""
    api = JsonApi(app)
    given = {"resource_class_args": (repository,)}
    api.add_resource(LoadModel, LOAD_RULE, endpoint="load", **given)
    api.add_resource(UnloadModel, UNLOAD_RULE, endpoint="unload", **given)


class LoadModel(Resource):  # type: ignore[misc]  # flask_restful has no types
    """A version answers from now on: the one that is named, or see `Repository.load`."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def post(self, model_name: str) -> Response:
        parameters = _parameters({"version"})
        version = parameters.get("version", request.args.get("version"))
        if version is not None and (not isinstance(version, str) or not version):
            raise BadRequest("version must be text.")
        note(model=model_name, version=version)
        try:
            done = self._repository.load(model_name, version, _actor())
        except NoSuchVersion as exc:
            raise _unknown() from exc
        return _answer(done, "It is in service, but does not answer in every worker yet")


class UnloadModel(Resource):  # type: ignore[misc]  # flask_restful has no types
    """A model is out of service at once, with all its versions."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def post(self, model_name: str) -> Response:
        _parameters({"unload_dependents"})
        note(model=model_name)
        try:
            done = self._repository.unload(model_name, _actor())
        except NoSuchVersion as exc:
            raise _unknown() from exc
        return _answer(done, "It is out of service, but not every worker has let it go yet")


def _parameters(known: set[str]) -> Mapping[str, Any]:
    """The parameters of the body, which may be empty. Raises: BadRequest, InvalidJson."""
    body = request.get_data(cache=False)
    request.environ["gateway.body_read"] = True
    try:
        document = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as exc:
        raise InvalidJson("The body is not valid JSON.") from exc
    if not isinstance(document, dict) or not document.keys() <= {"parameters"}:
        raise BadRequest('Send {"parameters": {…}}, or no body.')
    parameters = document.get("parameters", {})
    if not isinstance(parameters, dict) or not parameters.keys() <= known:
        names = ", ".join(sorted(known))
        raise BadRequest(f"The only parameter is {names}: models are added by operators.")
    return parameters


def _actor() -> str:
    caller = context().caller
    return f"partner {caller.partner}"


def _unknown() -> UnknownModel:
    return UnknownModel("There is no such model, or no such version of it.")


def _answer(done: bool, otherwise: str) -> Response:
    if not done:
        # Asking again changes nothing more, and waits again.
        raise ModelUnavailable(f"{otherwise}: ask again.", retry_after_s=_RETRY_AFTER_S)
    return Response(b"{}", content_type="application/json")
