"""TensorFlow Serving's REST API and KServe's v1, which has the same predict path.

Sources: TensorFlow Serving, g3doc/api_rest.md; KServe, Data Plane v1. The status of a model is at
the path of our own contract, so `status` gives members that stand in it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.dialects import instances
from gateway.dialects import tensorflow_serving_operations as operations
from gateway.dialects.endpoint import Call, Dialect, Endpoint, Reply
from gateway.dialects.output_choice import default_output, outputs_by_choice
from gateway.errors import PROBLEM_JSON, BadRequest, EmptyBody, Problem
from gateway.wire.encode import encode_json
from gateway.wire.json_document import JsonDocument
from gateway.wire.media_type import JSON
from model import Batch, Contract, Output

_SHAPES = (
    'Send {"instances": […]} or {"inputs": {…}}, and a "signature_name" beside it if you like.'
)
_DEFAULT_SIGNATURE = "serving_default"
_DTYPES = {"FP64": "DOUBLE", "FP32": "FLOAT", "FP16": "HALF", "BYTES": "STRING"}


def predict(call: Call) -> Reply:
    """One output of the model: by default its first, which of a classifier are the labels."""
    model = call.model()
    contract = model.contract
    body = call.body()
    if not body:
        raise EmptyBody
    document = call.parse_json(body)
    names = set(document.member_names() or ())
    shape = names - {"signature_name"}
    if shape not in ({"instances"}, {"inputs"}):
        document.refuse()
        raise BadRequest(f"The body has not one of instances and inputs. {_SHAPES}")
    output = (
        _output(document, contract) if "signature_name" in names else default_output(contract).name
    )
    batch, keys = _batch(document, contract, by_row="instances" in shape)
    answer = call.predict(model, batch).outputs[output]
    return _json(dict.fromkeys(keys, answer))


def _batch(
    document: JsonDocument, contract: Contract, *, by_row: bool
) -> tuple[Batch, Sequence[str]]:
    """The rows, and the members that callers look for in the answer."""
    if by_row:
        return instances.by_row(document, "instances", contract), ("predictions",)
    if document.is_object("inputs"):
        return instances.by_column(document, "inputs", contract), ("outputs",)
    # TensorFlow's clients read the first of these, KServe's the second.
    return instances.by_row(document, "inputs", contract), ("outputs", "predictions")


def _output(document: JsonDocument, contract: Contract) -> str:
    """The output that a signature gives."""
    signatures = _signatures(contract)
    wanted = document.root()["signature_name"]
    if not isinstance(wanted, str) or wanted not in signatures:
        raise BadRequest(f"signature_name is not one of {', '.join(signatures)}.")
    return signatures[wanted].name


def _signatures(contract: Contract) -> Mapping[str, Output]:
    return {_DEFAULT_SIGNATURE: default_output(contract), **outputs_by_choice(contract)}


def metadata(call: Call) -> Reply:
    """Inputs and outputs of each signature."""
    contract = call.model().contract
    inputs = _inputs(contract)
    signatures = {
        name: {
            "inputs": inputs,
            "outputs": {output.name: _tensor(output.datatype, output.shape)},
            "method_name": "tensorflow/serving/predict",
        }
        for name, output in _signatures(contract).items()
    }
    specification = {"name": contract.model_name, "version": contract.model_version}
    return _json(
        {
            "model_spec": {**specification, "signature_name": ""},
            "metadata": {"signature_def": {"signature_def": signatures}},
        }
    )


def _inputs(contract: Contract) -> Mapping[str, Any]:
    if contract.dense:
        return {instances.MATRIX: _tensor("FP64", (-1, len(contract.features)))}
    return {feature.name: _tensor(feature.datatype, (-1,)) for feature in contract.features}


def _tensor(datatype: str, shape: Sequence[int]) -> Mapping[str, Any]:
    sizes = [{"size": str(size), "name": ""} for size in shape]
    return {
        "dtype": f"DT_{_DTYPES.get(datatype, datatype)}",
        "tensor_shape": {"dim": sizes, "unknown_rank": False},
        "name": "",
    }


def status(name: str, versions: Sequence[str]) -> Mapping[str, Any]:
    """What clients of KServe (`name`, `ready`) and TensorFlow Serving ask of a model's path.

    Args:
        versions: those in service here that callers may name.
    """
    return {
        "name": name,
        "ready": True,
        "model_version_status": [
            {
                "version": version,
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
            for version in versions
        ],
    }


def problem(failure: Problem, request_id: str) -> tuple[bytes, str]:
    """{"error": text}; further facts of ours stand beside it, which no client minds."""
    return encode_json({"error": failure.detail, **failure.body(request_id)}), JSON


def problem_of_shared_path(failure: Problem, request_id: str) -> tuple[bytes, str]:
    """A problem of ours with an `error` in it (RFC 9457 section 3.2 lets it have members)."""
    body, _ = problem(failure, request_id)
    return body, PROBLEM_JSON


def _json(value: Mapping[str, Any]) -> Reply:
    return Reply(encode_json(value), JSON)


_MODEL = "/v1/models/<model_name:model_name>"
_VERSION_OF_IT = f"{_MODEL}/versions/<model_version:version>"
_PATH = "/v1/models/[^/]+(/(versions|labels)/[^/]+)?"

DIALECT = Dialect(
    name="tensorflow_serving",
    paths=re.compile(f"{_PATH}(:[^/]*|/metadata)$"),
    endpoints=(
        Endpoint(
            "predict",
            (f"{_MODEL}:predict", f"{_VERSION_OF_IT}:predict"),
            "POST",
            "predict",
            predict,
            takes_rows=True,
            operation=operations.predict,
        ),
        Endpoint(
            "metadata",
            (f"{_MODEL}/metadata", f"{_VERSION_OF_IT}/metadata"),
            "GET",
            "read",
            metadata,
            operation=operations.metadata,
        ),
    ),
    problem=problem,
    error=operations.ERROR,
)

# The paths at which a model's own contract and its status in these protocols are one answer.
SHARED_PATHS = Dialect(
    name="models",
    paths=re.compile(f"(/v1/models|{_PATH})$"),
    endpoints=(),
    problem=problem_of_shared_path,
    error=operations.SHARED_ERROR,
)
