"""What is sent to an engine, compared with tritonclient's; and what is believed of its answer."""

import json
from typing import Any

import numpy as np
import pytest
from app_fixture import AppFixture
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

from model import ModelFailed
from model.remote.open_inference import HEADER_LENGTH, Tensor, decode_answer, encode_request

_VALUES = np.array([[1.5, -2.0], [0.0, 4.25]])
_TEXTS = np.array([["Zürich"], [""]], dtype=object)
_TENSORS = [Tensor("numbers", "FP64", _VALUES), Tensor("city", "BYTES", _TEXTS)]


def _tritons(*, binary: bool) -> tuple[bytes, int | None]:
    inputs = [InferInput("numbers", [2, 2], "FP64"), InferInput("city", [2, 1], "BYTES")]
    inputs[0].set_data_from_numpy(_VALUES, binary_data=binary)
    inputs[1].set_data_from_numpy(_TEXTS, binary_data=binary)
    outputs = [InferRequestedOutput("predict", binary_data=binary)]
    body, length = InferenceServerClient.generate_request_body(inputs, outputs=outputs)
    return bytes(body), length


def test_binary_request_is_the_one_that_tritonclient_sends() -> None:
    """The same JSON, the same bytes behind it, the same length of the first."""
    body, headers = encode_request(_TENSORS, ["predict"], binary=True)
    expected, expected_length = _tritons(binary=True)
    assert expected_length is not None
    length = int(headers[HEADER_LENGTH])

    assert json.loads(body[:length]) == json.loads(expected[:expected_length])
    assert body[length:] == expected[expected_length:]


def test_json_request_is_the_one_that_tritonclient_sends() -> None:
    """Elements flat, no parameters, and outputs by name."""
    body, headers = encode_request(_TENSORS, ["predict"], binary=False)
    expected = json.loads(_tritons(binary=False)[0])
    expected["outputs"] = [{"name": output["name"]} for output in expected["outputs"]]

    assert json.loads(body) == expected
    assert headers == {"Content-Type": "application/json"}


def test_binary_answer_is_asked_for_where_no_output_is_named() -> None:
    """Then the request as a whole says so."""
    body, headers = encode_request(_TENSORS[:1], [], binary=True)

    assert json.loads(body[: int(headers[HEADER_LENGTH])])["parameters"] == {
        "binary_data_output": True
    }


def test_missing_text_is_sent_as_json_even_to_an_engine_that_takes_bytes() -> None:
    """A text that is not there has no byte form."""
    city = Tensor("city", "BYTES", np.array(["a", None], dtype=object))
    body, headers = encode_request([city], [], binary=True)

    assert HEADER_LENGTH not in headers
    assert json.loads(body)["inputs"][0]["data"] == ["a", None]


def test_answer_of_json_and_bytes_is_read_in_order() -> None:
    """Outputs of both kinds in one answer; the bytes follow in the order of their headings."""
    numbers, texts = _VALUES.astype("<f4").tobytes(), b"\x02\x00\x00\x00no\x03\x00\x00\x00yes"
    document = {
        "model_name": "churn",
        "model_version": "3",
        "outputs": [
            _output("scores", "FP32", [2, 2], parameters={"binary_data_size": len(numbers)}),
            _output("labels", "INT64", [2], data=[0, 1]),
            _output("words", "BYTES", [2], parameters={"binary_data_size": len(texts)}),
        ],
    }
    heading = json.dumps(document).encode()
    answer = decode_answer(heading + numbers + texts, str(len(heading)))

    assert (answer.model_name, answer.model_version) == ("churn", "3")
    assert answer.outputs["scores"].tolist() == _VALUES.tolist()
    assert answer.outputs["labels"].tolist() == [0, 1]
    assert answer.outputs["words"].tolist() == ["no", "yes"]


def _output(name: str, datatype: str, shape: list[int], **members: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, **members}


def _answer(*outputs: Any, **members: Any) -> bytes:
    return json.dumps({"model_name": "m", "outputs": list(outputs), **members}).encode()


_GOOD = _output("y", "FP64", [1], data=[1.0])


@pytest.mark.parametrize(
    ("body", "length"),
    [
        (b"", None),
        (b"[]", None),
        (b'"text"', None),
        (b'{"model_name": NaN}', None),
        (b"[" * 100_000, None),
        (_answer(), "1000"),
        (_answer(), "-1"),
        (_answer(), "1e3"),
        (_answer(_GOOD) + b"rest", str(len(_answer(_GOOD)))),
        (json.dumps({"outputs": []}).encode(), None),
        (json.dumps({"model_name": "m"}).encode(), None),
        (_answer("y"), None),
        (_answer(model_name=1), None),
        (_answer(model_version=1), None),
        (_answer(_GOOD, _GOOD), None),
        (_answer({**_GOOD, "datatype": "BF16"}), None),
        (_answer({**_GOOD, "datatype": None}), None),
        (_answer({**_GOOD, "name": ""}), None),
        (_answer({**_GOOD, "shape": [2]}), None),
        (_answer({**_GOOD, "shape": [2**62]}), None),
        (_answer({**_GOOD, "shape": [-1]}), None),
        (_answer({**_GOOD, "shape": [1.0]}), None),
        (_answer({**_GOOD, "shape": [True]}), None),
        (_answer({**_GOOD, "shape": []}), None),
        (_answer({**_GOOD, "shape": [1] * 99}), None),
        (_answer({**_GOOD, "shape": 1}), None),
        (_answer({**_GOOD, "data": None}), None),
        (_answer({**_GOOD, "data": ["1"]}), None),
        (_answer({**_GOOD, "parameters": {"binary_data_size": 8}}), None),
        (_answer({**_GOOD, "parameters": {"binary_data_size": -8}}), None),
        (_answer({**_GOOD, "parameters": {"binary_data_size": True}}), None),
    ],
)
def test_answer_that_is_not_what_it_says_is_refused(body: bytes, length: str | None) -> None:
    """Sizes that lie, kinds that differ, parts that are missing: none becomes a prediction."""
    with pytest.raises(ModelFailed):
        decode_answer(body, length)


@pytest.mark.parametrize("ready", [1, "true", None, {}])
def test_the_index_asks_in_true_or_false(shared_gateway: AppFixture, ready: object) -> None:
    """Another value is refused, not taken for false."""
    response = shared_gateway.client.post(
        "/v2/repository/index", json={"ready": ready}, headers=shared_gateway.bearer()
    )

    assert response.status_code == 400
    assert "ready is true or false" in response.json["error"]
