"""Seldon v1 through the whole pipeline: its messages, its places, its refusals."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from app_fixture import AppFixture, make_app
from components import serve_talkative
from fakes import MoodyEstimator
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_wine
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from gateway.dialects.seldon_message import MOST_META_BYTES
from gateway.dialects.seldon_meta import Meta
from gateway.dialects.seldon_reply import answer
from gateway.wire.tensor_proto import from_tensor_proto, to_tensor_proto
from model import Contract, Output, Prediction

WINE = load_wine()
NAMES = list(WINE.feature_names)
ROWS = WINE.data[::60].tolist()
PREDICT = "/api/v1.0/predictions"
FEEDBACK = "/api/v1.0/feedback"


@pytest.fixture(scope="module")
def own(shared_gateway: AppFixture) -> Any:
    """What our own path answers."""
    return shared_gateway.predict(ROWS).json


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> AppFixture:
    """A class that does what its first value says, and an estimator that raises with values."""
    gateway = make_app(tmp_path_factory.mktemp("strange"), models={"moody": MoodyEstimator()})
    serve_talkative(gateway)
    return gateway


def message(response: TestResponse) -> Any:
    """The answer's message; nothing in it has a name that protobuf's parser would not know."""
    body = response.json
    status = body.get("status", {})
    meta = {"puid", "tags", "routing", "requestPath", "metrics"}

    assert response.content_type == "application/json"
    assert body.keys() <= {"meta", "status", "data", "binData", "strData", "jsonData"}
    assert body["meta"].keys() <= meta
    assert status.keys() <= {"code", "info", "reason", "status"}
    return body


def refused(response: TestResponse, status: int, code: str) -> Any:
    """The failure's message, complete, with our code in its header."""
    body = message(response)

    assert response.status_code == status, body
    assert response.headers["Gateway-Error-Code"] == code
    assert body["meta"]["tags"]["code"] == code
    assert body["meta"]["tags"]["request_id"] == response.headers["X-Request-ID"]
    assert body["status"]["status"] == 1
    assert body["status"]["code"] == -1
    assert body["status"]["info"]
    reason = "INTERNAL_ERROR" if status >= 500 else "BAD_DATA"
    assert body["status"]["reason"] == f"MICROSERVICE_{reason}"
    return body


# Where it is asked

PATHS = [
    f"{prefix}/api/{version}/predictions"
    for prefix in ("", "/seldon/wine", "/seldon/models/wine")
    for version in ("v1.0", "v0.1")
]


@pytest.mark.parametrize("path", PATHS)
def test_predicts_at_each_of_seldons_paths(shared_gateway: AppFixture, own: Any, path: str) -> None:
    """With and without a deployment, of both versions: the model's probabilities."""
    body = message(shared_gateway.predict({"data": {"ndarray": ROWS}}, path))

    assert body["data"] == {"names": ["0", "1", "2"], "ndarray": own["probabilities"]}
    assert body["meta"]["requestPath"] == {"wine": "wine:1"}


def test_probes_need_no_token(shared_gateway: AppFixture) -> None:
    """The wrapper's word, and a readiness that says nothing of models."""
    for path, said in (("/health/ping", "pong"), ("/live", "pong"), ("/ready", "ready")):
        response = shared_gateway.client.get(path)

        assert (response.status_code, response.text) == (200, said)
        assert response.content_type == "text/plain; charset=utf-8"


def test_not_ready_is_503(tmp_path: Path) -> None:
    """A status that probes judge by, in Seldon's shape."""
    gateway = make_app(tmp_path)
    gateway.models.apply({})

    refused(gateway.client.get("/ready"), 503, "not_ready")
    assert gateway.client.get("/live").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/health/status",
        "/api/v1.0/health/status",
        "/api/v1.0/status",
        "/api/v1.0/status/wine",
        "/seldon/models/wine/api/v1.0/health/status",
        "/seldon/wine/health/status",
    ],
)
def test_status_is_a_message(shared_gateway: AppFixture, path: str) -> None:
    """It needs a token, and names the version that serves."""
    response = shared_gateway.client.get(path, headers=shared_gateway.bearer())

    assert message(response)["strData"] == "wine serves version 1"
    assert shared_gateway.client.get(path).status_code == 401


@pytest.mark.parametrize("end", ["ready", "live", "health/ping"])
def test_probes_of_a_deployment_need_a_token(shared_gateway: AppFixture, end: str) -> None:
    """They would tell anybody which models there are."""
    client, headers = shared_gateway.client, shared_gateway.bearer()

    refused(client.get(f"/seldon/models/wine/{end}"), 401, "unauthenticated")
    assert client.get(f"/seldon/models/wine/{end}", headers=headers).text == "ready"
    refused(client.get(f"/seldon/models/beer/{end}", headers=headers), 404, "unknown_model")


@pytest.mark.parametrize(
    "path", ["/metadata", "/api/v1.0/metadata", "/api/v1.0/metadata/wine", "/seldon/wine/metadata"]
)
def test_metadata_say_what_is_sent_and_answered(shared_gateway: AppFixture, path: str) -> None:
    """As `init_metadata` of a class would."""
    metadata = shared_gateway.client.get(path, headers=shared_gateway.bearer()).json

    assert metadata == {
        "name": "wine",
        "versions": ["1"],
        "platform": "model-gateway",
        "inputs": [{"messagetype": "tensor", "schema": {"names": NAMES, "shape": [13]}}],
        "outputs": [{"messagetype": "tensor", "schema": {"names": ["0", "1", "2"], "shape": [3]}}],
        "custom": {"description": ""},
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/api/v1.0/nothing", 404, "not_found"),
        ("GET", "/api/v9.9/predictions", 404, "not_found"),
        ("POST", "/seldon/models/wine/nothing", 404, "not_found"),
        ("POST", "/seldon/models/beer/api/v1.0/predictions", 404, "unknown_model"),
        ("GET", PREDICT, 405, "method_not_allowed"),
        ("DELETE", FEEDBACK, 405, "method_not_allowed"),
        ("POST", "/metadata", 405, "method_not_allowed"),
    ],
)
def test_paths_and_methods_that_are_not_there(
    shared_gateway: AppFixture, method: str, path: str, status: int, code: str
) -> None:
    """seldon-core 1.17.1 answers 500 to both; here 404, and 405 with Allow."""
    response = shared_gateway.client.open(path, method=method, headers=shared_gateway.bearer())

    refused(response, status, code)
    assert ("Allow" in response.headers) == (status == 405)


def test_without_a_default_model_a_deployment_must_be_named(strange: AppFixture) -> None:
    """Two models, and none of them the default."""
    refused(strange.predict({"data": {"ndarray": [[0, 1]]}}, PREDICT), 404, "unknown_model")


# Tables

TABLES: list[tuple[str, Any]] = [
    ("ndarray", ROWS),
    ("tensor", {"shape": [3, 13], "values": np.ravel(ROWS).tolist()}),
    ("tftensor", to_tensor_proto(np.array(ROWS))),
]


def table(kind: str, found: Any) -> Any:
    """The rows of any kind of table."""
    if kind == "tensor":
        return np.reshape(found["values"], found["shape"]).tolist()
    return from_tensor_proto(found).tolist() if kind == "tftensor" else found


@pytest.mark.parametrize(("kind", "sent"), TABLES, ids=[kind for kind, _ in TABLES])
def test_the_answer_is_of_the_kind_that_was_sent(
    shared_gateway: AppFixture, own: Any, kind: str, sent: Any
) -> None:
    """Also where the columns are named, in any order, and where meta has arrays of its own."""
    names = NAMES[::-1]
    turned = {
        "ndarray": [row[::-1] for row in ROWS],
        "tensor": {"shape": [3, 13], "values": np.fliplr(ROWS).ravel().tolist()},
        "tftensor": to_tensor_proto(np.fliplr(ROWS)),
    }
    meta = {"tags": {"list": [[1], [2]], "bracket": "["}}
    for body in (
        {"data": {kind: sent}},
        {"data": {"names": [], kind: sent}},
        {"data": {"names": None, kind: sent}, "meta": None, "strData": None},
        {"data": {"names": NAMES, kind: sent}, "meta": meta},
        {"data": {"names": names, kind: turned[kind]}, "meta": meta},
    ):
        answered = message(shared_gateway.predict(body, PREDICT))["data"]

        assert answered.keys() == {"names", kind}
        assert table(kind, answered[kind]) == own["probabilities"]


def test_an_output_can_be_named(shared_gateway: AppFixture, own: Any) -> None:
    """One dimension has no names; an output that is not there is refused."""
    body = {"data": {"tensor": {"shape": [3, 13], "values": np.ravel(ROWS).tolist()}}}
    labels = message(shared_gateway.predict(body, f"{PREDICT}?output=predictions"))

    assert labels["data"] == {"names": [], "tensor": {"shape": [3], "values": own["predictions"]}}
    refused(shared_gateway.predict(body, f"{PREDICT}?output=x"), 400, "bad_request")


def test_whole_numbers_may_come_as_protobuf_writes_them(
    shared_gateway: AppFixture, own: Any
) -> None:
    """3 is 3.0 in all that its clients send, and escapes do not change what is read."""
    text = json.dumps({"data": {"names": NAMES, "ndarray": ROWS}, "meta": {"tags": {"a": "["}}})
    escaped = text.replace('"["', '"\\u005b"')
    headers = {**shared_gateway.bearer(), "Content-Type": "application/json"}
    for body in (text, escaped):
        answered = shared_gateway.client.post(PREDICT, data=body, headers=headers)

        assert message(answered)["data"]["ndarray"] == own["probabilities"]


DEEP = json.loads('{"a":' * 40 + "1" + "}" * 40)
DEEP_LIST = json.loads("[" * 40 + "1" + "]" * 40)
BAD: list[tuple[str, Any, int, str]] = [
    ("no object", [], 400, "bad_request"),
    ("nothing", {}, 400, "bad_request"),
    ("two payloads", {"data": {"ndarray": ROWS}, "strData": "x"}, 400, "bad_request"),
    ("unknown member", {"data": {"ndarray": ROWS}, "extra": 1}, 400, "bad_request"),
    ("data null", {"data": None}, 400, "bad_request"),
    ("data no object", {"data": [1]}, 400, "bad_request"),
    ("data empty", {"data": {}}, 400, "bad_request"),
    ("two tables", {"data": {"ndarray": ROWS, "tensor": {}}}, 400, "bad_request"),
    ("unknown table", {"data": {"rows": ROWS}}, 400, "bad_request"),
    ("names no list", {"data": {"names": "a", "ndarray": ROWS}}, 400, "bad_request"),
    ("names no texts", {"data": {"names": [1], "ndarray": ROWS}}, 400, "bad_request"),
    ("tensor null", {"data": {"tensor": None}}, 400, "bad_request"),
    ("tensor no object", {"data": {"tensor": [1]}}, 400, "bad_request"),
    ("tensor without shape", {"data": {"tensor": {"values": [1]}}}, 400, "bad_request"),
    ("wrong shape", {"data": {"tensor": {"shape": [2, 13], "values": [1]}}}, 400, "bad_request"),
    ("flat shape", {"data": {"tensor": {"shape": [13], "values": [1] * 13}}}, 400, "bad_request"),
    ("negative", {"data": {"tensor": {"shape": [-1, -13], "values": []}}}, 400, "bad_request"),
    ("text value", {"data": {"tensor": {"shape": [1, 1], "values": ["1"]}}}, 400, "bad_request"),
    ("nested", {"data": {"tensor": {"shape": [1, 2], "values": [[1], 2]}}}, 400, "bad_request"),
    (
        "wrong width",
        {"data": {"tensor": {"shape": [1, 2], "values": [1, 2]}}},
        422,
        "invalid_input",
    ),
    ("no rows", {"data": {"tensor": {"shape": [0, 13], "values": []}}}, 422, "invalid_input"),
    ("tftensor", {"data": {"tftensor": {"dtype": "DT_DOUBLE"}}}, 400, "bad_request"),
    ("tftensor no object", {"data": {"tftensor": "x"}}, 400, "bad_request"),
    ("ragged", {"data": {"ndarray": [ROWS[0], [1.0]]}}, 422, "invalid_input"),
    ("ragged, named", {"data": {"names": NAMES[::-1], "ndarray": [[1.0]]}}, 422, "invalid_input"),
    (
        "hidden row",
        {"data": {"ndarray": [[ROWS[0][:2], *ROWS[0][1:]], ROWS[0]]}},
        422,
        "invalid_input",
    ),
    ("one row flat", {"data": {"ndarray": ROWS[0]}}, 422, "invalid_input"),
    ("empty", {"data": {"ndarray": []}}, 422, "invalid_input"),
    ("empty, named", {"data": {"names": NAMES[::-1], "ndarray": []}}, 422, "invalid_input"),
    ("no rows, named", {"data": {"names": NAMES[::-1], "ndarray": [1]}}, 422, "invalid_input"),
    ("unknown name", {"data": {"names": ["x"], "ndarray": [[1.0]]}}, 422, "invalid_input"),
    ("name twice", {"data": {"names": NAMES[:1] * 13, "ndarray": ROWS}}, 422, "invalid_input"),
    ("text cell", {"data": {"ndarray": [["x", *ROWS[0][1:]]]}}, 422, "invalid_input"),
    ("null cell", {"data": {"ndarray": [[None, *ROWS[0][1:]]]}}, 422, "invalid_input"),
    ("strData", {"strData": "x"}, 400, "bad_request"),
    ("strData no text", {"strData": 7}, 400, "bad_request"),
    ("binData", {"binData": "AAAA"}, 400, "bad_request"),
    ("jsonData", {"jsonData": {"a": [1]}}, 400, "bad_request"),
    ("customData", {"customData": {"@type": "x"}}, 400, "bad_request"),
    ("meta no object", {"data": {"ndarray": ROWS}, "meta": 1}, 400, "bad_request"),
    ("meta unknown", {"data": {"ndarray": ROWS}, "meta": {"x": 1}}, 400, "bad_request"),
    ("puid", {"data": {"ndarray": ROWS}, "meta": {"puid": "a\r\nb"}}, 400, "bad_request"),
    ("puid long", {"data": {"ndarray": ROWS}, "meta": {"puid": "a" * 129}}, 400, "bad_request"),
    ("puid no text", {"data": {"ndarray": ROWS}, "meta": {"puid": 1}}, 400, "bad_request"),
    ("tags", {"data": {"ndarray": ROWS}, "meta": {"tags": [1]}}, 400, "bad_request"),
    ("routing", {"data": {"ndarray": ROWS}, "meta": {"routing": {"a": "b"}}}, 400, "bad_request"),
    ("deep meta", {"data": {"ndarray": ROWS}, "meta": {"tags": DEEP}}, 400, "json_too_deep"),
    (
        "deep values",
        {"data": {"tensor": {"shape": [1, 1], "values": DEEP_LIST}}},
        400,
        "json_too_deep",
    ),
    ("deep jsonData", {"jsonData": DEEP}, 400, "json_too_deep"),
    ("metrics", {"data": {"ndarray": ROWS}, "meta": {"metrics": [{}]}}, 400, "bad_request"),
]


@pytest.mark.parametrize(
    ("body", "status", "code"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
def test_what_is_no_message_is_refused(
    shared_gateway: AppFixture, body: Any, status: int, code: str
) -> None:
    """seldon-core 1.17.1 answers 500 to many of these; here each is the caller's to put right."""
    found = refused(shared_gateway.predict(body, PREDICT), status, code)

    assert status != 422 or found["meta"]["tags"]["errors"]


@pytest.mark.parametrize("text", ["", "{", '{"data": {"ndarray": [[NaN]]}}', "[" * 100, "\xff"])
def test_what_is_no_json_is_refused(shared_gateway: AppFixture, text: str) -> None:
    """400 in Seldon's shape."""
    headers = {**shared_gateway.bearer(), "Content-Type": "application/json"}
    response = shared_gateway.client.post(PREDICT, data=text.encode("latin-1"), headers=headers)

    refused(response, 400, response.headers["Gateway-Error-Code"])


# Meta


def test_meta_comes_back_with_what_the_model_adds(strange: AppFixture) -> None:
    """The caller's own first; the wrapper and the executor do so."""
    meta = {
        "puid": "call-7",
        "tags": {"mine": [1], "calls": "hidden"},
        "routing": {"router": 0},
        "requestPath": {"router": "router:1"},
        "metrics": [{"key": "mine", "type": "TIMER", "value": 1.5, "tags": {"a": "b"}}],
    }
    body = {"data": {"ndarray": [[0, 5]]}, "meta": meta}
    response = strange.predict(body, "/seldon/talkative/api/v1.0/predictions")
    answered = message(response)["meta"]

    assert response.headers["Seldon-Puid"] == answered["puid"] == "call-7"
    assert answered["tags"]["mine"] == [1]
    assert answered["tags"]["calls"] == answered["metrics"][1]["value"]
    assert answered["routing"] == {"router": 0}
    assert answered["requestPath"] == {"router": "router:1", "talkative": "talkative:1"}
    assert answered["metrics"][0] == meta["metrics"][0]


def test_puid_is_the_headers_or_made_here(shared_gateway: AppFixture) -> None:
    """The body's before the header's; the request's id where there is none."""
    body: Any = {"data": {"ndarray": ROWS}}
    made = shared_gateway.predict(body, PREDICT)
    given = shared_gateway.predict(body, PREDICT, headers={"Seldon-Puid": "from-header"})
    both = shared_gateway.predict(
        {**body, "meta": {"puid": "from-body"}}, PREDICT, headers={"Seldon-Puid": "from-header"}
    )

    assert made.json["meta"]["puid"] == made.headers["X-Request-ID"]
    assert given.json["meta"]["puid"] == given.headers["Seldon-Puid"] == "from-header"
    assert both.json["meta"]["puid"] == both.headers["Seldon-Puid"] == "from-body"
    refused(
        shared_gateway.predict(body, PREDICT, headers={"Seldon-Puid": "a b"}), 400, "bad_request"
    )


# Where the message is

MESSAGE = json.dumps({"data": {"ndarray": ROWS}})


@pytest.mark.parametrize(
    "sent",
    [
        {"data": {"json": MESSAGE}},
        {"data": {"json": MESSAGE}, "content_type": "multipart/form-data"},
        {"data": {"data": json.dumps({"ndarray": ROWS})}, "content_type": "multipart/form-data"},
        {"query_string": {"json": MESSAGE}},
        {"query_string": {"json": MESSAGE}, "data": {"other": "field"}},
        {"data": MESSAGE, "content_type": "application/json; charset=utf-8"},
    ],
    ids=["form", "multipart json", "multipart members", "query", "query, form", "body"],
)
def test_a_message_is_found_where_seldon_looks(
    shared_gateway: AppFixture, own: Any, sent: Any
) -> None:
    """Parts of a form, its field json, the query's parameter json, the body."""
    response = shared_gateway.client.post(PREDICT, headers=shared_gateway.bearer(), **sent)

    assert message(response)["data"]["ndarray"] == own["probabilities"]


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"data": MESSAGE, "content_type": "text/plain"}, 415, "unsupported_media_type"),
        ({"data": MESSAGE}, 415, "unsupported_media_type"),
        ({"data": {"x": MESSAGE}}, 415, "unsupported_media_type"),
        ({"data": {"x": "{}"}, "content_type": "multipart/form-data"}, 400, "bad_request"),
        (
            {"data": {"data": '{}, "x": {}'}, "content_type": "multipart/form-data"},
            400,
            "invalid_json",
        ),
        ({"data": {"data": "1} {"}, "content_type": "multipart/form-data"}, 400, "invalid_json"),
        ({"data": {"json": "{"}}, 400, "invalid_json"),
        ({}, 400, "empty_body"),
    ],
)
def test_a_message_that_is_nowhere_is_refused(
    shared_gateway: AppFixture, sent: Any, status: int, code: str
) -> None:
    """No part of a form can close the message around it; the types that are taken are said."""
    response = shared_gateway.client.post(PREDICT, headers=shared_gateway.bearer(), **sent)

    refused(response, status, code)
    assert ("Accept-Post" in response.headers) == (status == 415)


# Tokens


def test_the_token_may_be_in_seldons_header(shared_gateway: AppFixture) -> None:
    """Alone, or beside the same in Authorization; different ones are refused."""
    token, other = shared_gateway.token(), shared_gateway.token()
    client, body = shared_gateway.client, {"data": {"ndarray": ROWS}}

    def ask(path: str = PREDICT, **headers: str) -> TestResponse:
        return client.post(
            path, json=body, headers={name.replace("_", "-"): v for name, v in headers.items()}
        )

    assert ask(X_Auth_Token=token).status_code == 200
    assert ask(X_Auth_Token=token, Authorization=f"Bearer {token}").status_code == 200
    different = ask(X_Auth_Token=token, Authorization=f"Bearer {other}")
    refused(different, 400, "invalid_request")
    refused(ask(X_Auth_Token=f"{token}, {token}"), 400, "invalid_request")
    refused(ask(X_Auth_Token="x.y.z"), 401, "unauthenticated")
    basic = ask(X_Auth_Token=token, Authorization="Basic eDp5")
    refused(basic, 401, "unauthenticated")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/wine/predict", "/v2", "/nothing"])
def test_no_other_path_looks_at_that_header(shared_gateway: AppFixture, path: str) -> None:
    """What one protocol's clients send is no second door to the others."""
    response = shared_gateway.client.get(path, headers={"X-Auth-Token": shared_gateway.token()})

    assert response.status_code == 401


def test_scopes_hold(shared_gateway: AppFixture) -> None:
    """Predictions and feedback need `predict`, what is only read needs `read`."""
    reader = shared_gateway.bearer(scope="model:wine:read")
    client = shared_gateway.client

    refused(client.post(PREDICT, headers=reader), 403, "insufficient_scope")
    refused(client.post(FEEDBACK, headers=reader), 403, "insufficient_scope")
    assert client.get("/metadata", headers=reader).status_code == 200


# Failures of the model


def test_the_models_own_words_stay_inside(strange: AppFixture) -> None:
    """seldon-core 1.17.1 sends str(exception) to the caller, who must not read 101.0 here."""
    response = strange.predict(
        {"data": {"ndarray": [[101.0, 1.0]]}}, "/seldon/moody/api/v1.0/predictions"
    )
    body = refused(response, 500, "model_failed")

    assert "101.0" not in json.dumps(body["status"])


def test_a_type_error_inside_the_model_runs_it_once(strange: AppFixture) -> None:
    """seldon-core 1.17.1 calls `predict` again with two arguments after any TypeError."""
    path = "/seldon/talkative/api/v1.0/predictions"

    def calls() -> int:
        answered = strange.predict({"data": {"ndarray": [[0, 0]]}}, path).json
        count: int = answered["meta"]["tags"]["calls"]
        return count

    before = calls()
    refused(strange.predict({"data": {"ndarray": [[4, 2]]}}, path), 500, "model_failed")

    assert calls() == before + 2


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 400)])
def test_meta_is_bounded_on_both_sides(shared_gateway: AppFixture, more: int, status: int) -> None:
    """It comes back in the answer, and takes a hundred times as much memory meanwhile."""
    tags = {"tag": "x" * (MOST_META_BYTES - len('{"tags":{"tag":""}}') + more)}
    body = {"meta": {"tags": tags}, "data": {"ndarray": ROWS}}
    response = shared_gateway.predict(body, PREDICT)

    assert response.status_code == status
    assert (response.headers.get("Gateway-Error-Code") == "json_too_large") == (status == 400)


def test_no_origin_is_reflected(shared_gateway: AppFixture) -> None:
    """seldon-core 1.17.1 allows every Origin; here none is."""
    for method in ("POST", "OPTIONS"):
        response = shared_gateway.client.open(
            PREDICT, method=method, headers={**shared_gateway.bearer(), "Origin": "https://evil"}
        )

        assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


def test_the_cause_of_an_unready_model_is_not_told(tmp_path: Path) -> None:
    """seldon-core 1.17.1 shows the exception of its health hook."""
    gateway = make_app(tmp_path)
    gateway.control.store.add_model_version("gone", "1", "0" * 64)
    gateway.control.store.promote_model("gone", "1", 0)
    gateway.refresh()
    response = gateway.client.get("/seldon/gone/api/v1.0/health/status", headers=gateway.bearer())
    body = refused(response, 503, "model_unavailable")

    assert body["status"]["info"] == "This model cannot be served at the moment."


# Feedback


@pytest.mark.parametrize("path", [FEEDBACK, "/api/v0.1/feedback", "/seldon/wine/api/v1.0/feedback"])
def test_feedback_is_an_event(shared_gateway: AppFixture, path: str) -> None:
    """The reward and how many truths; never the rows or the truths themselves."""
    said = {
        "request": {"data": {"names": NAMES, "ndarray": ROWS}, "meta": {"puid": "call-7"}},
        "response": {"meta": {}, "data": {"ndarray": [[1]]}},
        "reward": 0.5,
        "truth": {"data": {"ndarray": [[0], [1], [2]]}},
    }
    with capture_logs() as events:
        response = shared_gateway.predict(said, path)
    event = next(event for event in events if event["event"] == "feedback")

    assert response.status_code == 200
    assert message(response)["meta"]["puid"] == response.headers["Seldon-Puid"] == "call-7"
    assert (event["model"], event["reward"], event["rows"], event["truths"]) == ("wine", 0.5, 3, 3)


def test_feedback_reaches_the_class(strange: AppFixture) -> None:
    """Truth from each kind of table, an entry for each row."""
    path = "/seldon/talkative/api/v1.0"
    truths: list[Any] = [
        {"ndarray": [[1.5], [2.5]]},
        {"tensor": {"shape": [2, 1], "values": [1.5, 2.5]}},
        {"tftensor": to_tensor_proto(np.array([[1.5], [2.5]]))},
    ]
    for truth in truths:
        asked = {"data": {"ndarray": [[0, 1], [0, 2]]}}
        said = {"request": asked, "reward": 1, "truth": {"data": truth}}
        assert strange.predict(said, f"{path}/feedback").status_code == 200
    answered = strange.predict({"data": {"ndarray": [[0, 0]]}}, f"{path}/predictions").json
    heard = answered["meta"]["tags"]["feedback"]

    assert [truth for *_, truth in heard] == [[1.5, 2.5]] * 3


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ([], 400),
        ({}, 400),
        ({"reward": 1}, 400),
        ({"request": {"data": {"ndarray": ROWS}}}, 400),
        ({"request": {"strData": "x"}, "reward": 1}, 400),
        ({"request": {"data": {"ndarray": ROWS}}, "reward": "much"}, 400),
        ({"request": {"data": {"ndarray": ROWS}}, "reward": True}, 400),
        ({"request": {"data": {"ndarray": ROWS}}, "reward": 1, "extra": 1}, 400),
        ({"request": {"data": {"ndarray": ROWS}}, "truth": {"data": {"ndarray": [[1]]}}}, 400),
        ({"request": {"data": {"ndarray": ROWS}}, "truth": {"data": {"ndarray": 1}}}, 400),
        ({"request": {"data": {"ndarray": ROWS}}, "truth": {"data": 1}}, 400),
        ({"request": {"data": {"ndarray": ROWS}}, "truth": {"data": {"tensor": 1}}}, 400),
        ({"request": {"data": {"ndarray": [[1]]}}, "reward": 1}, 422),
    ],
)
def test_feedback_that_says_nothing_is_refused(
    shared_gateway: AppFixture, said: Any, status: int
) -> None:
    """A request that was answered, and a reward or an entry of truth for each of its rows."""
    response = shared_gateway.predict(said, FEEDBACK)

    refused(response, status, response.headers["Gateway-Error-Code"])


# Whatever comes

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
_TABLE = st.dictionaries(
    st.sampled_from(["names", "ndarray", "tensor", "tftensor", "x"]),
    _VALUES | st.fixed_dictionaries({"shape": _VALUES, "values": _VALUES}),
    max_size=3,
)
_MESSAGES = st.dictionaries(
    st.sampled_from(["data", "meta", "strData", "binData", "jsonData", "customData", "status"]),
    _VALUES | _TABLE,
    max_size=3,
)


@given(_MESSAGES, _VALUES, _VALUES)
@settings(max_examples=150)
def test_any_message_is_answered_or_refused(
    shared_gateway: AppFixture, body: Any, reward: Any, truth: Any
) -> None:
    """4xx in Seldon's shape, whatever is where."""
    said = {"request": body, "reward": reward, "truth": truth}
    for path, sent in ((PREDICT, body), (FEEDBACK, said), (FEEDBACK, body)):
        response = shared_gateway.predict(sent, path)

        assert response.status_code in {200, 400, 422}, (sent, response.text)
        assert message(response)


def test_nan_is_never_written_bare() -> None:
    """seldon-core 1.17.1 writes NaN as it is, which no strict parser takes."""
    output = Output("predictions", "FP64", (-1,))
    contract = Contract("m", "1", "", (), (output,), ())
    prediction = Prediction({"predictions": np.array([np.nan, 1.5])}, "m", "1", "", None)
    for kind in ("ndarray", "tensor"):
        body = answer(prediction, contract, kind, Meta("id"), ("predictions",)).body

        assert b"NaN" not in bytes(body)
        assert json.loads(bytes(body))["data"]


@pytest.mark.parametrize("truth", [[None], "class_0", 1])
def test_a_truth_is_a_message(shared_gateway: AppFixture, truth: object) -> None:
    """Another value is refused, not left out without a word."""
    feedback = {"request": {"data": {"ndarray": ROWS}}, "reward": 1, "truth": truth}
    response = shared_gateway.client.post(
        "/api/v1.0/feedback", json=feedback, headers=shared_gateway.bearer()
    )

    assert response.status_code == 400
    assert "truth is no message" in response.json["status"]["info"]
