"""Both apps in one process, for `make run`: convenient, and said at start, because a process that
unpickles models then also holds the private keys."""

import re
from collections.abc import Iterable
from typing import Any

import structlog

from config.settings import load_settings
from gateway.control.watcher import Ticker
from gateway.wsgi.parts import make_flask_limiter, make_watcher
from gateway.wsgi.predictions import make_predictions
from gateway.wsgi.service import Service
from gateway.wsgi.tokens import make_tokens

log = structlog.get_logger()

# As nginx tells them apart.
_TOKEN_PATHS = re.compile(r"/oauth/|/\.well-known/|/v2/repository/models/[^/]+/(load|unload)$")


def is_token_path(path: str) -> bool:
    return _TOKEN_PATHS.match(path) is not None


def joined_app() -> Service:
    """What `gateway run` serves."""
    settings = load_settings()
    watcher = make_watcher(settings)
    flask_limiter = make_flask_limiter(settings.limits)
    predictions = make_predictions(settings, watcher, flask_limiter)
    tokens = make_tokens(settings, watcher, flask_limiter)

    def route(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        app = tokens.app if is_token_path(environ["PATH_INFO"]) else predictions.app
        return app(environ, start_response)

    log.warning("models_and_private_keys_share_a_process", remedy="make stack keeps them apart")
    report = predictions.reporter(settings, "joined", watcher)
    tasks = [
        watcher.refresh,
        predictions.partners.probe,
        predictions.statistics.write,
        tokens.audit_log.write,
        report.write,
    ]
    control = Ticker(tasks, settings.control.poll_s)
    return Service(
        route,
        control,
        report,
        others=predictions.background(settings),
        renewal=predictions.renewal(settings, watcher),
    )
