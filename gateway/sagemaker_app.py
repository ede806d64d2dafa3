"""The app of a SageMaker container: two paths, one caller, no tokens.

Everything behind the door is as in `gateway.app`: the contract is checked, the partner's plan is
charged, and each request has its event. There is no other path, and no token is understood here.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from flask import Flask

from config.settings import Settings
from gateway.admission import Admission
from gateway.app import body_caps, finish_requests, json_parser
from gateway.auth.door import CloudDoor
from gateway.control.watcher import SnapshotWatcher
from gateway.deadline import DeadlineRunner
from gateway.dialects import invocations
from gateway.errors import JsonApi
from gateway.inference import Inference
from gateway.limits import PartnerLimiter
from gateway.model_statistics import ModelStatistics
from gateway.request_context import RequestClock
from gateway.resources.dialect import RequestCall, add_dialects
from gateway.resources.exchange import Exchange
from gateway.shadow import Shadowing
from gateway.web import GatewayFlask
from model import ServedModels

DIALECT = replace(invocations.DIALECT, endpoints=(invocations.INVOCATIONS, invocations.PING))
NEEDS = {f"{DIALECT.name}.{endpoint.name}": endpoint.needs for endpoint in DIALECT.endpoints}
_ROW_ENDPOINTS = {f"{DIALECT.name}.{each.name}" for each in DIALECT.endpoints if each.takes_rows}


def create_sagemaker_app(  # noqa: PLR0913, PLR0917  # What the app is made of, each part once.
    settings: Settings,
    watcher: SnapshotWatcher,
    models: ServedModels,
    partner_limiter: PartnerLimiter,
    ready: Callable[[], bool],
    statistics: ModelStatistics,
    shadowing: Shadowing | None = None,
) -> Flask:
    """The WSGI app that acts as the partner `settings.sagemaker.partner`.

    Args: as of `gateway.app.create_app`.
    """
    app = GatewayFlask("gateway")
    app.config["MAX_CONTENT_LENGTH"] = settings.server.max_body_bytes

    admission = Admission(partner_limiter, free_endpoints=(), row_endpoints=_ROW_ENDPOINTS)
    inference = Inference(
        models,
        admission,
        DeadlineRunner(settings.server.max_abandoned_predictions),
        default_model=settings.models.default,
        statistics=statistics,
        shadowing=shadowing,
    )
    door = CloudDoor(
        watcher,
        settings.sagemaker.partner,
        settings.auth.refuse_tokens_after_s,
        NEEDS,
        inference.default_model_name,
    )
    clock = RequestClock(
        deadline_s=settings.server.request_deadline_s, max_wait_s=settings.server.max_wait_s
    )

    # As in `gateway.app`, but for the second step.
    app.before_request(clock.begin_request)
    app.before_request(door.admit)
    app.before_request(admission.refuse_exhausted)
    app.before_request(door.authorize)

    exchange = Exchange(json_parser(settings.server), body_caps(settings.server))
    add_dialects(JsonApi(app), partial(RequestCall, inference, exchange, ready), [DIALECT])

    finish_requests(app, clock, admission)
    return app
