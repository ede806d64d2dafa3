"""Clients that others wrote for the Open Inference Protocol, against the running stack."""

import json
from collections.abc import Iterator
from typing import Any

import gevent.ssl
import numpy as np
import pytest
import tritonclient.http as triton
from open_inference.openapi.client import OpenInferenceClient
from open_inference.openapi.types import InferenceRequest, RequestInput
from stack_process import ROOT, Stack, bearer
from tritonclient.utils import InferenceServerException

MODEL = "breast-cancer"
ROWS = np.array(json.loads((ROOT / "examples/breast_cancer/request.json").read_text())["data"])


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(
        stack.base_url.removeprefix("https://"),
        ssl=True,
        ssl_options={"ca_certs": str(stack.data_dir / "tls" / "ca.pem")},
        ssl_context_factory=gevent.ssl.create_default_context,
    ) as client:
        yield client


@pytest.fixture(scope="module")
def expected(stack: Stack, token: str) -> dict[str, Any]:
    """What our own path answers."""
    with stack.client() as own:
        path = f"/v1/models/{MODEL}/predict"
        answer: dict[str, Any] = own.post(path, json=ROWS.tolist(), headers=bearer(token)).json()
    return answer


def test_triton_finds_server_and_model(client: triton.InferenceServerClient, token: str) -> None:
    """Health needs no token; metadata says what to send and what comes back."""
    headers = bearer(token)
    metadata = client.get_model_metadata(MODEL, headers=headers)

    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL, headers=headers)
    assert client.is_model_ready(MODEL, "1", headers=headers)
    assert not client.is_model_ready("nobody", headers=headers)
    assert "binary_tensor_data" in client.get_server_metadata(headers=headers)["extensions"]
    assert metadata["inputs"] == [{"name": "features", "datatype": "FP64", "shape": [-1, 30]}]
    assert [output["name"] for output in metadata["outputs"]] == ["predictions", "probabilities"]
    assert {"name": MODEL, "version": "1", "state": "READY", "reason": ""} in (
        client.get_model_repository_index(headers=headers)
    )


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("datatype", ["FP64", "FP32"])
def test_triton_predicts(  # noqa: PLR0917  # Every way to send and to receive.
    client: triton.InferenceServerClient,
    token: str,
    expected: dict[str, Any],
    compression: str | None,
    binary_in: bool,
    binary_out: bool,
    datatype: str,
) -> None:
    """JSON or binary, compressed or not, both ways: the answers are those of our own path."""
    tensor = triton.InferInput("features", list(ROWS.shape), datatype)
    values = ROWS.astype(np.float64 if datatype == "FP64" else np.float32)
    tensor.set_data_from_numpy(values, binary_data=binary_in)
    names = ("predictions", "probabilities")
    wanted = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in names]
    result = client.infer(
        MODEL,
        [tensor],
        outputs=wanted,
        request_id="call-7",
        headers=bearer(token),
        request_compression_algorithm=compression,
        response_compression_algorithm=compression,
    )

    assert result.get_response()["id"] == "call-7"
    assert result.get_response()["model_version"] == "1"
    assert result.as_numpy("predictions").tolist() == expected["predictions"]
    tolerance = 1e-12 if datatype == "FP64" else 1e-6
    assert np.allclose(
        result.as_numpy("probabilities"), expected["probabilities"], rtol=0, atol=tolerance
    )


def test_triton_understands_our_refusals(client: triton.InferenceServerClient) -> None:
    """Without a token, the reason arrives as Triton's own would."""
    tensor = triton.InferInput("features", [1, 2], "FP64")
    tensor.set_data_from_numpy(np.zeros((1, 2)))
    with pytest.raises(InferenceServerException) as refused:
        client.infer(MODEL, [tensor])

    assert "access token" in refused.value.message()


def test_triton_is_told_of_a_wrong_shape(client: triton.InferenceServerClient, token: str) -> None:
    """422 in the protocol's shape."""
    tensor = triton.InferInput("features", [1, 2], "FP64")
    tensor.set_data_from_numpy(np.zeros((1, 2)))
    with pytest.raises(InferenceServerException) as refused:
        client.infer(MODEL, [tensor], headers=bearer(token))

    assert refused.value.status() == "422"


def test_the_published_description_is_spoken(
    stack: Stack, token: str, expected: dict[str, Any]
) -> None:
    """A client generated from the protocol's OpenAPI document."""
    with stack.client(headers=bearer(token)) as http:
        client = OpenInferenceClient(base_url=stack.base_url, httpx_client=http)
        values = ROWS.ravel().tolist()
        tensor = RequestInput(name="features", shape=list(ROWS.shape), datatype="FP64", data=values)
        answer = client.model_infer(MODEL, request=InferenceRequest(inputs=[tensor]))

        # These raise for any status but 200, and read no body.
        client.check_server_liveness()
        client.check_server_readiness()
        client.check_model_readiness(MODEL)
        metadata = client.read_model_metadata(MODEL)

    assert metadata.name == MODEL
    assert answer.outputs[0].data.__root__ == expected["predictions"]


def test_nginx_speaks_it_too(stack: Stack, token: str) -> None:
    """What nginx refuses on these paths has the key that clients look for."""
    with stack.client() as http:
        too_large = http.post(
            f"/v2/models/{MODEL}/infer", content=bytes(17 << 20), headers=bearer(token)
        )

    assert too_large.status_code == 413
    assert too_large.json()["error"]
