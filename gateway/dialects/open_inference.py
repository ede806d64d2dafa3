"""Open Inference Protocol v2, as KServe, Triton and MLServer speak it.

Source: open-inference-protocol, specification/protocol/inference_rest.md; Triton's extensions
for binary tensors and the model repository.
"""

import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from gateway.dialects import open_inference_operations as operations
from gateway.dialects.endpoint import Call, Dialect, Endpoint, Reply
from gateway.dialects.open_inference_extensions import (
    MATRIX_INPUT,
    all_statistics,
    config,
    input_tensors,
    statistics,
)
from gateway.errors import BadRequest, EmptyBody, problem_with_error
from gateway.principal import ANY_TOKEN, PUBLIC
from gateway.wire.encode import encode_json
from gateway.wire.media_type import JSON
from gateway.wire.tensor_batch import batch_of_tensors
from gateway.wire.tensors import TensorRequest, read_tensors
from model import Contract, Prediction
from model.batch import Array
from model.tensor_data import to_binary, to_json

_HEADER_LENGTH = "Inference-Header-Content-Length"
_OCTETS = "application/octet-stream"
_EXTENSIONS = ("binary_tensor_data", "model_repository", "model_configuration", "statistics")
_VERSION = version("model-gateway")


def server(_call: Call) -> Reply:
    """Server metadata."""
    return _json({"name": "model-gateway", "version": _VERSION, "extensions": _EXTENSIONS})


def live(_call: Call) -> Reply:
    """Both keys, because the specification's text and its YAML name different ones."""
    return _json({"live": True, "ready": True})


def ready(call: Call) -> Reply:
    """Clients judge by the status or by the body, so both say it."""
    return _json({"live": True, "ready": call.ready}, 200 if call.ready else 503)


def metadata(call: Call) -> Reply:
    """Names, datatypes and shapes; -1 is the number of rows."""
    contract = call.model().contract
    return _json(
        {
            "name": contract.model_name,
            "versions": [contract.model_version],
            "platform": "model-gateway",
            "inputs": [
                {"name": name, "datatype": datatype, "shape": shape}
                for name, datatype, shape in input_tensors(contract)
            ],
            "outputs": [
                {"name": output.name, "datatype": output.datatype, "shape": output.shape}
                for output in contract.outputs
            ],
        }
    )


def model_ready(call: Call) -> Reply:
    """A model that is not ready, or says that it is not well, is a problem: no status of 200."""
    model = call.model()
    call.health_status(model)
    return _json({"name": model.name, "ready": True})


def infer(call: Call) -> Reply:
    """Predict. tritonclient sends no Content-Type, so what the body is, its header tells."""
    model = call.model()
    body = call.body()
    if not body:
        raise EmptyBody
    asked = _asked(call, body, model.contract)
    batch = batch_of_tensors(asked.inputs, model.contract, call.max_rows)
    _require_known(asked, model.contract)
    prediction = call.predict(model, batch)
    return _answer(prediction, model.contract, asked)


def _asked(call: Call, body: bytes, contract: Contract) -> TensorRequest:
    header_length = call.header(_HEADER_LENGTH)
    if header_length.strip() != "0":
        return read_tensors(body, header_length, call.parse_json)
    # A raw request: the body is one row of the only input, and the answer is binary.
    if not contract.dense:
        raise BadRequest("A raw body needs a model that takes one tensor of numbers.")
    return TensorRequest.raw(MATRIX_INPUT, body)


def _require_known(asked: TensorRequest, contract: Contract) -> None:
    known = {output.name for output in contract.outputs}
    for parameters in (asked.outputs or {}).values():
        if not parameters.keys() <= {"binary_data"}:
            # Left alone it would look as if it had been done: classification, shared memory.
            raise BadRequest("Of the parameters of an output only binary_data is understood.")
    if asked.outputs is not None and not set(asked.outputs) <= known:
        raise BadRequest(f"The model's outputs are {', '.join(sorted(known))}.")


def _answer(prediction: Prediction, contract: Contract, asked: TensorRequest) -> Reply:
    datatypes = {output.name: output.datatype for output in contract.outputs}
    outputs: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for name in asked.outputs if asked.outputs is not None else prediction.outputs:
        array = prediction.outputs[name]
        heading: dict[str, Any] = {
            "name": name,
            "datatype": datatypes[name],
            "shape": array.shape,
        }
        part = _binary_part(array, datatypes[name], asked, name)
        if part is None:
            heading["data"] = to_json(array, datatypes[name])
        else:
            heading["parameters"] = {"binary_data_size": len(part)}
            parts.append(part)
        outputs.append(heading)
    return _reply(prediction, asked, outputs, parts)


def _binary_part(array: Array, datatype: str, asked: TensorRequest, name: str) -> bytes | None:
    wanted = asked.parameters.get("binary_data_output", False)
    if asked.outputs is not None:
        wanted = asked.outputs[name].get("binary_data", wanted)
    return to_binary(array, datatype) if wanted is True else None


def _reply(
    prediction: Prediction,
    asked: TensorRequest,
    outputs: list[dict[str, Any]],
    parts: list[bytes],
) -> Reply:
    answer: dict[str, Any] = {
        "model_name": prediction.model_name,
        "model_version": prediction.model_version,
    }
    if asked.request_id:
        answer["id"] = asked.request_id
    heading = encode_json({**answer, "outputs": outputs})
    if not parts:
        return Reply(heading, JSON)
    fields = {_HEADER_LENGTH: str(len(heading))}
    return Reply(b"".join([heading, *parts]), _OCTETS, headers=fields)


def repository_index(call: Call) -> Reply:
    """The models that the caller may use; a body, empty or not, may ask for the ready ones."""
    body = call.body()
    only_ready = bool(body) and _asks_for_ready(call, body)
    entries = [_index_entry(name, call.ready_version(name)) for name in call.model_names()]
    listed = [entry for entry in entries if entry["state"] == "READY" or not only_ready]
    return Reply(encode_json(listed), JSON)


def _asks_for_ready(call: Call, body: bytes) -> bool:
    document = call.parse_json(body)
    if document.member_names() is None:
        raise BadRequest('Send {"ready": true}, or no body.')
    root = document.root()
    ready_only = root.get("ready", False)
    if not isinstance(ready_only, bool):
        raise BadRequest("ready is true or false.")
    return ready_only


def _index_entry(name: str, version: str | None) -> dict[str, str]:
    if version is None:
        return {"name": name, "state": "UNAVAILABLE", "reason": "no version is ready"}
    return {"name": name, "version": version, "state": "READY", "reason": ""}


def _json(value: Mapping[str, Any], status: int = 200) -> Reply:
    return Reply(encode_json(value), JSON, status)


_MODEL = "/v2/models/<model_name:model_name>"
_VERSION_OF_IT = f"{_MODEL}/versions/<model_version:version>"

DIALECT = Dialect(
    name="open_inference",
    paths=re.compile(r"/v2(/|$)"),
    endpoints=(
        Endpoint("server", ("/v2", "/v2/"), "GET", ANY_TOKEN, server, operation=operations.SERVER),
        Endpoint("live", ("/v2/health/live",), "GET", PUBLIC, live, operation=operations.LIVE),
        Endpoint("ready", ("/v2/health/ready",), "GET", PUBLIC, ready, operation=operations.READY),
        Endpoint(
            "metadata",
            (_MODEL, _VERSION_OF_IT),
            "GET",
            "read",
            metadata,
            operation=operations.metadata,
        ),
        Endpoint(
            "model_ready",
            (f"{_MODEL}/ready", f"{_VERSION_OF_IT}/ready"),
            "GET",
            "read",
            model_ready,
            operation=operations.model_ready,
        ),
        Endpoint(
            "config",
            (f"{_MODEL}/config", f"{_VERSION_OF_IT}/config"),
            "GET",
            "read",
            config,
            operation=operations.config,
        ),
        Endpoint(
            "statistics",
            (f"{_MODEL}/stats", f"{_VERSION_OF_IT}/stats"),
            "GET",
            "read",
            statistics,
            operation=operations.statistics,
        ),
        Endpoint(
            "all_statistics",
            ("/v2/models/stats",),
            "GET",
            ANY_TOKEN,
            all_statistics,
            operation=operations.ALL_STATISTICS,
        ),
        Endpoint(
            "infer",
            (f"{_MODEL}/infer", f"{_VERSION_OF_IT}/infer"),
            "POST",
            "predict",
            infer,
            takes_rows=True,
            operation=operations.infer,
        ),
        Endpoint(
            "index",
            ("/v2/repository/index",),
            "POST",
            ANY_TOKEN,
            repository_index,
            operation=operations.INDEX,
        ),
    ),
    problem=problem_with_error,
    error=operations.ERROR,
)
