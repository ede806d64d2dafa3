"""The prediction app: its pipeline and its route table, in reading order."""

from collections.abc import Callable
from functools import partial

from flask import Flask, Response
from flask_limiter import Limiter
from limits import parse as parse_limit

from config.sections import ServerSettings
from config.settings import Settings
from gateway.admission import Admission
from gateway.auth.access import Access, FailureLimit
from gateway.auth.verifier import Verifier
from gateway.control.watcher import SnapshotWatcher
from gateway.deadline import DeadlineRunner
from gateway.dialects import (
    DIALECTS,
    dialect_of,
    native_operations,
    service_operations,
    token_header,
)
from gateway.dialects.operation import Describe
from gateway.errors import JsonApi, problem_from, problem_response
from gateway.inference import Inference
from gateway.limits import PartnerLimiter
from gateway.model_errors import problem_from_model
from gateway.model_names import ModelNameConverter, ModelVersionConverter
from gateway.model_statistics import ModelStatistics
from gateway.openapi.document import DocumentMaker
from gateway.openapi.documents import Documents
from gateway.openapi.routes import routes_of
from gateway.page.files import read_page
from gateway.principal import ANY_TOKEN, PUBLIC
from gateway.request_context import RequestClock, context, note
from gateway.resources.dialect import RequestCall, add_dialects
from gateway.resources.docs import Docs
from gateway.resources.exchange import Exchange
from gateway.resources.feedback import Feedback
from gateway.resources.health import Live, Ready
from gateway.resources.limits import Limits
from gateway.resources.models import ModelContract, Models
from gateway.resources.openapi import OpenApi
from gateway.resources.predict import Predict
from gateway.security_headers import add_security_headers
from gateway.shadow import Shadowing
from gateway.web import GatewayFlask
from gateway.wire.body import BodyCaps
from gateway.wire.content_coding import compress
from gateway.wire.inflation import InflationCaps
from gateway.wire.json_document import JsonParser
from model import ModelError, ServedModels

_MODEL = "/v1/models/<model_name:model_name>"

# What each endpoint needs: nothing, any valid token, or a scope for the model it names. An
# endpoint that is missing here needs a token.
NEEDS = {
    "live": PUBLIC,
    "ready": PUBLIC,
    "limits": ANY_TOKEN,
    "models": ANY_TOKEN,
    "openapi": ANY_TOKEN,
    "docs": PUBLIC,
    "model_contract": "read",
    "predict": "predict",
    "feedback": "predict",
}
_DIALECT_ENDPOINTS = {
    f"{dialect.name}.{endpoint.name}": endpoint
    for dialect in DIALECTS
    for endpoint in dialect.endpoints
}
NEEDS |= {name: endpoint.needs for name, endpoint in _DIALECT_ENDPOINTS.items()}
# What partners read of each endpoint: operations, or functions of a model's contract.
OPERATIONS: dict[str, Describe] = {
    "live": service_operations.LIVE,
    "ready": service_operations.READY,
    "limits": service_operations.LIMITS_LEFT,
    "models": native_operations.MODELS_LIST,
    "openapi": service_operations.OPENAPI,
    "docs": service_operations.DOCS,
    "model_contract": native_operations.contract_of,
    "predict": native_operations.predict,
    "feedback": native_operations.feedback,
}
OPERATIONS |= {name: endpoint.operation for name, endpoint in _DIALECT_ENDPOINTS.items()}
_ALIASES = frozenset(rule for endpoint in _DIALECT_ENDPOINTS.values() for rule in endpoint.aliases)
FREE_ENDPOINTS = frozenset({"live", "ready", "limits"})
ROW_ENDPOINTS = frozenset(
    {"predict", *(name for name, endpoint in _DIALECT_ENDPOINTS.items() if endpoint.takes_rows)}
)


def create_app(  # noqa: PLR0913, PLR0917  # What the app is made of, each part once.
    settings: Settings,
    watcher: SnapshotWatcher,
    models: ServedModels,
    flask_limiter: Limiter,
    partner_limiter: PartnerLimiter,
    ready: Callable[[], bool],
    statistics: ModelStatistics,
    shadowing: Shadowing | None = None,
) -> Flask:
    """The WSGI app that answers predictions.

    Args:
        watcher: the current snapshot of the control store.
        models: what this worker serves.
        flask_limiter: keeps the counts of addresses.
        partner_limiter: keeps the counts of partners.
        ready: whether this worker can serve.
        statistics: counts the calls of models.
        shadowing: lets shadow versions answer copies of the requests.
    """
    app = GatewayFlask("gateway")
    app.config["MAX_CONTENT_LENGTH"] = settings.server.max_body_bytes
    app.url_map.converters["model_name"] = ModelNameConverter
    app.url_map.converters["model_version"] = ModelVersionConverter

    verifier = Verifier(app, watcher, settings.auth, issuer=settings.issuer)
    failures = FailureLimit(
        flask_limiter, parse_limit(settings.limits.failed_authentications_per_address)
    )
    admission = Admission(
        partner_limiter, free_endpoints=FREE_ENDPOINTS, row_endpoints=ROW_ENDPOINTS
    )
    deadline = DeadlineRunner(settings.server.max_abandoned_predictions)
    inference = Inference(
        models,
        admission,
        deadline,
        default_model=settings.models.default,
        statistics=statistics,
        shadowing=shadowing,
    )
    access = Access(
        verifier, failures, NEEDS, inference.default_model_name, token_header=token_header
    )
    clock = RequestClock(
        deadline_s=settings.server.request_deadline_s, max_wait_s=settings.server.max_wait_s
    )

    # The security architecture: every request takes these steps, in this order.
    app.before_request(clock.begin_request)
    app.before_request(access.authenticate)
    app.before_request(admission.refuse_exhausted)
    app.before_request(access.authorize)

    _add_routes(app, settings, inference, admission, ready)

    finish_requests(app, clock, admission)
    return app


def finish_requests(app: Flask, clock: RequestClock, admission: Admission) -> None:
    """What becomes of every answer, and of every error."""
    app.register_error_handler(Exception, answer_problem)
    # Flask runs these from the last to the first.
    app.after_request(clock.finish_request)
    add_security_headers(app)
    app.after_request(admission.add_fields)
    app.after_request(compress_answer)


def _add_routes(
    app: Flask,
    settings: Settings,
    inference: Inference,
    admission: Admission,
    ready: Callable[[], bool],
) -> None:
    parser = json_parser(settings.server)
    caps = body_caps(settings.server)
    exchange = Exchange(parser, caps)
    api = JsonApi(app)
    api.add_resource(Live, "/livez", endpoint="live")
    api.add_resource(Ready, "/readyz", endpoint="ready", resource_class_args=(ready,))
    api.add_resource(Limits, "/v1/limits", endpoint="limits", resource_class_args=(admission,))
    api.add_resource(Models, "/v1/models", endpoint="models", resource_class_args=(inference,))
    api.add_resource(
        ModelContract,
        _MODEL,
        f"{_MODEL}/versions/<model_version:version>",
        endpoint="model_contract",
        resource_class_args=(inference,),
    )
    api.add_resource(
        Predict,
        f"{_MODEL}/predict",
        f"{_MODEL}/versions/<model_version:version>/predict",
        "/predict",
        endpoint="predict",
        resource_class_args=(inference, exchange),
    )
    api.add_resource(
        Feedback,
        f"{_MODEL}/feedback",
        f"{_MODEL}/versions/<model_version:version>/feedback",
        endpoint="feedback",
        resource_class_args=(inference, parser, caps),
    )
    if settings.docs.openapi:
        _add_document(api, app, settings, inference)
    if settings.docs.page:
        page = read_page()
        paths = "/docs", "/docs/", "/docs/<file_name>"
        api.add_resource(Docs, *paths, endpoint="docs", resource_class_args=(page,))
    add_dialects(api, partial(RequestCall, inference, exchange, ready))


def _add_document(api: JsonApi, app: Flask, settings: Settings, inference: Inference) -> None:
    maker = DocumentMaker(
        partial(routes_of, app, NEEDS, ROW_ENDPOINTS, OPERATIONS, _ALIASES),
        settings.server.base_url,
    )
    documents = Documents(inference, maker, settings.models.default)
    api.add_resource(OpenApi, "/openapi.json", endpoint="openapi", resource_class_args=(documents,))


def json_parser(server: ServerSettings) -> JsonParser:
    """What reads JSON in this worker, within the caps of the settings."""
    return JsonParser(max_depth=server.json_max_depth, max_elements=server.json_max_elements)


def body_caps(server: ServerSettings) -> BodyCaps:
    """How large a body may be, in each way it is measured."""
    inflation = InflationCaps(server.max_inflated_bytes, server.max_inflation_ratio)
    return BodyCaps(server.max_body_bytes, inflation)


def compress_answer(answer: Response) -> Response:
    """In a way that the caller asks for."""
    return compress(answer, context().request.environ.get("HTTP_ACCEPT_ENCODING", ""))


def answer_problem(exc: Exception) -> Response:
    """Any exception of a request as an answer, and as facts of its closing event."""
    problem = problem_from_model(exc) if isinstance(exc, ModelError) else problem_from(exc)
    note(code=problem.code, **problem.facts)
    dialect = dialect_of(context().request.path)
    return problem_response(problem, context().request_id, dialect.problem if dialect else None)
