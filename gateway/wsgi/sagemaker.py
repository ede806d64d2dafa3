"""The app of a SageMaker container alone. Its process holds no key at all."""

import structlog

from config.settings import InvalidSettings, load_settings
from gateway.control.watcher import Ticker
from gateway.sagemaker_app import create_sagemaker_app
from gateway.wsgi.parts import make_flask_limiter, make_watcher
from gateway.wsgi.predictions import make_predictions
from gateway.wsgi.service import Service

log = structlog.get_logger()


def sagemaker_app() -> Service:
    """What `gateway serve` serves, and nothing else does.

    Raises: InvalidSettings, where no partner is named.
    """
    settings = load_settings()
    if not settings.sagemaker.partner:
        raise InvalidSettings(["sagemaker.partner names nobody to answer calls without a token as"])
    watcher = make_watcher(settings)
    predictions = make_predictions(
        settings, watcher, make_flask_limiter(settings.limits), create_sagemaker_app
    )
    log.warning("requests_need_no_token", partner=settings.sagemaker.partner)
    report = predictions.reporter(settings, "sagemaker", watcher)
    tasks = [watcher.refresh, predictions.partners.probe, report.write]
    return Service(
        predictions.app,
        Ticker(tasks, settings.control.poll_s),
        report,
        others=predictions.background(settings),
        renewal=predictions.renewal(settings, watcher),
    )
