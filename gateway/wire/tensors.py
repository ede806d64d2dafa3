"""Tensors of an inference request: JSON, with the elements in it or in bytes behind it.

Source: Open Inference Protocol v2, inference request; Triton's binary tensor data extension.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import simdjson

from gateway.errors import BadRequest
from gateway.wire.counting import count_byte
from gateway.wire.json_document import JsonDocument
from model.batch import Array
from model.tensor_data import from_binary, from_json, is_datatype

_MOST_DIMENSIONS = 8
# Each takes some microseconds: a million of them would take longer than a request may.
MOST_TENSORS = 10_000
_HEADING = 'Each input has "name", "datatype", "shape" and "data".'


@dataclass(frozen=True, slots=True, eq=False)
class InputTensor:
    """One named array with the datatype its sender gave it."""

    name: str
    datatype: str
    array: Array


@dataclass(frozen=True, slots=True, eq=False)
class TensorRequest:
    """An inference request. `outputs` are those asked for, each with its parameters; None is all.

    `request_id` is what the caller called it, echoed in the answer.
    """

    inputs: tuple[InputTensor, ...]
    request_id: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Mapping[str, Any]] | None = None

    @classmethod
    def raw(cls, name: str, body: bytes) -> Self:
        """A body that is one row of FP64 numbers and nothing else; it wants all outputs binary.

        Raises: BadRequest.
        """
        if len(body) % 8:
            raise BadRequest("A raw body must be FP64 numbers, little-endian, 8 bytes each.")
        row = np.frombuffer(body, dtype="<f8").reshape(1, -1)
        tensor = InputTensor(name, "FP64", row)
        return cls((tensor,), parameters={"binary_data_output": True})


def read_tensors(
    body: bytes, header_length: str, parse_json: Callable[[bytes], JsonDocument]
) -> TensorRequest:
    """The request in a body.

    Args:
        header_length: the length of the JSON part, from Inference-Header-Content-Length; empty
            where all is JSON.

    Raises:
        BadRequest: sizes, kinds or names that do not agree; says which input.
        InvalidJson, JsonTooDeep, JsonTooLarge: see `JsonParser.parse`.
    """
    heading, rest = _split(body, header_length)
    document = parse_json(heading)
    members = document.member_names()
    if members is None:
        raise BadRequest('Send an object with "inputs".')
    root = document.root()
    inputs = root["inputs"] if "inputs" in members else None
    if not isinstance(inputs, simdjson.Array) or not len(inputs):
        raise BadRequest('"inputs" must be an array of at least one tensor.')
    _refuse_too_many(inputs, "inputs")
    # The fast path flattens what is nested too deep; the number of arrays tells whether any is.
    flat = count_byte(heading, b"[") == _arrays_of_rows(root, members)
    tensors, rest = _tensors(inputs, rest, flat=flat)
    if rest:
        raise BadRequest("There are more bytes than the inputs' binary_data_size says.")
    return TensorRequest(
        tensors,
        _text(root["id"], '"id"') if "id" in members else "",
        _object(root["parameters"], '"parameters"') if "parameters" in members else {},
        _wanted(root["outputs"]) if "outputs" in members else None,
    )


def _split(body: bytes, header_length: str) -> tuple[bytes, memoryview]:
    if not header_length:
        return body, memoryview(b"")
    # RFC 9110 section 8.6 on such numbers; it counts bytes after any content coding is undone.
    if not (header_length.isascii() and header_length.isdecimal() and len(header_length) < 12):
        raise BadRequest("Inference-Header-Content-Length is not a number of bytes.")
    length = int(header_length)
    if length > len(body):
        raise BadRequest("The body is shorter than Inference-Header-Content-Length says.")
    return body[:length], memoryview(body)[length:]


def _refuse_too_many(tensors: Any, what: str) -> None:
    if len(tensors) > MOST_TENSORS:
        raise BadRequest(f"A request may have {MOST_TENSORS} {what}.")


def _arrays_of_rows(root: Any, members: Collection[str]) -> int:
    """How many arrays a request has in which none is nested deeper than the rows of a tensor."""
    count = 1 + ("outputs" in members and isinstance(root["outputs"], simdjson.Array))
    for entry in root["inputs"]:
        data = entry["data"] if isinstance(entry, simdjson.Object) and "data" in entry else None
        if isinstance(data, simdjson.Array):
            rows = len(data) if len(data) and isinstance(data[0], simdjson.Array) else 0
            count += 1 + rows
        count += 1  # its shape
    return count


def _tensors(
    inputs: Any, rest: memoryview, *, flat: bool
) -> tuple[tuple[InputTensor, ...], memoryview]:
    found: dict[str, InputTensor] = {}
    for entry in inputs:
        tensor, rest = _tensor(entry, rest, flat=flat)
        if tensor.name in found:
            raise BadRequest("An input's name comes twice.")
        found[tensor.name] = tensor
    return tuple(found.values()), rest


def _tensor(entry: Any, rest: memoryview, *, flat: bool) -> tuple[InputTensor, memoryview]:
    if not isinstance(entry, simdjson.Object):
        raise BadRequest(_HEADING)
    members = set(entry.keys())
    if not members >= {"name", "datatype", "shape"}:
        raise BadRequest(_HEADING)
    name = _text(entry["name"], "An input's name")
    datatype = entry["datatype"]
    if not isinstance(datatype, str) or not is_datatype(datatype):
        raise BadRequest("An input's datatype is none of the Open Inference Protocol's.")
    shape = _shape(entry["shape"])
    parameters = _object(entry["parameters"], "parameters") if "parameters" in members else {}
    size = parameters.get("binary_data_size")
    try:
        if size is not None:
            array, rest = _from_bytes(size, rest, datatype, shape)
        elif "data" in members:
            array = _from_json(entry["data"], datatype, shape, flat=flat)
        else:
            raise BadRequest('An input has neither "data" nor binary_data_size.')
    except (ValueError, TypeError, OverflowError) as exc:
        expected = f"{datatype} of shape {list(shape)}"
        detail = f"The data of an input is not {expected}, flat or nested as the shape says."
        raise BadRequest(detail, members={"input": name[:64]}) from exc
    return InputTensor(name, datatype, array), rest


def _from_bytes(
    size: Any, rest: memoryview, datatype: str, shape: tuple[int, ...]
) -> tuple[Array, memoryview]:
    if type(size) is not int or not 0 <= size <= len(rest):
        raise BadRequest("binary_data_size is not the number of bytes behind the JSON.")
    return from_binary(rest[:size], datatype, shape), rest[size:]


def _from_json(data: Any, datatype: str, shape: tuple[int, ...], *, flat: bool) -> Array:
    if not isinstance(data, simdjson.Array):
        raise TypeError
    if flat and datatype in {"FP64", "FP32"}:
        values = _numbers(data, shape)
        if values is not None:
            return values
    return from_json(data.as_list(), datatype, shape)


def _numbers(data: Any, shape: tuple[int, ...]) -> Array | None:
    """The fast path: float64 without Python lists in between; None where that cannot be.

    Args:
        data: numbers, or rows of them; nothing in it is nested deeper.
    """
    in_rows = bool(len(data)) and isinstance(data[0], simdjson.Array)
    if (in_rows and len(shape) != 2) or len(data) != (shape[0] if in_rows else math.prod(shape)):
        return None
    try:
        values = np.frombuffer(data.as_buffer(of_type="d"), dtype=np.float64)
        # The buffer flattens: rows of other lengths could add up to the same.
        if in_rows and set(map(len, data)) != {shape[1]}:
            return None
    except TypeError:
        # Something is no number, or a number stands among the rows.
        return None
    return values.reshape(shape)


def _shape(shape: Any) -> tuple[int, ...]:
    sizes: list[Any] = shape.as_list() if isinstance(shape, simdjson.Array) else []
    if not 1 <= len(sizes) <= _MOST_DIMENSIONS:
        raise BadRequest("An input's shape must be an array of 1 to 8 sizes.")
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise BadRequest("An input's shape has a size that is no whole number.")
    return tuple(sizes)


def _wanted(outputs: Any) -> Mapping[str, Mapping[str, Any]]:
    if not isinstance(outputs, simdjson.Array):
        raise BadRequest('"outputs" must be an array.')
    _refuse_too_many(outputs, "outputs")
    wanted: dict[str, Mapping[str, Any]] = {}
    for entry in outputs:
        output = _object(entry, "Each of the outputs")
        name = _text(output.get("name"), "An output's name")
        wanted[name] = _plain_object(output.get("parameters", {}), "parameters")
    return wanted


def _object(value: Any, what: str) -> dict[str, Any]:
    return _plain_object(value.as_dict() if isinstance(value, simdjson.Object) else value, what)


def _plain_object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest(f"{what} must be an object.")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise BadRequest(f"{what} must be text.")
    return value
