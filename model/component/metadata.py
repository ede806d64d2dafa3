"""What `init_metadata` says of a model's inputs and outputs, in either of Seldon's two forms.

Source: Seldon Core, "Metadata": {"messagetype": "tensor", "schema": {"names", "shape"}}, or tensors
of the Open Inference Protocol, {"name", "datatype", "shape"}.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.errors import ArtifactRejected
from model.signature import Feature

_DATATYPES = {"FP": "FP64", "INT": "INT64", "UINT": "INT64", "BOOL": "BOOL", "BYTES": "BYTES"}


@dataclass(frozen=True, slots=True)
class Metadata:
    """`output_names` are those of the columns, where they are said."""

    description: str = ""
    features: tuple[Feature, ...] = ()
    output_names: tuple[str, ...] = ()


def read_metadata(document: Any, where: str) -> Metadata:
    """What the hook gave; None gives nothing.

    Raises: ArtifactRejected, where it is not made as Seldon's metadata are.
    """
    if document is None:
        return Metadata()
    if not isinstance(document, Mapping):
        raise ArtifactRejected(f"{where} gives a {type(document).__name__}, not a dict.")
    custom = document.get("custom")
    described = document.get("description") or (
        custom.get("description") if isinstance(custom, Mapping) else None
    )
    inputs = _tensors(document, "inputs", where)
    outputs = _tensors(document, "outputs", where)
    return Metadata(
        described if isinstance(described, str) else "",
        _features(inputs, where),
        _column_names(outputs[0]) if len(outputs) == 1 else (),
    )


def _tensors(document: Mapping[str, Any], member: str, where: str) -> list[Mapping[str, Any]]:
    tensors = document.get(member) or []
    if not isinstance(tensors, Sequence) or not all(isinstance(t, Mapping) for t in tensors):
        raise ArtifactRejected(f"{member} of {where} is not a list of dicts.")
    return list(tensors)


def _features(inputs: Sequence[Mapping[str, Any]], where: str) -> tuple[Feature, ...]:
    """One tensor has a column for each feature; several have one each."""
    if not inputs:
        return ()
    if len(inputs) == 1 and (names := _column_names(inputs[0])):
        return tuple(Feature(name, _datatype(inputs[0], where)) for name in names)
    widths = [_width(tensor) for tensor in inputs]
    if len(inputs) == 1 and widths[0] is not None:
        prefix, datatype = _name(inputs[0]) or "x", _datatype(inputs[0], where)
        if widths[0] == 1 and prefix != "x":
            return (Feature(prefix, datatype),)
        return tuple(Feature(f"x{index}", datatype) for index in range(widths[0]))
    if all(width == 1 and _name(tensor) for width, tensor in zip(widths, inputs, strict=True)):
        return tuple(Feature(_name(tensor), _datatype(tensor, where)) for tensor in inputs)
    return ()


def _column_names(tensor: Mapping[str, Any]) -> tuple[str, ...]:
    schema = tensor.get("schema")
    names = schema.get("names") if isinstance(schema, Mapping) else None
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        return ()
    return tuple(names)


def _width(tensor: Mapping[str, Any]) -> int | None:
    """The columns of a tensor, whose first dimension counts rows if it has more than one."""
    schema = tensor.get("schema")
    shape = schema.get("shape") if isinstance(schema, Mapping) else tensor.get("shape")
    if not isinstance(shape, (list, tuple)) or not all(type(size) is int for size in shape):
        return None
    if len(shape) == 1:
        # Seldon's own examples give the features of one row so; -1 is a column.
        return max(int(shape[0]), 1)
    return int(shape[1]) if len(shape) == 2 and shape[1] > 0 else None


def _name(tensor: Mapping[str, Any]) -> str:
    name = tensor.get("name")
    return name if isinstance(name, str) else ""


def _datatype(tensor: Mapping[str, Any], where: str) -> str:
    word = tensor.get("datatype", "FP64")
    found = _DATATYPES.get(str(word).rstrip("0123456789"))
    if found is None:
        raise ArtifactRejected(
            f"{where} names the datatype {word!r}; use FP64, INT64, BOOL, BYTES."
        )
    return found
