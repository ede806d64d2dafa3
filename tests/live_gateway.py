"""Both apps behind a real socket in this process, as one sync worker would serve them."""

import io
import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app_fixture import AppFixture
from control_fixtures import KnownPartner, make_repository
from flask import Flask, Response
from flask_limiter import Limiter
from werkzeug.serving import WSGIRequestHandler, make_server

from gateway.token_app import create_token_app

_TOKEN_PATHS = ("/oauth/", "/.well-known/")


@dataclass(frozen=True)
class Call:
    """One call that came in, and the status it got."""

    method: str
    path: str
    content_type: str
    coding: str
    status: int


@dataclass
class LiveGateway:
    """A gateway to be called over HTTP.

    Attributes:
        calls: all there were, in order.
        interfere: answers to calls with rows that never reach the gateway, first come first served.
        before: called with the path before each call with rows.
    """

    gateway: AppFixture
    url: str
    calls: list[Call] = field(default_factory=list)
    interfere: deque[Response] = field(default_factory=deque)
    before: Callable[[str], None] = lambda _path: None

    def predict_calls(self) -> list[Call]:
        return [call for call in self.calls if call.path.endswith("/predict")]

    def credentials(self, file: Path, partner: KnownPartner | None = None) -> Path:
        """A credentials file of a partner, `acme` unless told otherwise."""
        known = partner or self.gateway.control.partner
        document = {
            "client_id": known.client_id,
            "client_secret": known.secret,
            "base_url": self.url,
        }
        file.write_text(json.dumps(document))
        file.chmod(0o600)
        return file

    def wsgi(self, tokens: Flask) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
        def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            path = environ["PATH_INFO"]
            # As behind Gunicorn, the body ends where it ends: Werkzeug's would wait for more.
            length = int(environ.get("CONTENT_LENGTH") or 0)
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))
            response = self._answer(tokens, path, environ)
            self.calls.append(
                Call(
                    environ["REQUEST_METHOD"],
                    path,
                    environ.get("CONTENT_TYPE", ""),
                    environ.get("HTTP_CONTENT_ENCODING", ""),
                    response.status_code,
                )
            )
            return response(environ, start_response)

        return app

    def _answer(self, tokens: Flask, path: str, environ: dict[str, Any]) -> Response:
        if path.startswith(_TOKEN_PATHS):
            return Response.from_app(tokens, environ, buffered=True)
        if path.endswith("/predict"):
            self.before(path)
            if self.interfere:
                return self.interfere.popleft()
        return Response.from_app(self.gateway.app, environ, buffered=True)


class _Quiet(WSGIRequestHandler):
    def log(self, _type: str, _message: str, *_args: Any) -> None:
        """Nothing: the apps log for themselves."""


@contextmanager
def live(gateway: AppFixture) -> Iterator[LiveGateway]:
    """Serve a gateway on a free port of the loopback, one call at a time."""
    limiter = Limiter(lambda: "", storage_uri="memory://", strategy="fixed-window")
    limiter.init_app(Flask("limits"))
    control = gateway.control
    tokens = create_token_app(
        control.settings,
        control.watcher,
        control.store,
        limiter,
        control.pepper,
        make_repository(control),
    )
    served = LiveGateway(gateway, "")
    server = make_server("127.0.0.1", 0, served.wsgi(tokens), request_handler=_Quiet)
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
