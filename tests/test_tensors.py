"""Inference requests of the Open Inference Protocol: what is read, and what is refused."""

import json
import struct
from typing import Any

import numpy as np
import pytest
from app_fixture import AppFixture
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_wine
from werkzeug.test import TestResponse

from gateway.wire.tensors import MOST_TENSORS

ROWS = load_wine().data[:3]
INFER = "/v2/models/wine/infer"


def _tensor(**changes: Any) -> dict[str, Any]:
    tensor = {
        "name": "features",
        "datatype": "FP64",
        "shape": [3, 13],
        "data": ROWS.ravel().tolist(),
    }
    return {key: value for key, value in (tensor | changes).items() if value is not None}


def _post(gateway: AppFixture, body: Any, **headers: str) -> TestResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return gateway.client.post(INFER, data=data, headers={**gateway.bearer(), **headers})


def _binary(document: dict[str, Any], *parts: bytes, length: int | None = None) -> Any:
    heading = json.dumps(document).encode()
    fields = {"Inference-Header-Content-Length": str(len(heading) if length is None else length)}
    return heading + b"".join(parts), fields


@pytest.fixture(scope="module")
def expected(shared_gateway: AppFixture) -> list[int]:
    return shared_gateway.predict(ROWS.tolist()).json["predictions"]


@pytest.mark.parametrize(
    "inputs",
    [
        [_tensor()],
        [_tensor(data=ROWS.tolist())],
        [_tensor(name="input-0")],
        [_tensor(datatype="FP32")],
        [
            _tensor(name=name, shape=[3, 1], data=ROWS[:, index].tolist())
            for index, name in enumerate(load_wine().feature_names)
        ],
        [
            _tensor(name=name, shape=[3], data=ROWS[:, index].tolist())
            for index, name in reversed(list(enumerate(load_wine().feature_names)))
        ],
    ],
    ids=["flat", "nested", "any name", "FP32", "a column each", "in any order"],
)
def test_every_form_gets_the_same_answer(shared_gateway, expected, inputs):
    """Flat or nested, one matrix or one tensor for each feature."""
    response = _post(shared_gateway, {"id": "a", "inputs": inputs})
    outputs = {output["name"]: output for output in response.json["outputs"]}

    assert response.status_code == 200
    assert response.json["id"] == "a"
    assert (response.json["model_name"], response.json["model_version"]) == ("wine", "1")
    assert outputs["predictions"]["data"] == expected
    assert outputs["predictions"]["datatype"] == "INT64"
    assert outputs["probabilities"]["shape"] == [3, 3]


def test_binary_goes_both_ways(shared_gateway, expected):
    """Bytes in and out, told apart by their sizes."""
    values = ROWS.astype("<f8").tobytes()
    document = {
        "inputs": [_tensor(data=None, parameters={"binary_data_size": len(values)})],
        "outputs": [{"name": "predictions", "parameters": {"binary_data": True}}],
    }
    body, fields = _binary(document, values)
    response = _post(shared_gateway, body, **fields)
    length = int(response.headers["Inference-Header-Content-Length"])
    [output] = json.loads(response.data[:length])["outputs"]

    assert response.content_type == "application/octet-stream"
    assert output["parameters"] == {"binary_data_size": 24}
    assert np.frombuffer(response.data[length:], "<i8").tolist() == expected


def test_a_raw_body_is_one_row(shared_gateway, expected):
    """Inference-Header-Content-Length of 0: no JSON at all, and all outputs binary."""
    fields = {"Inference-Header-Content-Length": "0"}
    response = _post(shared_gateway, ROWS[0].astype("<f8").tobytes(), **fields)
    length = int(response.headers["Inference-Header-Content-Length"])
    sizes = [
        output["parameters"]["binary_data_size"]
        for output in json.loads(response.data[:length])["outputs"]
    ]

    assert sizes == [8, 24]
    assert struct.unpack("<q", response.data[length : length + 8]) == (expected[0],)


SIZED = _tensor(data=None, parameters={"binary_data_size": 312})


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"inputs": []}, 400),
        ({"inputs": [_tensor(), _tensor()]}, 400),
        ({"inputs": [_tensor(name="")]}, 400),
        ({"inputs": [_tensor(name=7)]}, 400),
        ({"inputs": [_tensor(datatype="FP128")]}, 400),
        ({"inputs": [_tensor(datatype=["FP64"])]}, 400),
        ({"inputs": [_tensor(shape=[])]}, 400),
        ({"inputs": [_tensor(shape=[3, -13])]}, 400),
        ({"inputs": [_tensor(shape=[3, 13.0])]}, 400),
        ({"inputs": [_tensor(shape=[4, 13])]}, 400),
        ({"inputs": [_tensor(shape=[10**18, 10**18])]}, 400),
        ({"inputs": [_tensor(data="abc")]}, 400),
        ({"inputs": [_tensor(data=[[1.0] * 12, [1.0] * 14, [1.0] * 13])]}, 400),
        ({"inputs": [_tensor(datatype="INT64")]}, 400),
        ({"inputs": [_tensor(data=[None] * 39)]}, 400),
        ({"inputs": [_tensor(data=["1"] * 39)]}, 400),
        ({"inputs": [_tensor(data=None)]}, 400),
        ({"inputs": [SIZED]}, 400),
        ({"inputs": _tensor()}, 400),
        ({"inputs": [[]]}, 400),
        ([_tensor()], 400),
        ({"inputs": [_tensor()], "outputs": [{"name": "nobody"}]}, 400),
        ({"inputs": [_tensor()], "outputs": ["predictions"]}, 400),
        ({"inputs": [_tensor()], "parameters": []}, 400),
        ({"inputs": [_tensor()], "id": 7}, 400),
        (b"", 400),
        (b'{"inputs": []', 400),
        (b'{"inputs": [], "inputs": []}', 400),
        ({"inputs": [_tensor(shape=[39], data=[1.0] * 39)]}, 422),
        ({"inputs": [_tensor(shape=[3, 13, 1])]}, 422),
        ({"inputs": [_tensor(shape=[1, 2], data=[1.0, 2.0])]}, 422),
        ({"inputs": [_tensor(shape=[0, 13], data=[])]}, 422),
        ({"inputs": [_tensor(datatype="BYTES", data=["1"] * 39)]}, 422),
        ({"inputs": [_tensor(datatype="BOOL", data=[True] * 39)]}, 422),
        ({"inputs": [_tensor(), _tensor(name="more")]}, 422),
    ],
)
def test_what_does_not_agree_is_refused(shared_gateway, body, status):
    """In the protocol's shape, with our code beside it and in the header."""
    response = _post(shared_gateway, body)

    assert response.status_code == status, response.json
    assert response.content_type == "application/json"
    assert response.json["error"]
    assert response.json["code"] == response.headers["Gateway-Error-Code"]
    assert response.json["request_id"] == response.headers["X-Request-ID"]


WIDE = ROWS[0].tolist()
NESTED = {
    "an empty row in a row": ([1, 13], [[WIDE, *[[]] * 12]]),
    "a number in an array of its own": ([1, 13], [[[WIDE[0]], *WIDE[1:]]]),
    "so in a flat tensor": ([1, 13], [[WIDE[0]], *WIDE[1:]]),
    "so behind the first number": ([1, 13], [WIDE[0], [WIDE[1]], *WIDE[2:]]),
    "one level too deep": ([1, 13], [[WIDE]]),
    "one level too flat": ([2, 13, 1], [WIDE, WIDE]),
    "rows of another length": ([13, 1], [WIDE]),
    "rows of two lengths": ([2, 13], [WIDE[:12], WIDE + WIDE[:1]]),
    "a row that is a number": ([1, 13], [WIDE[:12], WIDE[12]]),
    "an empty row": ([1, 13], [WIDE, []]),
    "a boolean": ([1, 13], [True, *WIDE[1:]]),
    "a boolean in a row": ([1, 13], [[*WIDE[:12], False]]),
}  # fmt: skip


@pytest.mark.parametrize("datatype", ["FP64", "FP32", "INT64", "UINT8"])
@pytest.mark.parametrize(("shape", "data"), NESTED.values(), ids=NESTED)
def test_elements_are_flat_or_nested_as_the_shape_says(shared_gateway, shape, data, datatype):
    """Whatever else adds up to as many numbers is refused: says which input, and what is right."""
    whole = json.loads(json.dumps(data), parse_float=lambda text: int(float(text)))
    tensor = _tensor(name="x", datatype=datatype, shape=shape)
    sent = tensor | {"data": whole if "INT" in datatype else data}
    response = _post(shared_gateway, {"inputs": [sent], "outputs": [{"name": "predictions"}]})

    assert response.status_code == 400, response.json
    assert response.json["input"] == "x"
    assert f"is not {datatype} of shape {shape}, flat or nested" in response.json["error"]


@pytest.mark.parametrize(("count", "status"), [(MOST_TENSORS, 422), (MOST_TENSORS + 1, 400)])
def test_inputs_are_counted_before_they_are_read(shared_gateway, count, status):
    """A million fit in a body, and would keep a worker busy for longer than a request may take."""
    inputs = [_tensor(name=f"x{at}", shape=[1], data=[1]) for at in range(count)]

    assert _post(shared_gateway, {"inputs": inputs}).status_code == status


def test_outputs_are_counted_too(shared_gateway):
    """One name is as good as another until it is looked up."""
    outputs = [{"name": f"x{at}"} for at in range(MOST_TENSORS + 1)]
    response = _post(shared_gateway, {"inputs": [_tensor()], "outputs": outputs})

    assert response.status_code == 400
    assert f"{MOST_TENSORS} outputs" in response.json["error"]


@pytest.mark.parametrize("name", ["[", "\\u005b"])
def test_brackets_in_names_hide_no_array(shared_gateway, name):
    """Arrays are counted by their brackets: one in a text, or an escaped one, is none."""
    good = _tensor(name=name.replace("\\u005b", "?"))
    hidden = good | {"data": [ROWS[0].tolist(), ROWS[1].tolist(), [[1.0], *ROWS[2].tolist()[1:]]]}
    bodies = [json.dumps({"inputs": [one]}).replace("?", name).encode() for one in (good, hidden)]

    assert [_post(shared_gateway, body).status_code for body in bodies] == [200, 400]


@pytest.mark.parametrize("length", [10**6, -1, "x", "1e3", "99999999999999999999"])
def test_lying_lengths_are_refused(shared_gateway, length):
    """Of the JSON part, whatever they say."""
    body, fields = _binary({"inputs": [SIZED]}, bytes(312), length=length)

    assert _post(shared_gateway, body, **fields).status_code == 400


@pytest.mark.parametrize("size", [311, 313, -1, 1.5, "312", True, None, 10**30])
def test_lying_sizes_are_refused(shared_gateway, size):
    """Of the bytes behind it: neither too few nor too many."""
    tensor = _tensor(data=None, parameters={"binary_data_size": size})
    body, fields = _binary({"inputs": [tensor]}, bytes(312))

    assert _post(shared_gateway, body, **fields).status_code == 400


def test_nan_in_bytes_is_refused(shared_gateway):
    """JSON has no NaN, bytes have: the contract says no to each, with its row and feature."""
    values = ROWS.copy()
    values[1, 2], values[2, 0] = np.nan, np.inf
    body, fields = _binary({"inputs": [SIZED]}, values.astype("<f8").tobytes())
    response = _post(shared_gateway, body, **fields)

    assert response.status_code == 422
    assert [(fault["row"], fault["code"]) for fault in response.json["errors"]] == [
        (1, "missing_value"),
        (2, "not_finite"),
    ]


@settings(max_examples=150)
@given(noise=st.binary(max_size=300), length=st.integers(0, 300))
def test_noise_is_refused(shared_gateway, noise, length):
    """Whatever the bytes, the answer is a refusal of ours, never a failure."""
    for fields in ({}, {"Inference-Header-Content-Length": str(length)}):
        response = _post(shared_gateway, noise, **fields)

        assert 400 <= response.status_code < 500
        assert response.json["error"]


def test_unknown_paths_speak_the_protocol(shared_gateway):
    """404 and 405 too, and the refusal of a caller without a token."""
    unknown = shared_gateway.client.get("/v2/models/wine/nothing", headers=shared_gateway.bearer())
    wrong = shared_gateway.client.delete(INFER, headers=shared_gateway.bearer())
    stranger = shared_gateway.client.get("/v2")

    assert [answer.status_code for answer in (unknown, wrong, stranger)] == [404, 405, 401]
    assert all(answer.json["error"] for answer in (unknown, wrong, stranger))
    assert stranger.headers["WWW-Authenticate"].startswith("Bearer")
