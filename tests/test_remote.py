"""A model on another engine: what is asked, what is believed, and what each trouble becomes."""

import os
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clock import Clock
from engine_server import EngineServer, Reply, Request, answer, json_reply, sums
from free_ports import free_port

from gateway.cli.stack.certificates import ensure_certificates
from model import (
    Batch,
    Contract,
    Feature,
    ModelFailed,
    ModelTimedOut,
    ModelUnavailable,
    Output,
)
from model.remote.address import RemoteAddress
from model.remote.model import RemoteModel

_CONTRACT = Contract(
    "sums",
    "1",
    "",
    tuple(Feature(name) for name in "abc"),
    (Output("predictions", "FP64", (-1,)),),
    ((1.0, 2.0, 3.0),),
)
_BATCH = Batch.from_rows([[1.0, 2.0, 3.0], [0.5, 0.0, 0.0]])


@pytest.fixture
def engine() -> Iterator[EngineServer]:
    with EngineServer() as server:
        yield server


def _model(
    engine: EngineServer,
    clock: Callable[[], float] | None = None,
    contract: Contract = _CONTRACT,
    **address: Any,
) -> RemoteModel:
    return RemoteModel(RemoteAddress(engine.url, "sums", **address), contract, clock or Clock())


def _predictions(model: RemoteModel) -> list[Any]:
    return model.predict(_BATCH)["predictions"].tolist()


def test_engine_without_the_extension_is_asked_in_json(engine: EngineServer) -> None:
    """The rows in one tensor, the outputs by name; `predict` is answered as `predictions`."""
    assert _predictions(_model(engine)) == [6.0, 0.5]
    assert engine.requests[0].path == "/v2/models/sums/infer"
    assert engine.requests[0].document == {
        "inputs": [
            {
                "name": "rows",
                "shape": [2, 3],
                "datatype": "FP64",
                "data": [1.0, 2.0, 3.0, 0.5, 0.0, 0.0],
            }
        ],
        "outputs": [{"name": "predict"}],
    }


def test_engine_with_the_extension_is_asked_in_bytes(engine: EngineServer) -> None:
    """Both ways; the answer is the same."""
    engine.extensions = ["classification", "binary_tensor_data"]

    assert _predictions(_model(engine)) == [6.0, 0.5]
    assert engine.requests[0].body.endswith(_BATCH.values.tobytes())


def test_one_connection_serves_many_calls(engine: EngineServer) -> None:
    """The description is asked once, and the connection is kept."""
    model = _model(engine)
    for _ in range(5):
        _predictions(model)

    assert (engine.connections, engine.described) == (1, 1)


def test_forked_process_opens_its_own_connection(engine: EngineServer) -> None:
    """Two processes on one socket would read each other's answers."""
    model = _model(engine)
    _predictions(model)
    child = os.fork()
    if child == 0:
        os._exit(0 if _predictions(model) == [6.0, 0.5] else 1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert _predictions(model) == [6.0, 0.5]
    assert engine.connections == 2


def test_version_and_token_are_sent(engine: EngineServer, tmp_path: Path) -> None:
    """The version is part of the path; the token is read anew for each call."""
    token_file = tmp_path / "token"
    token_file.write_text("first\n")
    model = _model(engine, version="3", token_file=str(token_file))
    _predictions(model)
    token_file.write_text("second\n")
    _predictions(model)

    assert {request.path for request in engine.requests} == {"/v2/models/sums/versions/3/infer"}
    assert [request.headers["Authorization"] for request in engine.requests] == [
        "Bearer first",
        "Bearer second",
    ]


@pytest.mark.parametrize("content", [None, "", "two words", "line\nbreak", "ümlaut"])
def test_token_file_without_a_token_is_unavailable(
    engine: EngineServer, tmp_path: Path, content: str | None
) -> None:
    """Nothing is sent, and nothing of the file is said."""
    if content is not None:
        (tmp_path / "token").write_text(content)
    with pytest.raises(ModelUnavailable, match=r"token_file of \[remote\]"):
        _predictions(_model(engine, token_file=str(tmp_path / "token")))

    assert engine.connections == 0


def test_proxies_of_the_environment_are_not_used(
    engine: EngineServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a shell says about proxies must not lead rows and tokens elsewhere."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert _predictions(_model(engine)) == [6.0, 0.5]


def test_engine_that_is_away_is_unavailable_until_it_is_back() -> None:
    """Making the model asks nothing. It answers as soon as the engine and the breaker let it."""
    port, clock = free_port(), Clock()
    address = RemoteAddress(f"http://127.0.0.1:{port}", "sums")
    model = RemoteModel(address, _CONTRACT, clock)
    for _ in range(3):
        with pytest.raises(ModelUnavailable, match="cannot be reached"):
            _predictions(model)
    with EngineServer(port=port) as engine:
        with pytest.raises(ModelUnavailable, match="left alone") as refusal:
            _predictions(model)
        assert engine.connections == 0
        clock.now += refusal.value.retry_after_s

        assert _predictions(model) == [6.0, 0.5]


def test_engine_that_comes_back_as_another_is_asked_again(engine: EngineServer) -> None:
    """After any trouble the description is asked again, and held against the contract."""
    model = _model(engine)
    engine.infer = lambda _request: Reply(503)
    _predictions_fail(model, ModelUnavailable)
    engine.model = {"inputs": [{"name": "rows", "datatype": "FP64", "shape": [-1, 4]}]}

    _predictions_fail(model, ModelFailed, "other inputs than when it was added")


def _predictions_fail(model: RemoteModel, kind: type[Exception], reason: str = "") -> Exception:
    with pytest.raises(kind) as failure:
        _predictions(model)
    assert reason in str(failure.value)
    return failure.value


@pytest.mark.parametrize("status", [401, 403, 404, 429, 502, 503, 504])
def test_engine_that_does_not_serve_us_now_is_unavailable(
    engine: EngineServer, status: int
) -> None:
    """Restarting, overloaded, without the model or not letting us in: try again later."""
    engine.infer = lambda _request: Reply(status, b'{"error": "secret detail"}')
    failure = _predictions_fail(_model(engine), ModelUnavailable, str(status))

    assert "secret" not in str(failure)


@pytest.mark.parametrize("status", [302, 400, 413, 422, 500, 501])
def test_engine_that_refuses_the_input_is_a_failure(engine: EngineServer, status: int) -> None:
    """500 is what an engine answers when the model in it raises; nobody else's calls suffer."""
    engine.infer = lambda _request: Reply(status, b'{"error": "secret detail"}')
    model = _model(engine)
    for _ in range(5):
        failure = _predictions_fail(model, ModelFailed, str(status))
    engine.infer = sums

    assert "secret" not in str(failure)
    assert _predictions(model) == [6.0, 0.5]


@pytest.mark.parametrize(
    ("field", "expected_s"),
    [("7", 7.0), ("0", 1.0), ("86400", 60.0), ("Wed, 21 Oct", 1.0), ("-5", 1.0), ("²", 1.0)],
)
def test_engines_retry_after_is_passed_on_within_reason(
    engine: EngineServer, field: str, expected_s: float
) -> None:
    """Whole seconds, at most a minute; anything else is a second."""
    headers = {"Retry-After": field.encode().decode("latin-1")}
    engine.infer = lambda _request: Reply(429, headers=headers)
    failure = _predictions_fail(_model(engine), ModelUnavailable)
    assert isinstance(failure, ModelUnavailable)

    assert failure.retry_after_s == expected_s


def test_redirect_is_not_followed(engine: EngineServer) -> None:
    """Whoever can redirect could have the rows sent to anyone."""
    with EngineServer() as other:
        target = {"Location": f"{other.url}/v2/models/sums/infer"}
        engine.infer = lambda _request: Reply(307, headers=target)
        _predictions_fail(_model(engine), ModelFailed, "307")

        assert other.connections == 0


def test_engine_that_does_not_answer_in_time_times_out(engine: EngineServer) -> None:
    """The call ends with its time, and the next ones soon find the breaker open."""
    released = threading.Event()

    def hang(request: Request) -> Reply:
        released.wait(10)
        return sums(request)

    engine.infer = hang
    model = _model(engine, timeout_s=0.05)
    for _ in range(3):
        _predictions_fail(model, ModelTimedOut, "0.05 s")
    released.set()

    _predictions_fail(model, ModelUnavailable, "left alone")


def test_answer_that_drips_ends_with_its_time(engine: EngineServer) -> None:
    """Each piece arrives in time, the whole does not."""
    clock = Clock()

    def sums_late(request: Request) -> Reply:
        clock.now += 6.0
        return sums(request)

    engine.infer = sums_late

    _predictions_fail(_model(engine, clock), ModelTimedOut, "no whole answer within 5 s")


def test_answer_that_breaks_off_is_unavailable(engine: EngineServer) -> None:
    """A promise of more bytes than come."""
    engine.infer = lambda request: Reply(body=sums(request).body, claimed_length=10_000)

    _predictions_fail(_model(engine), ModelUnavailable, "cannot be reached (ProtocolError")


def test_answer_without_end_is_cut(engine: EngineServer) -> None:
    """No more than 64 MB are kept of any answer."""
    engine.infer = lambda _request: Reply(body=b" " * (64 * 1024 * 1024 + 1))

    _predictions_fail(_model(engine), ModelFailed, "longer than")


_LIES = {
    "fewer rows": {"shape": [1], "data": [6.0]},
    "more rows": {"shape": [3], "data": [6.0, 0.5, 0.5]},
    "another shape": {"shape": [2, 2], "data": [6.0, 0.5, 6.0, 0.5]},
    "a shape that lies": {"shape": [2], "data": [6.0]},
    "whole numbers": {"datatype": "INT64", "data": [6, 0]},
    "single precision": {"datatype": "FP32"},
    "text": {"datatype": "BYTES", "data": ["6.0", "0.5"]},
    "text as numbers": {"data": ["6.0", "0.5"]},
    "another name": {"name": "score"},
}


@pytest.mark.parametrize("lie", _LIES)
def test_answer_that_is_not_the_contracts_fails(engine: EngineServer, lie: str) -> None:
    """Rows mixed up, kinds exchanged: none of it reaches a caller."""
    honest = {"name": "predict", "datatype": "FP64", "shape": [2], "data": [6.0, 0.5]}
    engine.infer = lambda _request: answer({**honest, **_LIES[lie]})

    _predictions_fail(_model(engine), ModelFailed)


def test_truncated_bytes_fail(engine: EngineServer) -> None:
    """A binary output of 2 numbers in 15 bytes."""
    engine.extensions = ["binary_tensor_data"]
    size = {"parameters": {"binary_data_size": 15}}
    output = {"name": "predict", "datatype": "FP64", "shape": [2], **size}
    engine.infer = lambda _request: answer(output, b"\0" * 15)

    _predictions_fail(_model(engine), ModelFailed, "not what its heading says")


def test_answer_of_another_model_fails(engine: EngineServer) -> None:
    """The name in the answer is that of the address."""
    output = {"name": "predict", "datatype": "FP64", "shape": [2], "data": [6.0, 0.5]}
    engine.infer = lambda _request: answer(output, name="differences")

    _predictions_fail(_model(engine), ModelFailed, "another model")


@pytest.mark.parametrize(
    "description",
    [
        json_reply([]),
        Reply(body=b"<html>"),
        json_reply({"inputs": [{"name": "a", "datatype": "FP64", "shape": [1, 3]}]}),
        json_reply({"inputs": [{"name": "a", "datatype": "FP64", "shape": [-1, 3, 3]}]}),
        json_reply({"inputs": [{"name": "a", "datatype": "BF16", "shape": [-1, 3]}]}),
        json_reply({"inputs": [{"name": "a", "datatype": "FP64", "shape": "many"}]}),
        json_reply({"inputs": [{"datatype": "FP64", "shape": [-1, 3]}]}),
        json_reply({"inputs": "many"}),
        json_reply({"inputs": [], "outputs": [{"name": 1}]}),
    ],
)
def test_description_that_is_none_fails(engine: EngineServer, description: Reply) -> None:
    """A page of a proxy, or inputs that are no rows."""
    engine.model = description

    _predictions_fail(_model(engine), ModelFailed)


def test_tensor_for_each_feature(engine: EngineServer) -> None:
    """Named columns of mixed type go as one tensor each, in the shape that the engine names."""
    engine.model = {
        "inputs": [
            {"name": "age", "datatype": "INT32", "shape": [-1]},
            {"name": "city", "datatype": "BYTES", "shape": [-1, 1]},
            {"name": "member", "datatype": "BOOL", "shape": [-1, 1]},
            {"name": "income", "datatype": "FP32", "shape": [-1, 1]},
        ],
        "outputs": [],
    }
    engine.infer = lambda _request: answer(
        {"name": "score", "datatype": "FP64", "shape": [2, 1], "data": [0.5, 0.25]}
    )
    features = (
        Feature("age", "INT64"),
        Feature("city", "BYTES", nullable=True),
        Feature("member", "BOOL"),
        Feature("income", nullable=True),
    )
    contract = Contract(
        "sums", "1", "", features, (Output("score", "FP64", (-1,)),), ((1, "a", True, 0.5),)
    )
    batch = Batch.of_columns(
        {
            "age": np.array([31, 62]),
            "city": np.array(["Bern", None], dtype=object),
            "member": np.array([True, False]),
            "income": np.array([0.5, np.nan]),
        }
    )
    outputs = _model(engine, contract=contract).predict(batch)
    sent = engine.requests[0].document["inputs"]

    assert outputs["score"].tolist() == [0.5, 0.25]
    assert [(entry["shape"], entry["datatype"], entry["data"]) for entry in sent] == [
        ([2], "INT32", [31, 62]),
        ([2, 1], "BYTES", ["Bern", None]),
        ([2, 1], "BOOL", [True, False]),
        ([2, 1], "FP32", [0.5, None]),
    ]


def test_tls_is_verified(tmp_path: Path) -> None:
    """Rows go to a server that proves itself to the named authority, and to no other."""
    made = ensure_certificates(tmp_path, datetime.now(UTC))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(made.certificate, made.key)
    with EngineServer(tls=tls) as engine:
        _predictions_fail(_model(engine), ModelUnavailable, "cannot be reached (SSLError")
        lost = _model(engine, ca_file=str(tmp_path / "lost.pem"))
        _predictions_fail(lost, ModelUnavailable, "ca_file")

        assert not engine.requests
        assert _predictions(_model(engine, ca_file=str(made.ca))) == [6.0, 0.5]
