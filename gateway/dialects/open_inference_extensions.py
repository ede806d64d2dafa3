"""Triton's extensions that describe a model: its configuration, and statistics of its calls.

Sources: Triton, docs/protocol/extension_model_configuration.md and extension_statistics.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.dialects.endpoint import Call, Reply
from gateway.wire.encode import encode_json
from gateway.wire.media_type import JSON
from model import Contract

_NS = 1_000_000_000
_TIMES = ("compute_input", "compute_infer", "compute_output")


def config(call: Call) -> Reply:
    """The model's configuration, as far as it has one here.

    Where the number of rows is bounded, the first dimension is the batch, which dims leave out.
    """
    contract = call.model().contract
    caps = [cap for cap in (contract.limits.max_rows, call.max_rows) if cap is not None]
    skipped = 1 if caps else 0
    return _json(
        {
            "name": contract.model_name,
            "platform": "model-gateway",
            "backend": "model-gateway",
            "version_policy": {"specific": {"versions": [contract.model_version]}},
            "max_batch_size": min(caps) if caps else 0,
            "input": [
                _tensor(name, datatype, shape[skipped:])
                for name, datatype, shape in input_tensors(contract)
            ],
            "output": [
                _tensor(output.name, output.datatype, output.shape[skipped:])
                for output in contract.outputs
            ],
        }
    )


def statistics(call: Call) -> Reply:
    """What the caller asked of a model, by version; with the scope admin, what everybody did."""
    name = call.model().name
    return _json({"model_stats": list(_of_model(call, name, call.args.get("version")))})


def all_statistics(call: Call) -> Reply:
    """The same of each model that the caller may use."""
    found = [each for name in call.model_names() for each in _of_model(call, name, None)]
    return _json({"model_stats": found})


def input_tensors(contract: Contract) -> Iterable[tuple[str, str, tuple[int, ...]]]:
    """Names, datatypes and shapes: one tensor of numbers, or one for each feature."""
    if contract.dense:
        return [(MATRIX_INPUT, "FP64", (-1, len(contract.features)))]
    return [(feature.name, feature.datatype, (-1, 1)) for feature in contract.features]


# The one input of a model that takes numbers only; any other name is understood as well.
MATRIX_INPUT = "features"


def _tensor(name: str, datatype: str, dims: Sequence[int]) -> dict[str, Any]:
    word = "STRING" if datatype == "BYTES" else datatype
    return {"name": name, "data_type": f"TYPE_{word}", "dims": list(dims) or [1]}


def _of_model(call: Call, name: str, version: str | None) -> Iterable[dict[str, Any]]:
    for found, measures in sorted(call.statistics(name).items()):
        if version in {None, found}:
            yield _of_version(name, found, measures)


def _of_version(name: str, version: str, sums: Mapping[str, float]) -> dict[str, Any]:
    count = int(sums.get("success_count", 0))
    nothing = {"count": 0, "ns": 0}
    return {
        "name": name,
        "version": version,
        "last_inference": int(sums.get("last_inference_ms", 0)),
        "inference_count": int(sums.get("rows", 0)),
        "execution_count": count,
        "inference_stats": {
            "success": {"count": count, "ns": _ns(sums, "success_s")},
            "fail": {"count": int(sums.get("fail_count", 0)), "ns": _ns(sums, "fail_s")},
            "queue": {"count": count, "ns": _ns(sums, "queue_s")},
            **{part: {"count": count, "ns": _ns(sums, f"{part}_s")} for part in _TIMES},
            "cache_hit": nothing,
            "cache_miss": nothing,
        },
        "batch_stats": [],
    }


def _ns(sums: Mapping[str, float], measure: str) -> int:
    return round(sums.get(measure, 0.0) * _NS)


def _json(value: Mapping[str, Any]) -> Reply:
    return Reply(encode_json(value), JSON)
