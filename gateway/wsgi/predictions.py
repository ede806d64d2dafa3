"""The prediction app alone. Its process holds public keys only."""

from dataclasses import dataclass

from flask import Flask
from flask_limiter import Limiter

from config.settings import Settings, load_settings
from gateway.app import create_app
from gateway.control.database import writing_engine
from gateway.control.watcher import SnapshotWatcher, Ticker
from gateway.limits import PartnerLimiter
from gateway.model_follower import ModelFollower
from gateway.wsgi.parts import make_flask_limiter, make_partner_limiter, make_watcher
from gateway.wsgi.service import Reporter, Service
from model import ModelStore, ServedModels


@dataclass(frozen=True)
class Predictions:
    """The app, and what its worker follows and reports."""

    app: Flask
    partners: PartnerLimiter
    follower: ModelFollower

    def reporter(self, settings: Settings, role: str, watcher: SnapshotWatcher) -> Reporter:
        """A report with the models of this worker, and whether it counts for itself."""
        return Reporter(
            writing_engine(settings.status_url, durable=False),
            role,
            watcher,
            models=self.follower.models.states,
            in_fallback=lambda: self.partners.in_fallback,
        )

    def ticker(self, settings: Settings) -> Ticker:
        """Loads models in a thread of its own: a revocation must not wait for a large one."""
        return Ticker([self.follower.follow], settings.control.poll_s)


def app() -> Service:
    """What `gateway run --role predictions` serves."""
    settings = load_settings()
    watcher = make_watcher(settings)
    predictions = make_predictions(settings, watcher, make_flask_limiter(settings.limits))
    report = predictions.reporter(settings, "predictions", watcher)
    tasks = [watcher.refresh, predictions.partners.probe, report.write]
    control = Ticker(tasks, settings.control.poll_s)
    return Service(predictions.app, control, report, others=[predictions.ticker(settings)])


def make_predictions(
    settings: Settings, watcher: SnapshotWatcher, flask_limiter: Limiter
) -> Predictions:
    """The prediction app with its models loaded: before the fork, so that workers share them."""
    partners = make_partner_limiter(flask_limiter, settings.limits)
    models = ServedModels(ModelStore(settings.models_dir))
    follower = ModelFollower(watcher, models)
    follower.follow()
    flask_app = create_app(settings, watcher, models, flask_limiter, partners, lambda: models.ready)
    return Predictions(flask_app, partners, follower)
