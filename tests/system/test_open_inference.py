"""Clients that others wrote for the Open Inference Protocol, against the running stack."""

from collections.abc import Callable, Iterator
from typing import Any

import gevent.ssl
import numpy as np
import pytest
import tritonclient.http as triton
from compatibility import Matrix, installed
from open_inference.openapi.client import OpenInferenceClient
from open_inference.openapi.types import InferenceRequest, RequestInput
from stack_process import Stack, bearer
from triton_calls import (
    DENSE,
    MIXED,
    PROTOCOL,
    ROWS,
    SYNC,
    VARIANTS,
    Variant,
    column_inputs,
    matrix_input,
    require_answer,
    travelling,
)
from tritonclient.utils import InferenceServerException

OPENAPI = installed("open-inference-openapi")


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(
        stack.base_url.removeprefix("https://"),
        ssl=True,
        ssl_options={"ca_certs": str(stack.data_dir / "tls" / "ca.pem")},
        ssl_context_factory=gevent.ssl.create_default_context,
    ) as client:
        yield client


def test_triton_finds_server_and_model(
    client: triton.InferenceServerClient, token: str, matrix: Matrix
) -> None:
    """Health needs no token; metadata says what to send and what comes back."""
    headers = bearer(token)
    metadata = client.get_model_metadata(DENSE, headers=headers)

    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(DENSE, headers=headers)
    assert client.is_model_ready(DENSE, "1", headers=headers)
    assert not client.is_model_ready("nobody", headers=headers)
    assert "binary_tensor_data" in client.get_server_metadata(headers=headers)["extensions"]
    assert metadata["inputs"] == [{"name": "features", "datatype": "FP64", "shape": [-1, 30]}]
    assert [output["name"] for output in metadata["outputs"]] == ["predictions", "probabilities"]
    assert {"name": DENSE, "version": "1", "state": "READY", "reason": ""} in (
        client.get_model_repository_index(headers=headers)
    )
    configuration = client.get_model_config(DENSE, headers=headers)
    assert configuration["input"] == [{"name": "features", "data_type": "TYPE_FP64", "dims": [30]}]
    for call in ("server metadata", "live", "ready", "model ready", "model metadata", "index"):
        matrix.works(SYNC, PROTOCOL, call)
    matrix.works(SYNC, PROTOCOL, "model config")


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_triton_predicts_from_numbers(
    client: triton.InferenceServerClient,
    token: str,
    dense_answer: dict[str, Any],
    variant: Variant,
    matrix: Matrix,
) -> None:
    """JSON or binary, compressed or not, both ways: the answers are those of our own path."""
    result = client.infer(DENSE, matrix_input(variant), **travelling(variant, bearer(token)))

    require_answer(result, dense_answer)
    matrix.works(SYNC, PROTOCOL, "infer, numbers in one tensor", str(variant))


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_triton_predicts_from_mixed_types(
    client: triton.InferenceServerClient,
    token: str,
    mixed_answer: dict[str, Any],
    variant: Variant,
    matrix: Matrix,
) -> None:
    """Text, numbers and truth values, a tensor for each; the predictions are text."""
    result = client.infer(MIXED, column_inputs(variant), **travelling(variant, bearer(token)))

    require_answer(result, mixed_answer)
    matrix.works(SYNC, PROTOCOL, "infer, mixed types with BYTES", str(variant))


@pytest.mark.parametrize(
    ("datatype", "binary"),
    [("FP32", True), ("FP32", False), ("FP16", True), ("BF16", True)],
)
def test_triton_predicts_from_other_datatypes(  # noqa: PLR0917  # Fixtures.
    client: triton.InferenceServerClient,
    token: str,
    dense_answer: dict[str, Any],
    datatype: str,
    binary: bool,
    matrix: Matrix,
) -> None:
    """Numbers of less precision than the model's; two of them have a binary form only."""
    variant = Variant(binary, True, None)
    inputs = matrix_input(variant, datatype)
    result = client.infer(DENSE, inputs, **travelling(variant, bearer(token)))

    require_answer(result, dense_answer, atol=1e-6 if datatype == "FP32" else 1e-2)
    matrix.works(SYNC, PROTOCOL, f"infer, {datatype}", str(variant))


def test_triton_gets_the_outputs_it_names(
    client: triton.InferenceServerClient, token: str, matrix: Matrix
) -> None:
    """One of two; all, in binary, where none is named; an unknown one is refused."""
    inputs = matrix_input(Variant(True, True, None))
    one = client.infer(
        DENSE,
        inputs,
        outputs=[triton.InferRequestedOutput("probabilities")],
        parameters={"note": "ours"},
        headers=bearer(token),
    )
    every = client.infer(DENSE, inputs, headers=bearer(token))
    with pytest.raises(InferenceServerException) as refused:
        client.infer(
            DENSE,
            inputs,
            outputs=[triton.InferRequestedOutput("nothing")],
            headers=bearer(token),
        )

    assert one.as_numpy("predictions") is None
    assert one.as_numpy("probabilities").shape == (1, 2)
    assert every.as_numpy("predictions").shape == (1,)
    assert refused.value.status() == "400"
    matrix.works(SYNC, PROTOCOL, "infer, outputs by name")


def test_triton_reads_statistics(
    client: triton.InferenceServerClient, stack: Stack, token: str, matrix: Matrix
) -> None:
    """Of all workers, whichever of them answered, once each has said what it counted."""
    headers = bearer(token)
    asked = matrix_input(Variant(binary_in=True, binary_out=True, compression=None))

    def calls() -> int:
        answer = client.get_inference_statistics(DENSE, headers=headers)
        counts = [each["execution_count"] for each in answer["model_stats"]]
        return sum(counts)

    before = calls()
    for _ in range(5):
        client.infer(DENSE, asked, headers=headers)
    stack.wait_until(lambda: calls() >= before + 5, 30, "counted")

    assert client.get_inference_statistics(DENSE, "1", headers=headers)["model_stats"]
    assert client.get_inference_statistics(headers=headers)["model_stats"]
    matrix.works(SYNC, PROTOCOL, "statistics")


def test_triton_unloads_and_loads(
    client: triton.InferenceServerClient, stack: Stack, telephone: str, matrix: Matrix
) -> None:
    """For a partner with the scope of this model only; when a call returns, all workers follow."""
    scopes = ["--scope", f"model:{telephone}:admin", "--scope", "model:*:read"]
    credentials = stack.cli_json("partner", "create", "mover", "--plan", "unlimited", *scopes)
    headers = bearer(stack.token(credentials))
    try:
        eventually(client.unload_model, telephone, headers=headers)
        gone = client.is_model_ready(telephone, headers=headers)
    finally:
        eventually(client.load_model, telephone, headers=headers)
    with pytest.raises(InferenceServerException) as refused:
        client.unload_model(DENSE, headers=headers)
    actions = [(entry["actor"], entry["action"]) for entry in stack.cli_json("audit")]

    assert not gone
    assert client.is_model_ready(telephone, headers=headers)
    assert refused.value.status() == "403"
    assert ("partner mover", "model_unloaded") in actions
    assert ("partner mover", "model_promoted") in actions
    for call in ("unload", "load"):
        matrix.works(SYNC, PROTOCOL, call)


def eventually(call: Callable[..., None], model: str, **options: Any) -> None:
    """Ask again while the answer is that not all workers follow yet, as it says."""
    for _ in range(20):
        try:
            return call(model, **options)
        except InferenceServerException as exc:
            assert exc.status() == "503"  # noqa: PT017  # Any other is raised by this.
    raise AssertionError("the workers never followed")


def test_triton_understands_our_refusals(client: triton.InferenceServerClient) -> None:
    """Without a token, the reason arrives as Triton's own would."""
    tensor = triton.InferInput("features", [1, 2], "FP64")
    tensor.set_data_from_numpy(np.zeros((1, 2)))
    with pytest.raises(InferenceServerException) as refused:
        client.infer(DENSE, [tensor])

    assert "access token" in refused.value.message()


def test_triton_is_told_of_a_wrong_shape(client: triton.InferenceServerClient, token: str) -> None:
    """422 in the protocol's shape."""
    tensor = triton.InferInput("features", [1, 2], "FP64")
    tensor.set_data_from_numpy(np.zeros((1, 2)))
    with pytest.raises(InferenceServerException) as refused:
        client.infer(DENSE, [tensor], headers=bearer(token))

    assert refused.value.status() == "422"


def test_the_published_description_is_spoken(
    stack: Stack, token: str, dense_answer: dict[str, Any], matrix: Matrix
) -> None:
    """A client generated from the protocol's OpenAPI document."""
    with stack.client(headers=bearer(token)) as http:
        client = OpenInferenceClient(base_url=stack.base_url, httpx_client=http)
        values = ROWS.ravel().tolist()
        tensor = RequestInput(name="features", shape=list(ROWS.shape), datatype="FP64", data=values)
        answer = client.model_infer(DENSE, request=InferenceRequest(inputs=[tensor]))

        # These raise for any status but 200, and read no body.
        client.check_server_liveness()
        client.check_server_readiness()
        client.check_model_readiness(DENSE)
        metadata = client.read_model_metadata(DENSE)

    assert metadata.name == DENSE
    assert answer.outputs[0].data.__root__ == dense_answer["predictions"]
    for call in ("live", "ready", "model ready", "model metadata"):
        matrix.works(OPENAPI, PROTOCOL, call)
    plain = str(Variant(binary_in=False, binary_out=False, compression=None))
    matrix.works(OPENAPI, PROTOCOL, "infer, numbers in one tensor", plain)


def test_nginx_speaks_it_too(stack: Stack, token: str) -> None:
    """What nginx refuses on these paths has the key that clients look for."""
    with stack.client() as http:
        too_large = http.post(
            f"/v2/models/{DENSE}/infer", content=bytes(17 << 20), headers=bearer(token)
        )

    assert too_large.status_code == 413
    assert too_large.json()["error"]
