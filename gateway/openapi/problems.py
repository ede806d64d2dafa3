"""Which problems a route can have: what its dialect names, and what follows from the route."""

from collections.abc import Iterator, Mapping

from gateway import errors
from gateway.dialects.operation import Operation
from gateway.errors import Problem
from gateway.openapi.routes import BY_CLIENT, Place
from gateway.principal import PUBLIC

Kinds = tuple[type[Problem], ...]

# Of nginx and Gunicorn, and of whatever fails in ways that nobody expected.
_ANYWHERE: Kinds = (
    errors.BadRequest,
    errors.HttpsRequired,
    errors.BodyTooLarge,
    errors.UriTooLong,
    errors.ExpectationFailed,
    errors.MisdirectedRequest,
    errors.AddressLimited,
    errors.HeaderTooLarge,
    errors.InternalError,
    errors.NotImplementedHere,
    errors.BadGateway,
    errors.Overloaded,
    errors.DeadlineExceeded,
    errors.HttpVersionNotSupported,
)
_WITH_A_TOKEN: Kinds = (
    errors.MalformedAuthorization,
    errors.Unauthenticated,
    errors.RateLimited,
    errors.ControlStoreUnavailable,
)
_OF_A_MODEL: Kinds = (errors.InsufficientScope, errors.UnknownModel, errors.ModelUnavailable)
_WITH_A_BODY: Kinds = (
    errors.EmptyBody,
    errors.CorruptBody,
    errors.UnsupportedEncoding,
    errors.UnsupportedMediaType,
    errors.InvalidJson,
    errors.JsonTooDeep,
    errors.JsonTooLarge,
    errors.DuplicateKey,
)
_WITH_ROWS: Kinds = (errors.InvalidInput, errors.ModelFailed)


def problems_of(place: Place, operation: Operation) -> Mapping[int, Kinds]:
    """By status, the kinds of problems that an operation can answer with."""
    found: dict[int, list[type[Problem]]] = {}
    for kind in _kinds(place, operation):
        kinds = found.setdefault(kind.status, [])
        if kind not in kinds:
            kinds.append(kind)
    return {status: tuple(found[status]) for status in sorted(found)}


def _kinds(place: Place, operation: Operation) -> Iterator[type[Problem]]:
    route = place.route
    yield from _ANYWHERE
    if route.needs not in {PUBLIC, BY_CLIENT}:
        yield from _WITH_A_TOKEN
    # What needs a token only, and depends on a model all the same, is about the default model.
    if route.verb is not None or place.contract is not None:
        yield from _OF_A_MODEL
    if place.version:
        yield errors.UnknownVersion
    if operation.request and route.needs != BY_CLIENT:
        yield from _WITH_A_BODY
    if route.takes_rows:
        yield from _WITH_ROWS
    yield from operation.problems
