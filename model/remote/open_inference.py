"""Open Inference Protocol v2 with its binary tensor extension: bytes to send, bytes received.

What arrives comes from another machine: each size, kind and name is checked, and nothing of it is
quoted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from model.batch import Array
from model.errors import ModelFailed
from model.tensor_data import from_binary, from_json, is_datatype, to_binary, to_json

HEADER_LENGTH = "Inference-Header-Content-Length"

_MOST_DIMENSIONS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A named array, of the shape and datatype that the other side is told."""

    name: str
    datatype: str
    array: Array


@dataclass(frozen=True, slots=True, eq=False)
class InferenceAnswer:
    """The arrays by name, and which model says it gave them; an engine may not say its version."""

    model_name: str
    model_version: str
    outputs: Mapping[str, Array]


def encode_request(
    tensors: Sequence[Tensor], outputs: Sequence[str], *, binary: bool
) -> tuple[bytes, dict[str, str]]:
    """The body of an inference request, and its header fields.

    Args:
        outputs: the names to ask for; none leaves the choice to the engine.
        binary: whether the engine offers the extension. A missing text, flag or whole number has
            no binary form: a request with one goes as JSON.
    """
    parts = [to_binary(tensor.array, tensor.datatype) for tensor in tensors] if binary else []
    carried = [part for part in parts if part is not None]
    if binary and len(carried) == len(tensors):
        return _binary_request(tensors, carried, outputs)
    document: dict[str, Any] = {
        "inputs": [
            {**_heading(tensor), "data": to_json(tensor.array, tensor.datatype)}
            for tensor in tensors
        ]
    }
    if outputs:
        document["outputs"] = [{"name": name} for name in outputs]
    return _json_bytes(document), {"Content-Type": "application/json"}


def _binary_request(
    tensors: Sequence[Tensor], parts: Sequence[bytes], outputs: Sequence[str]
) -> tuple[bytes, dict[str, str]]:
    document: dict[str, Any] = {
        "inputs": [
            {**_heading(tensor), "parameters": {"binary_data_size": len(part)}}
            for tensor, part in zip(tensors, parts, strict=True)
        ]
    }
    if outputs:
        wanted = {"binary_data": True}
        document["outputs"] = [{"name": name, "parameters": wanted} for name in outputs]
    else:
        document["parameters"] = {"binary_data_output": True}
    heading = _json_bytes(document)
    fields = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(heading))}
    return b"".join([heading, *parts]), fields


def _heading(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": list(tensor.array.shape),
        "datatype": tensor.datatype,
    }


def _json_bytes(document: Mapping[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def decode_answer(body: bytes, header_length: str | None) -> InferenceAnswer:
    """Read the body of a successful inference.

    Args:
        header_length: the field of that name; None where all is JSON.

    Raises:
        ModelFailed: anything but a well-formed answer whose sizes agree.
    """
    document, rest = _split(body, header_length)
    outputs: dict[str, Array] = {}
    for entry in require_list(document, "outputs"):
        name, datatype, shape = _tensor_heading(entry)
        if name in outputs:
            raise ModelFailed("the engine's answer names an output twice")
        try:
            outputs[name], rest = _tensor(entry, datatype, shape, rest)
        except (ValueError, TypeError, OverflowError) as exc:
            # The cause may quote the numbers of a caller; its place in the code says enough.
            raise ModelFailed("an output of the engine is not what its heading says") from exc
    if rest:
        raise ModelFailed("the engine's answer has more bytes than its outputs")
    return InferenceAnswer(
        require_text(document, "model_name"), _optional_text(document, "model_version"), outputs
    )


def _split(body: bytes, header_length: str | None) -> tuple[dict[str, Any], memoryview]:
    length = len(body)
    if header_length is not None:
        if not header_length.isascii() or not header_length.isdigit() or len(header_length) > 12:
            raise ModelFailed(f"the engine's {HEADER_LENGTH} is no number")
        length = int(header_length)
    if length > len(body):
        raise ModelFailed("the engine's answer is shorter than its heading")
    view = memoryview(body)
    return read_object(view[:length]), view[length:]


def read_object(data: bytes | memoryview) -> dict[str, Any]:
    """A JSON object, or ModelFailed."""
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as exc:
        raise ModelFailed("the engine's answer is not JSON") from exc
    if not isinstance(document, dict):
        raise ModelFailed("the engine's answer is no JSON object")
    return document


def require_list(document: Mapping[str, Any], member: str) -> list[dict[str, Any]]:
    """A member that is a list of objects, or ModelFailed."""
    entries = document.get(member)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ModelFailed(f"the engine's answer has no list of {member}")
    return entries


def require_text(document: Mapping[str, Any], member: str) -> str:
    """A member that is a text of at least one character, or ModelFailed."""
    value = document.get(member)
    if not isinstance(value, str) or not value:
        raise ModelFailed(f"the engine's answer has no {member}")
    return value


def _optional_text(document: Mapping[str, Any], member: str) -> str:
    return "" if document.get(member) is None else require_text(document, member)


def _tensor_heading(entry: Mapping[str, Any]) -> tuple[str, str, tuple[int, ...]]:
    datatype = require_text(entry, "datatype")
    if not is_datatype(datatype):
        raise ModelFailed("an output of the engine has a datatype that is not supported")
    shape = entry.get("shape")
    if not isinstance(shape, list) or not 1 <= len(shape) <= _MOST_DIMENSIONS:
        raise ModelFailed("an output of the engine has no shape")
    if not all(type(size) is int and size >= 0 for size in shape):
        raise ModelFailed("an output of the engine has a shape that is none")
    return require_text(entry, "name"), datatype, tuple(shape)


def _tensor(
    entry: Mapping[str, Any], datatype: str, shape: tuple[int, ...], rest: memoryview
) -> tuple[Array, memoryview]:
    """One output, from the JSON or from the front of the bytes behind it; and what is left."""
    parameters = entry.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        return from_json(entry.get("data"), datatype, shape), rest
    if type(size) is not int or not 0 <= size <= len(rest):
        raise ValueError("the bytes end before the output does")
    return from_binary(rest[:size], datatype, shape), rest[size:]
