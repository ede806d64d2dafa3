"""What a partner reads of an endpoint: its part of the OpenAPI document.

Only what the dialect alone knows is said here. Paths, who may call, the limits' header fields and
the problems that follow from what an endpoint needs and takes are added by `gateway.openapi`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import Problem
from model import Contract


@dataclass(frozen=True, slots=True)
class Tag:
    """A group of operations: a protocol, or a part of our own."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Shared:
    """A schema that several operations use: written once, by this name, and referred to.

    It may stand anywhere inside another schema. One that depends on a contract has a name that
    `schemas.of_model` made.
    """

    name: str
    schema: Mapping[str, Any]


Schema = Mapping[str, Any] | Shared


@dataclass(frozen=True, slots=True)
class Body:
    """One media type of a request or an answer.

    Args:
        schema: JSON Schema 2020-12; parts of it may be `Shared`. Empty for bytes.
        examples: by name. One of a request works when it is pasted.
    """

    media_type: str
    schema: Schema = field(default_factory=dict)
    examples: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a status means, in each media type it may have.

    Args:
        headers: a sentence for each field of its own.
        links: by name, what can be called with what is in the answer (OpenAPI's Link Object).
    """

    description: str
    bodies: tuple[Body, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query, or a header field. Those of the path are known from the route."""

    name: str
    place: str
    description: str
    schema: Schema
    required: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """What an endpoint is for, what it takes and what it gives.

    Args:
        summary: a few words without a full stop.
        request: one for each media type that is understood; none, where no body is read.
        answers: by status; no problems, unless they have a body of their own.
        problems: those beyond what the route's needs, body and rows make possible.
    """

    tag: Tag
    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    request: tuple[Body, ...] = ()
    body_required: bool = True
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[type[Problem], ...] = ()


# Where what is said depends on the model of the path (or the default model), a function of it.
Describe = Operation | Callable[[Contract], Operation]
