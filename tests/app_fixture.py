"""The real prediction app in this process: real store, keys, models and memory limits."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jwt
from control_fixtures import ControlFixture, make_control_store
from fakes import save_artifact, wine_classifier
from flask import Flask, Response
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, TestResponse

from gateway.app import create_app
from gateway.control.database import writing_engine
from gateway.control.shadow_statistics import add_shadow_statistics
from gateway.control.status_database import create_status_database
from gateway.limits import MemoryLimits, PartnerLimiter
from gateway.model_follower import ModelFollower
from gateway.model_statistics import ModelStatistics
from gateway.shadow import Shadowing
from gateway.wsgi.parts import make_flask_limiter
from model import ModelStore, ServedModels

_AN_HOUR_BEGINS = 3600.0 * 1000


class FinishingClient(FlaskClient):
    """Returns when what a request does after its answer is done, as a server does."""

    def open(self, *args: Any, buffered: bool = True, **options: Any) -> TestResponse:
        return super().open(*args, buffered=buffered, **options)


@dataclass(frozen=True)
class AppFixture:
    """What `make_app` made. `client` sends requests; `token` signs as the token service does."""

    control: ControlFixture
    app: Flask
    client: FlaskClient
    models: ServedModels
    limiter: PartnerLimiter
    follower: ModelFollower
    shadowing: Shadowing
    statistics: ModelStatistics

    def add_model(self, name: str, estimator: object, model_toml: str = "") -> None:
        """Add an estimator as version 1 and bring it into service."""
        add_model(self.control, name, estimator, model_toml)
        self.refresh()

    def predict(
        self,
        body: Any,
        path: str = "/v1/models/wine/predict",
        *,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> TestResponse:
        """Post a body as JSON with a valid token, or with an Authorization of the headers'."""
        return self.client.post(
            path, json=body, headers={**self.bearer(), **(headers or {})}, **options
        )

    def send(self, path: str, environ: Mapping[str, Any], **options: Any) -> Response:
        """A request with members of its WSGI environment set, or left out where they are None."""
        given = {**EnvironBuilder(path, **options).get_environ(), **environ}
        kept = {name: value for name, value in given.items() if value is not None}
        return Response.from_app(self.app, kept, buffered=True)

    def refresh(self) -> None:
        """What the background thread of a worker does each second."""
        self.control.watcher.refresh()
        self.follower.follow()

    def token(
        self,
        *,
        header: Mapping[str, Any] | None = None,
        without: tuple[str, ...] = (),
        key: Any = None,
        **claims: Any,
    ) -> str:
        """A token of partner `acme`, valid but for what the arguments change.

        Args:
            header: members to set; None as a value leaves one out.
            without: claims to leave out.
            key: a private key object other than the gateway's.
            claims: claims to set.
        """
        now = int(time.time())
        signing_key = self.control.signing_key
        settings = self.control.settings
        payload: dict[str, Any] = {
            "iss": settings.issuer,
            "sub": self.control.partner.client_id,
            "aud": settings.auth.audience,
            "client_id": self.control.partner.client_id,
            "iat": now,
            "exp": now + 600,
            "jti": f"jti-{time.perf_counter_ns()}",
            "scope": "model:*:predict model:*:read",
            **claims,
        }
        headers = {"typ": "at+jwt", "kid": signing_key.kid, **(header or {})}
        kept = {name: value for name, value in payload.items() if name not in without}
        return jwt.encode(
            kept,
            key or signing_key.private_key,
            algorithm=headers.pop("alg", signing_key.algorithm),
            headers=headers,
        )

    def bearer(self, **kwargs: Any) -> dict[str, str]:
        """Header fields with such a token."""
        return {"Authorization": f"Bearer {self.token(**kwargs)}"}


def make_app(
    folder: Path,
    *,
    models: Mapping[str, object] | None = None,
    default_model: str = "",
    clock: Callable[[], float] = lambda: _AN_HOUR_BEGINS,
    **settings: Any,
) -> AppFixture:
    """Build the prediction app below a folder.

    Args:
        models: estimators by name; by default `wine`, a small real one.
        default_model: what `models.default` is set to.
        clock: what the limits of plans count their windows by; it stands, so that no window ends
            between two calls of a test.
        settings: overrides of sections, for example `server={"request_deadline_s": 1.0}`.
    """
    settings["models"] = {"default": default_model}
    # No thread refreshes the snapshot here, and it would grow too old in a long run.
    settings["auth"] = {"refuse_tokens_after_s": 86_400.0, **settings.get("auth", {})}
    control = make_control_store(folder, scopes=("model:*:predict", "model:*:read"), **settings)
    for name, estimator in (models or {"wine": wine_classifier()}).items():
        add_model(control, name, estimator)
    control.watcher.refresh()
    configured = control.settings
    flask_limiter = make_flask_limiter(configured.limits)
    limiter = PartnerLimiter(MemoryLimits(clock), MemoryLimits(clock), clock)
    served = ServedModels(ModelStore(configured.models_dir))
    follower = ModelFollower(control.watcher, served)
    follower.follow()
    create_status_database(configured.status_url)
    status = writing_engine(configured.status_url, durable=False)
    shadowing, statistics = (
        Shadowing(partial(add_shadow_statistics, status)),
        ModelStatistics(status),
    )
    app = create_app(
        configured,
        control.watcher,
        served,
        flask_limiter,
        limiter,
        lambda: served.ready,
        statistics,
        shadowing=shadowing,
    )
    app.test_client_class = FinishingClient
    return AppFixture(
        control, app, app.test_client(), served, limiter, follower, shadowing, statistics
    )


def add_model(control: ControlFixture, name: str, estimator: object, model_toml: str = "") -> None:
    """Add an estimator to the store as version 1, and promote it."""
    source = save_artifact(control.settings.data_dir / "sources" / name, estimator, model_toml)
    add_folder(control, name, source)


def add_folder(control: ControlFixture, name: str, source: Path) -> None:
    """Add a model folder to the store as version 1, and promote it."""
    add_version(control, name, "1", source)
    control.store.promote_model(name, "1", 0)


def add_version(control: ControlFixture, name: str, version: str, source: Path) -> None:
    """Add a model folder to the store as a version that does not serve yet."""
    manifest = ModelStore(control.settings.models_dir).add(
        source, name, version, "test", trust=True
    )
    control.store.add_model_version(name, version, manifest.digest)
