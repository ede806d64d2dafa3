"""The prediction app alone. Its process holds public keys only."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from flask import Flask
from flask_limiter import Limiter

from config.settings import Settings, load_settings
from gateway.app import create_app
from gateway.control.database import HeldOpen, reading_engine, writing_engine
from gateway.control.shadow_statistics import add_shadow_statistics
from gateway.control.watcher import SnapshotWatcher, Ticker
from gateway.control.worker_status import workers_here
from gateway.limits import PartnerLimiter
from gateway.model_follower import ModelFollower
from gateway.model_signatures import signature_policy
from gateway.model_statistics import ModelStatistics
from gateway.renewal import Renewal
from gateway.shadow import Shadowing
from gateway.wsgi.parts import make_flask_limiter, make_partner_limiter, make_watcher
from gateway.wsgi.service import Background, Reporter, Service
from model import ModelStore, ServedModels

_FOLLOW_EVERY_S = 0.1


@dataclass(frozen=True)
class Predictions:
    """The app, and what its worker follows and reports."""

    app: Flask
    partners: PartnerLimiter
    follower: ModelFollower
    shadowing: Shadowing
    statistics: ModelStatistics

    def reporter(self, settings: Settings, role: str, watcher: SnapshotWatcher) -> Reporter:
        """A report with the models of this worker, and whether it counts for itself."""
        return Reporter(
            writing_engine(settings.status_url, durable=False),
            role,
            watcher,
            models=self.follower.models.states,
            in_fallback=lambda: self.partners.in_fallback,
        )

    def background(self, settings: Settings) -> list[Background]:
        """What has a thread of its own in each worker."""
        # A revocation must not wait for a large model. Looking costs nothing: it is the snapshot
        # in memory that is looked at.
        period_s = min(settings.control.poll_s, _FOLLOW_EVERY_S)
        return [Ticker([self.follower.follow], period_s), self.shadowing, self.partners]

    def renewal(self, settings: Settings, watcher: SnapshotWatcher) -> Renewal:
        """Keeps the models up to date that workers are forked with."""
        # Without a pool: no connection may cross a fork.
        engine = reading_engine(settings.status_url)
        return Renewal(watcher, self.follower, lambda: workers_here(engine, time.time()))


def app() -> Service:
    """What `gateway run --role predictions` serves."""
    settings = load_settings()
    watcher = make_watcher(settings)
    predictions = make_predictions(settings, watcher, make_flask_limiter(settings.limits))
    report = predictions.reporter(settings, "predictions", watcher)
    held = HeldOpen(reading_engine(settings.database_url))
    counted = predictions.statistics.write
    tasks = [held.hold, watcher.refresh, predictions.partners.probe, counted, report.write]
    control = Ticker(tasks, settings.control.poll_s)
    return Service(
        predictions.app,
        control,
        report,
        others=predictions.background(settings),
        renewal=predictions.renewal(settings, watcher),
    )


def make_predictions(
    settings: Settings,
    watcher: SnapshotWatcher,
    flask_limiter: Limiter,
    create: Callable[..., Flask] | None = None,
) -> Predictions:
    """The prediction app with its models loaded: before the fork, so that workers share them.

    Args:
        create: makes the app of its parts; by default the one for partners with tokens.
    """
    partners = make_partner_limiter(flask_limiter, settings.limits)
    signatures = signature_policy(settings.models)
    models = ServedModels(ModelStore(settings.models_dir, signatures=signatures))
    follower = ModelFollower(watcher, models)
    follower.follow()
    status = writing_engine(settings.status_url, durable=False)
    shadowing = Shadowing(partial(add_shadow_statistics, status))
    statistics = ModelStatistics(status)
    create = create or partial(create_app, flask_limiter=flask_limiter)
    flask_app = create(
        settings=settings,
        watcher=watcher,
        models=models,
        partner_limiter=partners,
        ready=lambda: models.ready,
        statistics=statistics,
        shadowing=shadowing,
    )
    return Predictions(flask_app, partners, follower, shadowing, statistics)
