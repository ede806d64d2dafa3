"""The token service through its own app: real store, real keys, counts in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jwt
from control_fixtures import ControlFixture, make_repository
from flask import Flask
from flask.testing import FlaskClient
from flask_limiter import Limiter
from sqlalchemy import select
from structlog.testing import capture_logs

from gateway.control.database import writing_engine
from gateway.control.store import ControlStore
from gateway.control.tables import revocations
from gateway.token_app import create_token_app

LOGGED = "The failure has been logged under this request id."
GRANT = {"grant_type": "client_credentials"}
FORM = "application/x-www-form-urlencoded"


@dataclass
class Service:
    """The token service with its control store, as its callers see it."""

    control: ControlFixture
    client: FlaskClient

    def ask(self, form: Any = None, *, auth: Any = None, **options: Any) -> Any:
        """A token request; by the partner `acme` unless told otherwise."""
        data = GRANT if form is None else form
        return self.post("/oauth/token", data, auth, options)

    def revoke(self, form: Any, *, auth: Any = None, **options: Any) -> Any:
        return self.post("/oauth/revoke", form, auth, options)

    def post(self, path: str, data: Any, auth: Any, options: dict[str, Any]) -> Any:
        options.setdefault("content_type", FORM)
        # Buffered, so that what runs after the answer has run when this returns.
        return self.client.post(
            path, data=data, auth=auth or self.credentials(), buffered=True, **options
        )

    def credentials(self) -> tuple[str, str]:
        return self.control.partner.client_id, self.control.partner.secret

    def token(self, **options: Any) -> str:
        return str(self.ask(**options).json["access_token"])

    def claims(self, token: str) -> dict[str, Any]:
        """Verify a token the way an outsider would: by the published keys and metadata."""
        metadata = self.client.get("/.well-known/oauth-authorization-server").json
        published = jwt.PyJWKSet.from_dict(self.client.get("/.well-known/jwks.json").json)
        key = published[jwt.get_unverified_header(token)["kid"]]
        return jwt.decode(
            token,
            key,
            algorithms=["EdDSA"],
            audience="model-gateway",
            issuer=metadata["issuer"],
            options={"require": ["iss", "sub", "aud", "exp", "iat", "jti"]},
        )


def make_limiter(uri: str = "memory://", **options: Any) -> Limiter:
    limiter = Limiter(lambda: "", storage_uri=uri, strategy="fixed-window", storage_options=options)
    limiter.init_app(Flask("limits"))
    return limiter


def make_service(
    control: ControlFixture,
    *,
    store: ControlStore | None = None,
    limiter: Limiter | None = None,
    pepper: Any = b"",
) -> Service:
    app = create_token_app(
        control.settings,
        control.watcher,
        store or control.store,
        limiter or make_limiter(),
        control.pepper if pepper == b"" else pepper,
        make_repository(control),
    )
    return Service(control, app.test_client())


@contextmanager
def closing_event() -> Iterator[dict[str, Any]]:
    """The facts of the one request made inside, there when it is over."""
    facts: dict[str, Any] = {}
    with capture_logs() as events:
        yield facts
    [event] = [event for event in events if event["event"] == "request_finished"]
    facts.update(event)


def revoked(control: ControlFixture) -> list[Any]:
    engine = writing_engine(control.settings.database_url)
    with engine.connect() as connection:
        rows = list(connection.execute(select(revocations)))
    engine.dispose()
    return rows
