"""What a request carries: whom its headers are believed from, its time, its one closing event."""

import time
from io import BytesIO
from typing import Any

import pytest
from app_fixture import AppFixture, make_app
from fakes import MoodyEstimator, wine_classifier
from flask import Request
from structlog.testing import capture_logs

from config.logging import render
from gateway.request_context import RequestContext

ROW = [13.0] * 13
PREDICT = "/v1/models/wine/predict"
GIVEN_ID = "0123456789abcdef" * 2
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
# An empty peer address is that of the proxy's unix socket.
PROXY = {"REMOTE_ADDR": ""}
EVENT_ALWAYS = {
    "event", "log_level", "request_id", "trace_id", "method", "route", "status",
    "bytes_in", "bytes_out", "client_address", "duration_ms",
}  # fmt: skip
EVENT_OF_A_PREDICTION = EVENT_ALWAYS | {
    "partner", "client_id", "key_id", "jti", "model", "version", "rows",
    "auth_ms", "decode_ms", "validate_ms", "limits_ms", "predict_ms", "encode_ms",
}  # fmt: skip


def closing(events: list[Any]) -> dict[str, Any]:
    """The one closing event of one request."""
    (event,) = [event for event in events if event["event"] == "request_finished"]
    return dict(event)


def ask(gateway: AppFixture, environ: dict[str, str], **headers: str) -> tuple[Any, Any]:
    with capture_logs() as events:
        response = gateway.client.get(
            "/v1/models", headers={**gateway.bearer(), **headers}, environ_base=environ
        )
    return response, closing(events)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> AppFixture:
    """With half a minute of room on both sides of its limit, on however busy a machine."""
    server = {"request_deadline_s": 120.0, "max_wait_s": 60.0}
    return make_app(tmp_path_factory.mktemp("patient"), server=server)


@pytest.mark.parametrize(("peer", "believed"), [("", True), ("127.0.0.1", False), ("::1", False)])
def test_only_the_proxys_word_counts(patient: AppFixture, peer: str, believed: bool) -> None:
    """SEC-54, SEC-75: request id, address and waiting are the proxy's, or are not believed."""
    headers = {
        "X-Request-ID": GIVEN_ID,
        "X-Real-IP": "192.0.2.7",
        "X-Forwarded-For": "192.0.2.8",
        "X-Request-Start": f"t={time.time() - (1 if believed else 90):.3f}",
    }
    response, event = ask(patient, {"REMOTE_ADDR": peer}, **headers)

    assert response.status_code == 200
    assert (response.headers["X-Request-ID"] == GIVEN_ID) == believed
    assert event["request_id"] == response.headers["X-Request-ID"]
    assert event["client_address"] == ("192.0.2.7" if believed else peer)


@pytest.mark.parametrize(
    "given", ["", "x", GIVEN_ID.upper(), GIVEN_ID + "0", GIVEN_ID[:-1] + "\u2028", "-" * 32]
)
def test_a_malformed_request_id_is_replaced(shared_gateway: AppFixture, given: str) -> None:
    """SEC-83, SEC-85: an id is 128 bits in hex, or it is ours."""
    response = shared_gateway.send(
        "/livez", {**PROXY, "HTTP_X_REQUEST_ID": given.encode().decode("latin-1")}
    )
    request_id = response.headers["X-Request-ID"]

    assert request_id != given
    assert len(request_id) == 32
    assert int(request_id, 16)


@pytest.mark.parametrize(
    ("waited_s", "status"), [(0.0, 200), (30.0, 200), (61.0, 503), (9e8, 503), (-60.0, 200)]
)
def test_who_waited_too_long_is_refused(patient: AppFixture, waited_s: float, status: int) -> None:
    """Beyond max_wait_s a request is refused at once, before its token is looked at."""
    started = {"X-Request-Start": f"t={time.time() - waited_s:.3f}"}
    response, event = ask(patient, PROXY, **started)

    assert response.status_code == status
    if status == 503:
        assert response.json["code"] == "overloaded"
        assert response.headers["Retry-After"] == "1"
        assert event["waited_ms"] >= 61_000
        assert "auth_ms" not in event


@pytest.mark.parametrize("start", ["", "t=", "t=x", "1", "t=1", "t=nan", "t=1e9", "t=-1.000"])
def test_a_malformed_start_is_no_start(shared_gateway: AppFixture, start: str) -> None:
    """Only the proxy's own form is a time."""
    assert ask(shared_gateway, PROXY, **{"X-Request-Start": start})[0].status_code == 200


def test_waiting_counts_towards_the_deadline() -> None:
    """What was spent waiting is not left for the prediction."""
    started = {"HTTP_X_REQUEST_START": f"t={time.time() - 4:.3f}"}
    proxied = RequestContext(Request({**PROXY, **started}), deadline_s=10)
    direct = RequestContext(Request({"REMOTE_ADDR": "127.0.0.1", **started}), deadline_s=10)

    assert 0 < proxied.remaining_s() <= 6.001
    assert 6.001 < direct.remaining_s() <= 10


@pytest.mark.parametrize(
    ("traceparent", "trace_id"),
    [
        (f"00-{TRACE}-{PARENT}-01", TRACE),
        (f"cc-{TRACE}-{PARENT}-00", TRACE),
        (f"ff-{TRACE}-{PARENT}-01", None),
        (f"00-{'0' * 32}-{PARENT}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{PARENT}-01", None),
        (f"00-{TRACE}-{PARENT}", None),
        (f"00-{TRACE}-{PARENT}-01-", None),
        ("canary", None),
    ],
)
def test_a_trace_is_continued_if_it_is_one(
    shared_gateway: AppFixture, traceparent: str, trace_id: str | None
) -> None:
    """SEC-85: W3C Trace Context, or a trace of our own under the request's id."""
    _, event = ask(shared_gateway, PROXY, traceparent=traceparent)

    assert event["trace_id"] == (trace_id or event["request_id"])


def test_a_prediction_is_one_event_with_its_phases(shared_gateway: AppFixture) -> None:
    """Who, what, how much and how long; nothing else, and nothing twice."""
    with capture_logs() as events:
        response = shared_gateway.predict([ROW] * 3)
    event = closing(events)

    assert len(events) == 1
    assert set(event) == EVENT_OF_A_PREDICTION
    assert event["route"] == "/v1/models/<model_name:model_name>/predict"
    assert (event["model"], event["version"], event["rows"]) == ("wine", "1", 3)
    assert event["bytes_out"] == len(response.data)
    assert event["bytes_in"] == int(response.request.headers["Content-Length"])
    phases = sum(value for name, value in event.items() if name.endswith("_ms")) / 2
    assert 0 < phases <= event["duration_ms"]


def test_a_refusal_is_one_event_with_its_code(shared_gateway: AppFixture) -> None:
    """A 422 has its fault codes; a 403 the scope; a path that is none has no path."""
    with capture_logs() as events:
        shared_gateway.predict([["x", *ROW[1:]], [None, *ROW[1:]]])
        shared_gateway.predict([ROW], headers=shared_gateway.bearer(scope=""))
        shared_gateway.client.get("/canary?canary=1", headers=shared_gateway.bearer())
    invalid, forbidden, unmatched = events

    assert invalid["fault_codes"] == ["missing_value", "string_value"]
    assert forbidden["required_scope"] == "model:wine:predict"
    assert unmatched["route"] == "unmatched"
    assert [event["code"] for event in events] == [
        "invalid_input",
        "insufficient_scope",
        "not_found",
    ]


def test_probes_are_worth_a_line_when_they_fail(gateway: AppFixture) -> None:
    """They come every few seconds for ever."""
    with capture_logs() as events:
        gateway.client.get("/livez")
        gateway.client.get("/readyz")
    gateway.models.apply({})
    with capture_logs() as failures:
        gateway.client.get("/readyz")

    assert events == []
    assert closing(failures)["code"] == "not_ready"
    assert closing(failures)["log_level"] == "error"


CANARY = "canary71canary71"
NUMBER = 7171717171.5


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> AppFixture:
    models = {"wine": wine_classifier(), "moody": MoodyEstimator()}
    limits = {"failed_authentications_per_address": "1000000/minute"}
    return make_app(tmp_path_factory.mktemp("watched"), models=models, limits=limits)


@pytest.mark.parametrize(
    ("path", "options"),
    [
        (PREDICT, {"json": [[CANARY, *ROW[1:]]]}),
        (PREDICT, {"json": [[NUMBER, *ROW[1:]], [NUMBER]]}),
        (PREDICT, {"json": {"rows": [{CANARY: NUMBER}]}}),
        (PREDICT, {"json": {CANARY: NUMBER}}),
        (PREDICT, {"data": f"[[{CANARY}]]", "content_type": "application/json"}),
        (PREDICT, {"json": [ROW], "query_string": {CANARY: CANARY}}),
        (PREDICT, {"data": CANARY, "content_type": f"text/{CANARY}"}),
        ("/v1/models/moody/predict", {"json": [[NUMBER, 1]]}),
        (f"/v1/models/wine/versions/{CANARY}/predict", {"json": [ROW]}),
        (f"/{CANARY}\u2028\x1b[31m\r\n", {}),
        (PREDICT, {"headers": {"Authorization": f"Bearer {CANARY}.{CANARY}.{CANARY}"}}),
        (PREDICT, {"headers": {"Authorization": f"Basic {CANARY}"}}),
        (PREDICT, {"headers": {"Authorization": f"Bearer {CANARY}, Bearer {CANARY}"}}),
        (PREDICT, {"query_string": {"access_token": CANARY}}),
        (PREDICT, {"method": CANARY.upper()}),
        (PREDICT, {"json": [ROW], "headers": {"Accept": CANARY, "User-Agent": CANARY}}),
        (PREDICT, {"json": [ROW], "headers": {"Content-Encoding": CANARY, "Cookie": CANARY}}),
        (PREDICT, {"json": [ROW], "headers": {"X-Request-ID": CANARY, "traceparent": CANARY}}),
        (PREDICT, {"json": [ROW], "headers": {"X-Request-Start": CANARY, "X-Real-IP": CANARY}}),
    ],
)  # fmt: skip
def test_nothing_of_a_request_is_logged(
    watched: AppFixture, path: str, options: dict[str, Any]
) -> None:
    """SEC-82, SEC-83: tokens, values and names sent in any position appear in no event."""
    token = watched.token()
    headers = {"Authorization": f"Bearer {token}", **options.get("headers", {})}
    with capture_logs() as events:
        watched.client.open(path, **{"method": "POST", **options, "headers": headers})
    lines = b"\n".join(render(None, "", {**event}) for event in events).decode()

    assert closing(events)
    for secret in (CANARY, CANARY.upper(), "7171717171", token, token.rpartition(".")[2]):
        assert secret not in lines
    assert lines.count("\n") == len(events) - 1


class Body(BytesIO):
    """A body that breaks off, if it shall, with an error that quotes it."""

    def __init__(self, content: bytes, *, breaks: bool) -> None:
        super().__init__(content)
        self.breaks = breaks

    def read(self, size: int | None = -1, /) -> bytes:
        if self.breaks:
            raise OSError(CANARY)
        return super().read(size)


@pytest.mark.parametrize("breaks", [False, True])
@pytest.mark.parametrize("path", [PREDICT, "/nothing", "/v1/models"])
def test_an_unread_body_is_drained(shared_gateway: AppFixture, path: str, breaks: bool) -> None:
    """A refusal reaches a caller that is still sending, and its event is written in any case."""
    body = Body(b"x" * 3_000_000, breaks=breaks)
    environ = {"wsgi.input": body, "CONTENT_LENGTH": "3000000"}
    with capture_logs() as events:
        response = shared_gateway.send(path, environ, method="POST")

    assert response.status_code == closing(events)["status"] == 401
    assert len(events) == 1
    assert (body.tell() == 3_000_000) != breaks
    assert CANARY not in str(events)
