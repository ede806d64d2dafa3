"""Flask, without what the gateway has no use for on each request."""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from flask import Flask, Request, Response
from werkzeug.datastructures import Headers
from werkzeug.routing import MapAdapter

_REMEMBERED_ROUTES = 1024
# Longer ones are of no model and no partner.
_REMEMBERED_CHARS = 300

# Werkzeug makes absolute addresses of these.
_CORRECTED = frozenset({"location", "content-location"})

Route = tuple[Any, dict[str, Any]]


def add_fields(response: Response, fields: Iterable[tuple[str, str]]) -> None:
    """Add fields that the answer does not have yet, and that are fit to be sent.

    Setting them looks through all others for each: for 14 of them that took 8 % of a call.
    """
    response.headers._list.extend(fields)


def field(response: Response, name: str) -> str | None:
    """The first of an answer's fields of this name, in small letters; Werkzeug takes 4 µs."""
    return next((value for own, value in response.headers._list if own.lower() == name), None)


class GatewayResponse(Response):
    """An answer whose fields are sent as they are, if nothing is to be corrected in them."""

    def get_wsgi_headers(self, environ: Any) -> Headers:
        # Werkzeug copies them one by one, and looks at each anew: 3 % of a call.
        names = {name.lower() for name, _ in self.headers._list}
        if "content-length" in names and names.isdisjoint(_CORRECTED) and self.status_code == 200:
            return self.headers
        return super().get_wsgi_headers(environ)


class GatewayFlask(Flask):
    """Flask that knows where it was called before, and that nothing in it is asynchronous."""

    def __init__(self, name: str) -> None:
        super().__init__(name, static_folder=None)
        self.response_class = GatewayResponse
        # Merging slashes would redirect, to whatever host the caller named.
        self.url_map.merge_slashes = False
        self._routes: dict[tuple[str, ...], Route] = {}

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        # No function here is a coroutine: asking each of ten, on every request, took 3 % of it.
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        if request is None:
            return super().create_url_adapter(request)
        make = super().create_url_adapter
        return _Adapter(lambda: make(request), self._routes, request)  # type: ignore[return-value]


class _Adapter:
    """Remembers what a path led to: looking it up anew takes 7 % of a call.

    What leads nowhere is not remembered, so callers fill the memory with paths of ours only.
    """

    def __init__(
        self, make: Callable[[], Any], routes: dict[tuple[str, ...], Route], request: Request
    ) -> None:
        environ = request.environ
        self._make = make
        self._routes = routes
        self._key = environ.get("HTTP_HOST", ""), request.method, request.path

    def match(self, *args: Any, **kwargs: Any) -> Route:
        known = self._routes.get(self._key)
        if known is None:
            known = self._matcher.match(*args, **kwargs)
            self._remember(known)
        rule, view_args = known
        return rule, view_args.copy()

    def _remember(self, route: Route) -> None:
        if sum(map(len, self._key)) <= _REMEMBERED_CHARS:
            if len(self._routes) >= _REMEMBERED_ROUTES:
                self._routes.clear()
            self._routes[self._key] = route

    @cached_property
    def _matcher(self) -> Any:
        return self._make()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._matcher, name)
