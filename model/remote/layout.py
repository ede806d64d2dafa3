"""How the features of a contract lie in the tensors of an engine, and its outputs in ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from model.batch import Array, Batch
from model.contract import Contract
from model.errors import ArtifactRejected, ModelFailed
from model.remote.open_inference import Tensor, require_list, require_text
from model.signature import Feature
from model.tensor_data import number_type

# The extension that an engine names if it takes and gives tensors in bytes.
BINARY = "binary_tensor_data"

# What other servers call the outputs that our callers know under these names.
_OUR_NAMES = {"predict": "predictions", "predict_proba": "probabilities"}


@dataclass(frozen=True, slots=True)
class TensorPlace:
    """One tensor of the engine's model. In `shape`, -1 is what varies; the first is the rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @property
    def is_table(self) -> bool:
        """Whether one tensor holds several features, a column each."""
        return len(self.shape) == 2 and self.shape[1] != 1


@dataclass(frozen=True, slots=True)
class EngineModel:
    """What an engine says about a model. Without `inputs` it leaves them to its callers."""

    inputs: tuple[TensorPlace, ...]
    outputs: tuple[str, ...]
    binary: bool


def read_metadata(model: Mapping[str, Any], server: Mapping[str, Any]) -> EngineModel:
    """The two metadata documents of the protocol.

    Raises:
        ModelFailed: not what the protocol says, or inputs that are no rows.
    """
    inputs = tuple(map(_place, require_list({"inputs": model.get("inputs") or []}, "inputs")))
    if len(inputs) > 1 and any(place.is_table for place in inputs):
        raise ModelFailed("the engine's model takes several tables; one, or columns, is supported")
    outputs = require_list({"outputs": model.get("outputs") or []}, "outputs")
    extensions = server.get("extensions")
    return EngineModel(
        inputs,
        tuple(require_text(output, "name") for output in outputs),
        isinstance(extensions, list) and BINARY in extensions,
    )


def _place(entry: dict[str, Any]) -> TensorPlace:
    name, datatype = require_text(entry, "name"), require_text(entry, "datatype")
    shape = entry.get("shape")
    # BF16 can be read, not written.
    if number_type(datatype) is None and datatype not in {"BOOL", "BYTES"}:
        raise ModelFailed(f"the engine's input {name!r} has a datatype that is not supported")
    sizes = shape if isinstance(shape, list) else []
    whole = all(type(size) is int and (size == -1 or size > 0) for size in sizes)
    if not whole or len(sizes) not in {1, 2} or sizes[0] != -1:
        raise ModelFailed(
            f"the engine's input {name!r} takes no rows: its shape must be [-1] or [-1, columns]"
        )
    return TensorPlace(name, datatype, tuple(sizes))


def features_of(engine: EngineModel, declared: Sequence[Feature]) -> tuple[Feature, ...]:
    """The features that an engine takes, with what model.toml says about them.

    Raises:
        ArtifactRejected: the two contradict each other, or leave the features unknown.
    """
    if not engine.inputs:
        if not declared:
            raise ArtifactRejected(
                "The engine does not say what its model takes; list the features in model.toml."
            )
        return tuple(declared)
    first = engine.inputs[0]
    if first.is_table:
        return _columns_of(first, declared)
    by_name = {feature.name: feature for feature in declared}
    unknown = sorted(by_name.keys() - {place.name for place in engine.inputs})
    if unknown:
        raise ArtifactRejected(f"model.toml: the engine's model has no input {unknown[0]!r}.")
    return tuple(_feature(place, by_name.get(place.name)) for place in engine.inputs)


def _columns_of(place: TensorPlace, declared: Sequence[Feature]) -> tuple[Feature, ...]:
    count = place.shape[1]
    if declared and count not in {-1, len(declared)}:
        raise ArtifactRejected(
            f"model.toml: it lists {len(declared)} features, the engine's model takes {count}."
        )
    if declared:
        return tuple(_feature(place, feature) for feature in declared)
    if count == -1:
        raise ArtifactRejected(
            "The engine does not say how many columns it takes; list the features in model.toml."
        )
    return tuple(_feature(place, Feature(f"x{index}")) for index in range(count))


def _feature(place: TensorPlace, declared: Feature | None) -> Feature:
    """The engine decides the datatype; where that is narrower than ours, so are the bounds."""
    feature = declared or Feature(place.name)
    dtype = number_type(place.datatype)
    if dtype is None:
        return replace(feature, datatype=place.datatype)
    if feature.datatype not in {"FP64", "INT64"}:
        raise ArtifactRejected(
            f"model.toml: feature {feature.name!r} is {feature.datatype},"
            f" the engine takes {place.datatype}."
        )
    datatype = feature.datatype if dtype.kind == "f" else "INT64"
    least, most = _range(dtype)
    return replace(
        feature,
        datatype=datatype,
        minimum=_tighter(max, feature.minimum, least),
        maximum=_tighter(min, feature.maximum, most),
    )


def _range(dtype: np.dtype[Any]) -> tuple[float | None, float | None]:
    """What numbers of a narrower type than ours can be; None where they are as wide."""
    if dtype.kind == "f":
        limits = np.finfo(dtype)
        return (None, None) if dtype.itemsize == 8 else (float(limits.min), float(limits.max))
    whole = np.iinfo(dtype)
    wide = dtype.itemsize == 8
    return (None if wide and whole.min else whole.min), (None if wide else whole.max)


def _tighter(choose: Any, ours: float | None, engines: float | None) -> float | None:
    bounds = [bound for bound in (ours, engines) if bound is not None]
    return choose(bounds) if bounds else None


def tensors_of(batch: Batch, contract: Contract, engine: EngineModel) -> list[Tensor]:
    """The rows as the engine wants them: in one table, or a tensor for each feature.

    Raises:
        ModelFailed: the engine's model no longer takes what the contract promises.
    """
    places = engine.inputs or _usual_places(contract)
    if places[0].is_table:
        _require_same(places[0].shape[1] in {-1, len(contract.features)})
        return [Tensor(places[0].name, places[0].datatype, _table(batch))]
    _require_same([place.name for place in places] == list(contract.feature_names))
    columns = batch.values.T if batch.columns is None else list(batch.columns.values())
    return [
        Tensor(place.name, place.datatype, _shaped(column, place))
        for place, column in zip(places, columns, strict=True)
    ]


def _usual_places(contract: Contract) -> tuple[TensorPlace, ...]:
    if contract.dense:
        return (TensorPlace("input-0", "FP64", (-1, -1)),)
    return tuple(TensorPlace(f.name, f.datatype, (-1, 1)) for f in contract.features)


def _table(batch: Batch) -> Array:
    if batch.columns is None:
        return batch.values
    return np.column_stack(list(batch.columns.values()))


def _shaped(column: Array, place: TensorPlace) -> Array:
    return column.reshape((-1, 1)) if len(place.shape) == 2 else column


def _require_same(same: bool) -> None:
    if not same:
        raise ModelFailed("the engine's model takes other inputs than when it was added")


def our_outputs(outputs: Mapping[str, Array]) -> dict[str, Array]:
    """The engine's outputs under our names; one number per row is a list, not a table."""
    return {_OUR_NAMES.get(name, name): _flat(array) for name, array in outputs.items()}


def _flat(array: Array) -> Array:
    return array.reshape(-1) if array.ndim == 2 and array.shape[1] == 1 else array
