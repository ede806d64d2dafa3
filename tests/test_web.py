"""Flask without what the gateway has no use for answers as Flask does."""

from inspect import iscoroutinefunction
from itertools import chain
from typing import Any

import pytest
from app_fixture import AppFixture
from flask import Flask, Response, request

from gateway.web import GatewayFlask, GatewayResponse, add_fields, field


def _routed(app: Flask) -> Flask:
    """With some routes, each of which says what it was called with."""

    def seen(**args: Any) -> dict[str, Any]:
        found = {"endpoint": request.endpoint, "args": dict(args)}
        # What a view does to its arguments is nobody else's.
        args.clear()
        assert request.view_args is not None
        request.view_args["used"] = "yes"
        return found

    app.url_map.merge_slashes = False
    app.add_url_rule("/things/<name>", "thing", seen, methods=["GET"])
    app.add_url_rule("/things/<name>", "made", seen, methods=["POST"])
    app.add_url_rule("/folders/", "folders", seen, methods=["GET"])
    return app


CALLS = [
    *(("GET", "/things/a"), ("POST", "/things/a"), ("HEAD", "/things/a"), ("GET", "/things/b")),
    *(("PUT", "/things/a"), ("OPTIONS", "/things/a"), ("GET", "/folders"), ("GET", "/folders/")),
    *(("GET", "/none"), ("GET", "//things/a"), ("GET", "/things/%C3%A4"), ("GET", "/things/a/")),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_path_leads_where_flask_says_each_time(method: str, path: str) -> None:
    """Found, redirected or refused: the first time and when it is remembered."""
    flask = _routed(Flask("plain")).test_client()
    ours = _routed(GatewayFlask("ours")).test_client()
    for _ in range(3):
        expected, answer = (client.open(path, method=method) for client in (flask, ours))

        assert answer.status_code == expected.status_code
        assert answer.data == expected.data
        assert sorted(answer.headers) == sorted(expected.headers)


def test_only_what_was_found_is_remembered() -> None:
    """Callers cannot fill the memory with paths that lead nowhere, or with long ones."""
    app = _routed(GatewayFlask("ours"))
    client = app.test_client()
    for path in ("/none", "/folders", f"/things/{'x' * 300}", "/things/a"):
        client.get(path)

    assert [key[2] for key in app._routes] == ["/things/a"]


def test_the_memory_of_paths_has_an_end() -> None:
    """A caller who may name things freely takes no more than a thousand places."""
    app = _routed(GatewayFlask("ours"))
    client = app.test_client()
    for number in range(1100):
        assert client.get(f"/things/{number}").json == {
            "endpoint": "thing",
            "args": {"name": str(number)},
        }

    assert len(app._routes) <= 1024


@pytest.mark.parametrize("status", [200, 201, 204, 302, 304, 404])
@pytest.mark.parametrize("headers", [{}, {"Location": "/ä"}, {"Content-Location": "/ä"}], ids=str)
@pytest.mark.parametrize("streamed", [False, True])
def test_fields_are_sent_as_werkzeug_sends_them(
    status: int, headers: dict[str, str], streamed: bool
) -> None:
    """Addresses are corrected, and no answer without a body has its length."""
    body: Any = iter([b"a", b"b"]) if streamed else b"ab"
    environ = {"HTTP_HOST": "localhost", "wsgi.url_scheme": "https", "REQUEST_METHOD": "GET"}
    ours, plain = (kind(body, status, headers) for kind in (GatewayResponse, Response))

    assert sorted(ours.get_wsgi_headers(environ)) == sorted(plain.get_wsgi_headers(environ))


def test_added_fields_are_found() -> None:
    """By any case of their names; the first of several; None where there is none."""
    response = Response()
    add_fields(response, [("X-One", "1"), ("X-one", "2")])

    assert field(response, "x-one") == "1"
    assert field(response, "x-two") is None
    assert response.headers.getlist("X-ONE") == ["1", "2"]


def test_nothing_in_the_app_is_asynchronous(shared_gateway: AppFixture) -> None:
    """Flask would have to run it in a loop of its own; it is told that nothing is."""
    app = shared_gateway.app
    hooks = chain(*app.before_request_funcs.values(), *app.after_request_funcs.values())

    assert isinstance(app, GatewayFlask)
    assert not any(map(iscoroutinefunction, chain(hooks, app.view_functions.values())))
