"""The document itself."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import Any

from gateway.auth.paths import ISSUANCE_PATH
from gateway.dialects.operation import Operation, Tag
from gateway.openapi.components import Components
from gateway.openapi.responses import HEADERS, content_of, responses_of
from gateway.openapi.routes import (
    BY_CLIENT,
    Offer,
    Place,
    Route,
    path_parameters,
    places_of,
)
from gateway.openapi.token_service import TOKEN_SERVICE_ROUTES
from gateway.principal import ANY_TOKEN, PUBLIC

_VERSION = version("model-gateway")
_INTRODUCTION = """\
Predictions of the models that your access token allows, with their real features and ranges.

1. **Get a token**: `POST /oauth/token` with your client id and secret; keep it until it expires.
2. **Send rows**: `POST /v1/models/{model}/predict`, many rows in one call.
3. **Read the answer**, or a problem with a stable `code`; every answer has an `X-Request-ID`.

Paths that are not here answer 404 `not_found`, and other methods 405 `method_not_allowed`.

Bodies may be compressed (`Content-Encoding`: zstd, br, gzip or deflate), and answers are where
`Accept-Encoding` asks for it. Limits are those of your plan: the fields `RateLimit-Policy` and
`RateLimit` say what is left of them, `Retry-After` when to come back. `GET /v1/limits` costs
nothing.
"""


class DocumentMaker:
    """Makes the document for a caller.

    Args:
        routes: gives those of the prediction app, once all of them are there.
        base_url: how callers reach them, and the token service.
    """

    def __init__(self, routes: Callable[[], Sequence[Route]], base_url: str) -> None:
        self._app_routes = routes
        self._base_url = base_url

    @cached_property
    def _routes(self) -> Sequence[Route]:
        return [*TOKEN_SERVICE_ROUTES, *self._app_routes()]

    @cached_property
    def verbs(self) -> frozenset[str]:
        """Everything that a token may allow on a model."""
        return frozenset(route.verb for route in self._routes if route.verb is not None)

    def document(self, offers: Mapping[str, Offer], default_model: str | None) -> dict[str, Any]:
        """The document for whoever may use these models.

        Args:
            offers: by name of the model.
            default_model: the model of paths that name none, if there is one.
        """
        components = Components()
        paths: dict[str, dict[str, Any]] = {}
        tags: dict[str, Tag] = {}
        operation_ids: set[str] = set()
        for place in _without_twins(
            place for route in self._routes for place in places_of(route, offers, default_model)
        ):
            operation = _operation_of(place)
            tags[operation.tag.name] = operation.tag
            described = {
                "operationId": _unused(place.operation_id, operation_ids),
                **_describe(place, operation, components),
            }
            paths.setdefault(place.path, {})[place.route.method.lower()] = described
        return {
            "openapi": "3.1.1",
            "info": self._info(),
            "servers": [{"url": self._base_url}],
            "tags": [{"name": tag.name, "description": tag.description} for tag in tags.values()],
            "paths": paths,
            "components": {
                "securitySchemes": self._security_schemes(offers),
                "headers": HEADERS,
                "responses": components.responses,
                "schemas": components.schemas,
            },
        }

    def _info(self) -> dict[str, Any]:
        return {
            "title": "Model gateway",
            "version": _VERSION,
            "description": _INTRODUCTION,
            "contact": {"name": "The operator of this gateway", "url": self._base_url},
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        }

    def _security_schemes(self, offers: Mapping[str, Offer]) -> dict[str, Any]:
        scopes = {
            f"model:{name}:{verb}": f"{verb.capitalize()} {name}."
            for name, offer in offers.items()
            for verb in sorted(offer.verbs)
        }
        flow = {"tokenUrl": self._base_url + ISSUANCE_PATH, "scopes": scopes}
        return {
            "oauth2": {
                "type": "oauth2",
                "description": "Client credentials (RFC 6749 section 4.4).",
                "flows": {"clientCredentials": flow},
            },
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "An access token that you have already.",
            },
            "client": {
                "type": "http",
                "scheme": "basic",
                "description": "Client id and secret, as RFC 6749 section 2.3.1 encodes them.",
            },
        }


def _without_twins(places: Iterable[Place]) -> list[Place]:
    """Without the paths that are others with a slash at the end."""
    found = list(places)
    known = {(place.path, place.route.method) for place in found}
    return [
        place
        for place in found
        if not place.path.endswith("/") or (place.path[:-1], place.route.method) not in known
    ]


def _unused(operation_id: str, used: set[str]) -> str:
    """This id, or one like it for an endpoint that has several paths; from now on in use."""
    number, free = 1, operation_id
    while free in used:
        number += 1
        free = f"{operation_id}-{number}"
    used.add(free)
    return free


def _operation_of(place: Place) -> Operation:
    described = place.route.operation
    if not callable(described):
        return described
    if place.contract is None:
        raise LookupError(f"{place.route.rule} depends on a model, and has none here")
    return described(place.contract)


def _describe(place: Place, operation: Operation, components: Components) -> dict[str, Any]:
    parameters = [
        *path_parameters(place),
        *(
            {
                "name": parameter.name,
                "in": parameter.place,
                "description": parameter.description,
                "required": parameter.required,
                "schema": components.plain(parameter.schema),
            }
            for parameter in operation.parameters
        ),
    ]
    described: dict[str, Any] = {
        "tags": [operation.tag.name],
        "summary": operation.summary,
        "description": " ".join(filter(None, (operation.description, _needs(place)))),
        "security": _security(place),
    }
    if parameters:
        described["parameters"] = parameters
    if operation.request:
        described["requestBody"] = {
            "required": operation.body_required,
            "content": content_of(operation.request, components),
        }
    return described | {"responses": responses_of(place, operation, components)}


def _needs(place: Place) -> str:
    needs = {
        PUBLIC: "Public.",
        ANY_TOKEN: "Needs an access token.",
        BY_CLIENT: "Needs the client id and secret.",
    }
    return needs.get(place.route.needs) or f"Needs the scope `{_scope(place)}`."


def _scope(place: Place) -> str:
    model = place.contract.model_name if place.contract is not None else place.model
    return f"model:{place.model or model}:{place.route.verb}"


def _security(place: Place) -> list[dict[str, list[str]]]:
    if place.route.needs == PUBLIC:
        return []
    if place.route.needs == BY_CLIENT:
        # Or in the form.
        return [{"client": []}, {}]
    scopes = [_scope(place)] if place.route.verb else []
    return [{"oauth2": scopes}, {"bearer": []}]
