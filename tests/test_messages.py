"""Classes that answer messages: text, bytes or any JSON, in Seldon's three other payloads."""

import json
from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from app_fixture import AppFixture, add_folder, make_app
from components import CLASSES, component, written
from openapi_spec_validator import OpenAPIV31SpecValidator
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from model import ArtifactRejected, Contract, ModelFailed, Refused
from model.compatibility import compare
from model.component import open_component
from model.manifest import check_golden, golden_of
from model.message import message_batch

EVERY_KIND = """
[messages]
examples = [{strData = "some text"}, {binData = "AAEC"}, {jsonData = {a = [1, 2.5]}}]
"""
ONLY_JSON = "[messages]\nexamples = [{jsonData = 1}]\n"
ECHO = "/seldon/models/echo/api/v1.0/predictions"
RAW = "/seldon/models/raw/api/v1.0/predictions"
STATUS = "/seldon/models/echo/api/v1.0/health/status"
# Well while it is loaded; after that it waits for what never comes.
SLOW_HEALTH = """
import threading
class Model:
    asked = 0
    def predict(self, X):
        return {"a": X}
    def health_status(self):
        self.asked += 1
        if self.asked > 1:
            threading.Event().wait(5)
"""
BYTES = bytes(range(256))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> AppFixture:
    """An app that serves `wine`, `echo` and `raw`."""
    gateway = make_app(tmp_path_factory.mktemp("messages"))
    for name, kind, model_toml in (("echo", "Echo", EVERY_KIND), ("raw", "RawEcho", ONLY_JSON)):
        source = gateway.control.settings.data_dir / "sources" / name
        source.mkdir(parents=True)
        (source / f"{kind}.py").write_bytes((CLASSES / f"{kind}.py").read_bytes())
        (source / "model.toml").write_text(model_toml)
        add_folder(gateway.control, name, source)
    gateway.refresh()
    return gateway


def asked(served: AppFixture, message: Any, path: str = ECHO) -> TestResponse:
    return served.predict(message, path)


def payload(response: TestResponse) -> dict[str, Any]:
    assert response.status_code == 200, response.json
    return {name: value for name, value in response.json.items() if name != "meta"}


def left(served: AppFixture, name: str) -> int:
    """What is left of one of the caller's limits."""
    limits = served.client.get("/v1/limits", headers=served.bearer()).json["limits"]
    return {limit["name"]: int(limit["remaining"]) for limit in limits}[name]


def in_mood(served: AppFixture, mood: int) -> None:
    """Let the class answer its `health_status` in a certain way."""
    body = {"request": {"strData": "mood"}, "reward": mood}
    assert served.predict(body, "/seldon/models/echo/api/v1.0/feedback").status_code == 200


# What goes in, and what comes out


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"strData": "grüße"}, {"strData": "GRÜSSE"}),
        ({"strData": ""}, {"strData": ""}),
        (
            {"binData": b64encode(BYTES).decode()},
            {"binData": b64encode(BYTES[::-1]).decode()},
        ),
        ({"strData": "numbers"}, {"data": {"names": [], "tensor": [[2], [0.5, 1.5]]}}),
        (
            {"strData": "table"},
            {"data": {"names": ["length", "words"], "tensor": [[2, 2], [5, 1, 2, 3]]}},
        ),
        ({"strData": "texts"}, {"data": {"names": [], "ndarray": ["a", "b"]}}),
    ],
)
def test_what_a_hook_returns_becomes_its_payload(
    served: AppFixture, message: Any, expected: Any
) -> None:
    """Text strData, bytes binData, numbers a tensor, a list of anything else an ndarray."""
    if "tensor" in expected.get("data", {}):
        shape, values = expected["data"]["tensor"]
        expected = {"data": {**expected["data"], "tensor": {"shape": shape, "values": values}}}

    assert payload(asked(served, message)) == expected


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"a": [1, None, {"b": "c"}]}, "dict"),
        ([1, "a"], "list"),
        (1.5, "float"),
        (True, "bool"),
        (2**64 - 1, "int"),
        (-(2**63), "int"),
    ],
)
def test_json_arrives_as_it_was_sent(served: AppFixture, value: Any, kind: str) -> None:
    """Whatever JSON can say; the answer, a dict, is jsonData."""
    told = payload(asked(served, {"jsonData": value, "meta": {"tags": {"a": 1}}}))["jsonData"]

    assert told == {"given": value, "kind": kind, "names": [], "told": ["puid", "tags"]}


def test_the_meta_of_an_answer_is_seldons(served: AppFixture) -> None:
    """The caller's tags, then those of the class; its metrics, in the log as well."""
    message = {"strData": "a", "meta": {"puid": "p-1", "tags": {"calls": 0, "mine": 1}}}
    with capture_logs() as events:
        response = asked(served, message)
    meta = response.json["meta"]

    assert meta["puid"] == response.headers["Seldon-Puid"] == "p-1"
    assert meta["tags"]["mine"] == 1
    assert meta["tags"]["calls"] > 0
    assert meta["metrics"][0]["value"] == meta["tags"]["calls"]
    assert meta["requestPath"] == {"echo": "echo:1"}
    assert events[-1]["model_metrics"] == {"calls": meta["tags"]["calls"]}
    assert events[-1]["rows"] == 1


def test_a_message_in_a_form_is_taken(served: AppFixture) -> None:
    """As a field `json`, or as parts: a file of bytes needs no base64."""
    field = {"json": json.dumps({"strData": "a"})}
    file = {"binData": (BytesIO(BYTES), "picture")}
    in_a_field, as_a_file = (
        served.client.post(ECHO, data=data, headers=served.bearer()) for data in (field, file)
    )

    assert payload(in_a_field) == {"strData": "A"}
    assert payload(as_a_file) == {"binData": b64encode(BYTES[::-1]).decode()}


def test_predict_raw_gets_and_gives_the_whole_message(served: AppFixture) -> None:
    """With the caller's meta; its tags and metrics go out in ours."""
    message = {"jsonData": [1], "meta": {"puid": "p-2", "tags": {"a": "b"}}}
    response = asked(served, message, RAW)

    assert payload(response)["jsonData"]["message"] == message
    assert response.json["meta"]["tags"] == {"a": "b", "raw": True}


@pytest.mark.parametrize(
    "answered",
    [
        {"strData": "a"},
        {"binData": "AAEC"},
        {"data": {"names": ["a"], "ndarray": [[1], ["b"]]}},
        {"data": {"tensor": {"shape": [1], "values": [1.5]}}},
        {"jsonData": {"a": None}, "status": {"code": 200, "status": 0}},
    ],
)
def test_each_payload_of_predict_raw_goes_out(served: AppFixture, answered: Any) -> None:
    """As it is; a status that says nothing is left out."""
    given = {name: value for name, value in answered.items() if name != "status"}

    assert payload(asked(served, {"jsonData": answered}, RAW)) == given


# What is refused


@pytest.mark.parametrize(
    ("message", "path", "info"),
    [
        ({"data": {"ndarray": [[1]]}}, ECHO, "takes strData or binData or jsonData, not data"),
        ({"customData": {}}, ECHO, "not customData"),
        ({"strData": 7}, ECHO, "strData must be text"),
        ({"binData": "not base64!"}, ECHO, "binData must be text in base64"),
        ({"binData": "AAA"}, ECHO, "binData must be text in base64"),
        ({"strData": "a", "binData": "AAAA"}, ECHO, "A message has one of"),
        ({"jsonData": None}, ECHO, "A message has one of"),
        ({"strData": "a", "more": 1}, ECHO, "has no member 'more'"),
        ({"strData": "a"}, RAW, "This model takes jsonData, not strData"),
        ({"strData": "a"}, "/seldon/models/wine/api/v1.0/predictions", "takes data, not strData"),
    ],
)
def test_a_message_that_is_none_of_the_models_is_refused(
    served: AppFixture, message: Any, path: str, info: str
) -> None:
    """With what it takes. The class is not asked."""
    response = asked(served, message, path)

    assert response.status_code == 400
    assert info in response.json["status"]["info"]
    assert response.json["status"]["reason"] == "MICROSERVICE_BAD_DATA"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"jsonData": {"a": 1, "a": 2}}', "duplicate_key"),
        ('{"jsonData": [[1], {"b": [{"a": 1, "c": {}, "a": 2}]}]}', "duplicate_key"),
        ('{"strData": "a", "strData": "b"}', "duplicate_key"),
        (f'{{"jsonData": {2**64}}}', "invalid_json"),
        ('{"jsonData": NaN}', "invalid_json"),
        ('{"strData": "\\ud800"}', "invalid_json"),
    ],
)
def test_json_that_readers_disagree_about_is_refused(
    served: AppFixture, text: str, code: str
) -> None:
    """A name twice at any depth, numbers and text that are none."""
    headers = {**served.bearer(), "Content-Type": "application/json"}
    response = served.client.post(ECHO, data=text, headers=headers)

    assert response.status_code == 400
    assert response.headers["Gateway-Error-Code"] == code


@pytest.mark.parametrize(("depth", "status"), [(30, 200), (200, 400)])
def test_the_depth_of_json_is_capped(served: AppFixture, depth: int, status: int) -> None:
    """Before a class that calls itself for each level gets it."""
    value: Any = 1
    for _ in range(depth):
        value = [value]

    assert asked(served, {"jsonData": value}).status_code == status


@pytest.mark.parametrize("text", ["secret 4711", "nothing", "infinite", "end"])
def test_a_failure_is_told_to_the_log_only(served: AppFixture, text: str) -> None:
    """Exceptions, answers that are no message, and an end of the process: 500 with a constant."""
    with capture_logs() as events:
        response = asked(served, {"strData": text})

    assert response.status_code == 500
    assert response.json["status"]["reason"] == "MICROSERVICE_INTERNAL_ERROR"
    assert "secret 4711" not in response.text
    assert "secret 4711" not in str(events)
    assert "model_failed" in {event["event"] for event in events}


@pytest.mark.parametrize(
    ("code", "status"), [(400, 422), (499, 422), (503, 503), (500, 500), (302, 500), ("x", 500)]
)
def test_the_status_of_predict_raw_is_understood(
    served: AppFixture, code: Any, status: int
) -> None:
    """4xx is what was sent, 503 try again, both with its info; anything else is a failure."""
    said = {"status": {"code": code, "info": "No such wine.", "status": "FAILURE"}}
    response = asked(served, {"jsonData": said}, RAW)

    assert response.status_code == status
    assert ("No such wine." in response.text) == (status != 500)


@pytest.mark.parametrize(
    ("answered", "reason"),
    [
        ({"strData": "a", "more": 1}, "'more', which no SeldonMessage has"),
        ({}, "does not answer with one of"),
        ({"strData": "a", "jsonData": 1}, "does not answer with one of"),
        ({"data": {"ndarray": [], "tensor": {}}}, "data of predict_raw is no dict"),
        ({"data": [[1]]}, "data of predict_raw is no dict"),
        ({"binData": "?"}, "binData of predict_raw"),
        ({"strData": "a", "meta": 1}, "meta of predict_raw is no dict"),
        ({"strData": "a", "meta": {"tags": 1}}, "tags gives a int, not a dict"),
    ],
)
def test_a_raw_answer_that_is_no_message_is_a_failure(answered: Any, reason: str) -> None:
    """A client's parser would stop at it."""
    model = component("RawEcho", ONLY_JSON)
    with pytest.raises(ModelFailed, match=reason):
        model.predict(message_batch({"jsonData": answered}))


# Charged, told, described


def test_a_message_is_charged_as_one_row(served: AppFixture) -> None:
    """However large."""
    before = left(served, "rows_per_hour")
    asked(served, {"jsonData": list(range(1000))})

    assert left(served, "rows_per_hour") == before - 1


def test_feedback_on_a_message_reaches_the_class(served: AppFixture) -> None:
    """The text as it was sent, and the reward."""
    body = {"request": {"strData": "good"}, "reward": 0.5}
    response = served.predict(body, "/seldon/models/echo/api/v1.0/feedback")
    tags = asked(served, {"strData": "a"}).json["meta"]["tags"]

    assert response.status_code == 200
    assert tags["feedback"][-1] == ["good", 0.5]


@pytest.mark.parametrize(
    ("mood", "said"),
    [(5, {"strData": "well"}), (6, {"jsonData": {"queue": 3}}), (7, {"strData": "serves version"})],
)
def test_the_status_is_what_the_class_says(served: AppFixture, mood: int, said: Any) -> None:
    """A payload of its own; or, where it says nothing, that it serves."""
    in_mood(served, mood)
    response = served.client.get(STATUS, headers=served.bearer())
    told = payload(response)

    assert told == said or said["strData"] in told["strData"]
    assert response.json["meta"]["requestPath"] == {"echo": "echo:1"}


@pytest.mark.parametrize("mood", [8, 9, 10])
def test_a_class_that_is_not_well_is_unavailable(served: AppFixture, mood: int) -> None:
    """False, an exception or an end of the process: 503, and the cause is told to the log only."""
    in_mood(served, mood)
    with capture_logs() as events:
        response = served.client.get(STATUS, headers=served.bearer())
    in_mood(served, 5)

    assert response.status_code == 503
    assert response.headers["Gateway-Error-Code"] == "model_unavailable"
    assert response.headers["Retry-After"]
    assert "growls" not in response.text + str(events)
    assert "model_failed" in {event["event"] for event in events}
    assert served.client.get(STATUS, headers=served.bearer()).status_code == 200


def test_a_class_that_is_not_well_is_not_ready(tmp_path: Path) -> None:
    """Where one model is asked after; the worker goes on for it and for all others."""
    gateway = make_app(tmp_path)
    (source := tmp_path / "unwell").mkdir()
    (source / "Model.py").write_text(SLOW_HEALTH.replace("threading.Event().wait(5)", "1 / 0"))
    (source / "model.toml").write_text(ONLY_JSON)
    add_folder(gateway.control, "unwell", source)
    gateway.refresh()

    def statuses(*paths: str) -> set[int]:
        headers = gateway.bearer()
        return {gateway.client.get(path, headers=headers).status_code for path in paths}

    model, deployment = "/v2/models/unwell", "/seldon/models/unwell"
    answer = gateway.predict({"jsonData": 2}, f"{deployment}/api/v1.0/predictions")

    assert statuses(f"{model}/ready", f"{model}/versions/1/ready") == {503}
    assert statuses(f"{deployment}/ready", "/seldon/unwell/ready") == {503}
    assert statuses(f"{deployment}/live", "/seldon/unwell/health/ping", model) == {200}
    assert statuses("/readyz", "/ready", "/v2/health/ready", "/v2/models/wine/ready") == {200}
    assert answer.json["jsonData"] == {"a": 2}


@pytest.mark.parametrize("path", ["/v2/models/echo/ready", "/seldon/echo/ready"])
def test_a_class_that_is_well_is_ready(served: AppFixture, path: str) -> None:
    """Whatever it says of itself beside that."""
    in_mood(served, 6)
    response = served.client.get(path, headers=served.bearer())
    in_mood(served, 5)

    assert response.status_code == 200


def test_a_health_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    """At the deadline of the model, as a prediction would be."""
    gateway = make_app(tmp_path)
    (source := tmp_path / "slow").mkdir()
    (source / "Model.py").write_text(SLOW_HEALTH)
    (source / "model.toml").write_text(ONLY_JSON + "[limits]\ndeadline_s = 0.05\n")
    add_folder(gateway.control, "slow", source)
    gateway.refresh()
    response = gateway.client.get("/seldon/slow/health/status", headers=gateway.bearer())

    assert response.status_code == 503
    assert response.headers["Gateway-Error-Code"] == "model_unavailable"


def test_a_health_costs_one_request(served: AppFixture) -> None:
    """Well or not: it is charged before the code of the class runs."""
    for mood in (5, 9):
        in_mood(served, mood)
        before = left(served, "requests_per_minute")
        served.client.get(STATUS, headers=served.bearer())

        assert left(served, "requests_per_minute") == before - 1
    in_mood(served, 5)


def test_other_protocols_carry_messages_as_a_column_of_text(served: AppFixture) -> None:
    """One row is one message, in JSON; one that is none is refused with what would be."""
    path = "/v1/models/echo/predict"
    texts = [json.dumps({"strData": "a"}), json.dumps({"binData": "AAEC"})]
    good = served.predict({"rows": [{"message": text} for text in texts]}, path)
    bad = served.predict({"rows": [{"message": '{"strData": 1}'}]}, path)

    assert list(map(json.loads, good.json["message"])) == [{"strData": "A"}, {"binData": "AgEA"}]
    assert bad.status_code == 422
    assert "Send a SeldonMessage with one of strData" in bad.json["detail"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "1",
        '{"strData":"a","jsonData":1}',
        '{"data":1}',
        '{"strData":null}',
        '{"binData":"?"}',
        '{"strData":"a","meta":1}',
        '{"jsonData":' + "[" * 99 + "]" * 99 + "}",
        '{"jsonData":' + "[" * 99_999,
    ],
)
def test_a_text_that_is_no_message_is_refused(text: str) -> None:
    """Whatever protocol brought it, before the class is asked."""
    model = component("Echo", EVERY_KIND)
    batch = model.contract.batch_from_rows([[text]])
    with pytest.raises(Refused, match="Send a SeldonMessage"):
        model.predict(batch)


def test_metadata_and_document_name_the_kinds(served: AppFixture) -> None:
    """Seldon's metadata has the message types; OpenAPI is valid, its examples are answered."""
    told = served.client.get("/seldon/models/echo/metadata", headers=served.bearer()).json
    document = served.client.get("/openapi.json", headers=served.bearer()).json
    path = "/seldon/{namespace}/echo/api/v1.0/predictions"
    body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    examples = {kind: example["value"] for kind, example in body["examples"].items()}
    OpenAPIV31SpecValidator(document).validate()

    assert [entry["messagetype"] for entry in told["inputs"]] == ["strData", "binData", "jsonData"]
    assert set(examples) == {"strData", "binData", "jsonData"}
    assert {asked(served, example).status_code for example in examples.values()} == {200}


# Adding, and loading again


def test_a_contract_of_messages_comes_back_equal() -> None:
    """From the manifest; that of a table has no such member, so that it stays as it was."""
    contract = component("Echo", EVERY_KIND).contract
    document = json.loads(json.dumps(contract.to_json()))

    assert Contract.from_json(document) == contract
    assert contract.messages == ("strData", "binData", "jsonData")
    assert "messages" not in component("RowsOnly").contract.to_json()


@pytest.mark.parametrize("messages", [[], ["strData", "strData"], ["data"], "strData", [1]])
def test_a_damaged_contract_is_refused(messages: Any) -> None:
    """As any other part of it."""
    document = component("Echo", EVERY_KIND).contract.to_json() | {"messages": messages}
    with pytest.raises(ArtifactRejected, match="damaged"):
        Contract.from_json(document)


def test_a_loaded_version_answers_as_the_one_that_was_added() -> None:
    """The last digits of its numbers may differ, nothing else."""
    source = "class Model:\n def predict(self, X): return {'p': [0.1, 1], 'label': X}"
    files = {"Model.py": source.encode()}
    contract = written(source, '[messages]\nexamples = [{strData = "a"}]').contract
    model = open_component(files, "Model", contract, {})
    outputs = model.predict(contract.example_batch)
    [text] = golden_of(outputs)["message"]
    check_golden({"message": [text.replace("0.1", "0.1000000001")]}, outputs)
    for other in (text.replace("0.1", "0.2"), text.replace('"a"', '"b"'), "{}", "no message"):
        with pytest.raises(ModelFailed, match="not what it was when added"):
            check_golden({"message": [other]}, outputs)


@pytest.mark.parametrize(
    ("model_toml", "reason"),
    [
        ("[messages]\n", "[messages] needs examples, such as"),
        ("[messages]\nexamples = []", "[messages] needs examples, such as"),
        ("[messages]\naccepts = 1", "unknown key 'accepts' in [messages] (known: examples)"),
        ("[messages]\nexamples = [{data = [[1]]}]", "number 1 of the examples of [messages]"),
        ('[messages]\nexamples = [{strData = "a"}, {strData = 1}]', "number 2 of the examples"),
        ('[messages]\nexamples = [{binData = "?"}]', "number 1 of the examples"),
        ("[messages]\nexamples = [{jsonData = nan}]", "number 1 of the examples"),
        ("[messages]\nexamples = [{jsonData = [2026-01-01]}]", "number 1 of the examples"),
        ("[messages]\nexamples = [{jsonData = 99999999999999999999}]", "number 1 of the examples"),
        (
            '[messages]\nexamples = [{strData = "a"}]\n[example]\nrows = [[1]]',
            "a model that takes messages has no example; take [messages] or that out",
        ),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(model_toml: str, reason: str) -> None:
    """In one line that says what to write."""
    with pytest.raises(ArtifactRejected) as refused:
        component("Echo", model_toml)

    assert reason in refused.value.reason


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def predict(self, X): return 1", "cannot be used: it answers a int, not text, bytes"),
        ("def predict(self, X): return X[0]['a']", "does not answer its example (TypeError at"),
        ("pass", "Model has no hook that answers"),
        ("def predict(self): pass", "Model.predict takes no X"),
    ],
)
def test_a_class_that_does_not_answer_its_messages_is_refused(source: str, reason: str) -> None:
    """When it is added."""
    with pytest.raises(ArtifactRejected) as refused:
        written(f"class Model:\n {source}", '[messages]\nexamples = [{strData = "a"}]')

    assert reason in refused.value.reason


def test_each_kind_must_be_answered_when_it_is_added() -> None:
    """What the contract promises was shown, each kind by its own example."""
    source = "class Model:\n def predict(self, X): return X.upper()"
    with pytest.raises(ArtifactRejected, match="does not answer its example"):
        written(source, EVERY_KIND)


def test_a_kind_that_is_taken_no_more_breaks_callers() -> None:
    """One that is new does not."""
    every, only = component("Echo", EVERY_KIND).contract, component("Echo", ONLY_JSON).contract
    lost = {change.kind: change.breaks for change in compare(every, only)}
    won = {change.kind: change.breaks for change in compare(only, every)}

    assert lost["message_removed"] is True
    assert won["message_added"] is False
