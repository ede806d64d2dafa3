"""What tritonclient is given to send, and what of its answers is compared; sync and aio alike."""

import json
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import tritonclient.http as triton
from compatibility import installed
from stack_process import ROOT

PROTOCOL = "Open Inference Protocol v2"
SYNC = installed("tritonclient")
AIO = f"{SYNC} aio"
DENSE, MIXED = "breast-cancer", "telephone"
ROWS = np.array(json.loads((ROOT / "examples/breast_cancer/request.json").read_text())["data"])
# Without the row in which values are missing: a tensor of this protocol has no missing text.
RECORD: dict[str, Any] = json.loads((ROOT / "examples/mixed_types/request.json").read_text())[
    "rows"
][0]
_FEATURES = {
    "months": "FP64",
    "monthly_charge": "FP64",
    "contract": "BYTES",
    "payment": "BYTES",
    "region": "BYTES",
    "complaints": "INT64",
    "paperless": "BOOL",
}
_NUMPY = {"FP64": np.float64, "BYTES": np.object_, "INT64": np.int64, "BOOL": np.bool_}
OUTPUTS = ("predictions", "probabilities")


class Variant(NamedTuple):
    """How a call travels."""

    binary_in: bool
    binary_out: bool
    compression: str | None

    def __str__(self) -> str:
        ways = ["binary" if binary else "JSON" for binary in (self.binary_in, self.binary_out)]
        return f"{ways[0]} in, {ways[1]} out, {self.compression or 'not compressed'}"


VARIANTS = [
    Variant(*ways) for ways in product([True, False], [True, False], [None, "gzip", "deflate"])
]


def matrix_input(variant: Variant, datatype: str = "FP64") -> list[triton.InferInput]:
    """The example of the model of numbers, as one tensor."""
    kinds = {"FP64": np.float64, "FP32": np.float32, "FP16": np.float16, "BF16": np.float32}
    tensor = triton.InferInput("features", list(ROWS.shape), datatype)
    tensor.set_data_from_numpy(ROWS.astype(kinds[datatype]), binary_data=variant.binary_in)
    return [tensor]


def column_inputs(variant: Variant) -> list[triton.InferInput]:
    """A row of numbers, text and truth values, as a tensor for each."""
    return list(_columns(variant))


def _columns(variant: Variant) -> Iterator[triton.InferInput]:
    for name, datatype in _FEATURES.items():
        tensor = triton.InferInput(name, [1, 1], datatype)
        column = np.array([[RECORD[name]]], dtype=_NUMPY[datatype])
        tensor.set_data_from_numpy(column, binary_data=variant.binary_in)
        yield tensor


def wanted(variant: Variant) -> list[triton.InferRequestedOutput]:
    return [triton.InferRequestedOutput(n, binary_data=variant.binary_out) for n in OUTPUTS]


def travelling(variant: Variant, headers: Mapping[str, str]) -> dict[str, Any]:
    """The further arguments of `infer`."""
    return {
        "outputs": wanted(variant),
        "request_id": "call-7",
        "headers": dict(headers),
        "request_compression_algorithm": variant.compression,
        "response_compression_algorithm": variant.compression,
    }


def require_answer(
    result: triton.InferResult, expected: Mapping[str, Any], atol: float = 1e-12
) -> None:
    """The answer of our own path, under the id that the caller gave."""
    predictions = result.as_numpy("predictions")
    texts = [p.decode() if isinstance(p, bytes) else p for p in predictions.tolist()]

    assert result.get_response()["id"] == "call-7"
    assert result.get_response()["model_version"] == "1"
    assert texts == expected["predictions"]
    assert np.allclose(
        result.as_numpy("probabilities"), expected["probabilities"], rtol=0, atol=atol
    )
