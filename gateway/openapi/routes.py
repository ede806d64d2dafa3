"""Routes of an app as the document needs them, and the paths they have for a caller."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask

from gateway.dialects.operation import Describe
from gateway.principal import ANY_TOKEN, PUBLIC
from model import Contract

# A variable of a rule, in Werkzeug's form.
_VARIABLE = re.compile(r"<(?:(?P<converter>\w+)(?:\((?P<settings>[^)]*)\))?:)?(?P<name>\w+)>")
_MAX_LENGTH = re.compile(r"maxlength=(\d+)")
_QUOTED = re.compile(r"[\"']([^\"']*)[\"']")
_IMPLIED = {"HEAD", "OPTIONS"}
# What a route needs whose callers prove who they are with their secret, in the request.
BY_CLIENT = "client id and secret"


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one rule."""

    endpoint: str
    rule: str
    method: str
    needs: str
    operation: Describe
    takes_rows: bool = False

    @property
    def variables(self) -> frozenset[str]:
        return frozenset(match["name"] for match in _VARIABLE.finditer(self.rule))

    @property
    def verb(self) -> str | None:
        """What the token must allow on the model; None where it need not allow anything."""
        return None if self.needs in {PUBLIC, ANY_TOKEN, BY_CLIENT} else self.needs


@dataclass(frozen=True, slots=True)
class Offer:
    """A model as one caller may use it.

    Attributes:
        contract: of the version that answers this caller where the path names none.
        versions: those that a path may name.
        verbs: what the caller may do with the model.
    """

    contract: Contract
    versions: Mapping[str, Contract]
    verbs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Place:
    """A route at one path of the document, with the contract that is in force there.

    `model` and `version` are set where the route names them by variables.
    """

    route: Route
    path: str
    contract: Contract | None
    model: str = ""
    version: str = ""

    @property
    def operation_id(self) -> str:
        version = f"v{self.version}" if self.version else ""
        return "-".join(part for part in (self.route.endpoint, self.model, version) if part)


def routes_of(
    app: Flask,
    needs: Mapping[str, str],
    row_endpoints: Collection[str],
    operations: Mapping[str, Describe],
    aliases: Collection[str],
) -> tuple[Route, ...]:
    """Every route of the app but those at other paths, in the order in which they were added."""
    return tuple(
        Route(
            rule.endpoint,
            rule.rule,
            method,
            needs[rule.endpoint],
            operations[rule.endpoint],
            rule.endpoint in row_endpoints,
        )
        for rule in app.url_map.iter_rules()
        if rule.rule not in aliases
        for method in sorted((rule.methods or set()) - _IMPLIED)
    )


def places_of(
    route: Route, offers: Mapping[str, Offer], default_model: str | None
) -> Iterator[Place]:
    """The paths that a route has for a caller: one for each model, and version, it may use so."""
    allowed = {
        name: offer
        for name, offer in offers.items()
        if route.verb is None or route.verb in offer.verbs
    }
    if "model_name" not in route.variables:
        yield from _of_default_model(route, allowed, default_model)
        return
    for name, offer in allowed.items():
        if "version" not in route.variables:
            yield Place(route, _path(route.rule, {"model_name": name}), offer.contract, name)
            continue
        for version, contract in offer.versions.items():
            path = _path(route.rule, {"model_name": name, "version": version})
            yield Place(route, path, contract, name, version)


def _of_default_model(
    route: Route, allowed: Mapping[str, Offer], default_model: str | None
) -> Iterator[Place]:
    path = _path(route.rule, {})
    if route.verb is None and not callable(route.operation):
        yield Place(route, path, None)
    elif default_model in allowed:
        yield Place(route, path, allowed[default_model or ""].contract)


def _path(rule: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: values.get(found["name"], f"{{{found['name']}}}"), rule)


def path_parameters(place: Place) -> list[dict[str, Any]]:
    """The variables that are left in a path."""
    return [
        {
            "name": found["name"],
            "in": "path",
            "required": True,
            "schema": _variable_schema(found["converter"], found["settings"] or ""),
        }
        for found in _VARIABLE.finditer(place.route.rule)
        if f"{{{found['name']}}}" in place.path
    ]


def _variable_schema(converter: str | None, settings: str) -> dict[str, Any]:
    if converter == "model_name":
        return {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,62}$"}
    if converter == "any":
        return {"type": "string", "enum": _QUOTED.findall(settings)}
    # Dots alone would be taken out of the path before it is sent.
    schema: dict[str, Any] = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$"}
    length = _MAX_LENGTH.search(settings)
    return schema | {"minLength": 1, "maxLength": int(length[1]) if length else 255}
