"""A contract from a fitted estimator and what its model.toml adds."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from model.batch import Array, Batch
from model.contract import Contract
from model.declaration import Declaration, ExampleRow, reject
from model.errors import ArtifactRejected, InvalidInput
from model.protocol import require_complete
from model.signature import Feature, Output

Predict = Callable[[Batch], Mapping[str, Array]]
Row = tuple[float | None, ...]

_NUMBERS = {"f": "FP", "i": "INT", "u": "UINT"}

# Where scalers, imputers and the like keep a typical value of each column, most typical first.
_TYPICAL_VALUES = ("mean_", "center_", "statistics_", "data_min_")


def derive_contract(
    estimator: Any, model_name: str, model_version: str, declaration: Declaration, predict: Predict
) -> Contract:
    """The contract of this estimator, proved by letting it answer its example.

    Raises:
        ArtifactRejected: the declaration contradicts the estimator, or the example fails.
    """
    features = _features(estimator, declaration.features)
    draft = Contract(
        model_name,
        model_version,
        declaration.description,
        features,
        outputs=(),
        example=_example(estimator, features, declaration.example_rows),
    )
    _check_example(draft)
    answer = _try(predict, draft.example_batch, "The model fails on its example")
    _check_nullable(draft, predict)
    return dataclasses.replace(draft, outputs=_outputs(answer, _classes(estimator)))


def _features(estimator: Any, declared: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """The estimator decides names and order; without names of its own, the declaration does."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        return _unnamed_features(getattr(estimator, "n_features_in_", None), declared)
    by_name = {feature.name: feature for feature in declared}
    unknown = [name for name in by_name if name not in set(names)]
    if unknown:
        reject(f"the model has no feature {unknown[0]!r}")
    return tuple(by_name.get(name, Feature(str(name))) for name in names)


def _unnamed_features(count: int | None, declared: tuple[Feature, ...]) -> tuple[Feature, ...]:
    if declared:
        if count is not None and len(declared) != count:
            reject(f"it lists {len(declared)} features, the model takes {count}")
        return declared
    if count is None:
        raise ArtifactRejected("The model does not tell its features; list them in model.toml.")
    return tuple(Feature(f"x{index}") for index in range(count))


def _example(
    estimator: Any, features: Sequence[Feature], declared: Sequence[ExampleRow]
) -> tuple[Row, ...]:
    if declared:
        return tuple(_declared_row(row, features) for row in declared)
    typical = _typical_row(estimator, len(features))
    return (tuple(_within(feature, v) for feature, v in zip(features, typical, strict=True)),)


def _declared_row(row: ExampleRow, features: Sequence[Feature]) -> Row:
    if isinstance(row, Mapping):
        unknown = sorted(set(row) - {feature.name for feature in features})
        if unknown:
            reject(f"the example names an unknown feature {unknown[0]!r}")
        row = [row.get(feature.name, math.nan) for feature in features]
    return tuple(None if math.isnan(value) else float(value) for value in row)


def _typical_row(estimator: Any, feature_count: int) -> list[float]:
    first = estimator.steps[0][1] if isinstance(estimator, Pipeline) else estimator
    for attribute in _TYPICAL_VALUES:
        values: Any = getattr(first, attribute, None)
        if np.shape(values) == (feature_count,) and _all_finite(np.asarray(values)):
            return [float(value) for value in values]
    return [0.0] * feature_count


def _all_finite(values: Array) -> bool:
    return values.dtype.kind in "fiu" and bool(np.isfinite(values).all())


def _within(feature: Feature, value: float) -> float:
    low = -math.inf if feature.minimum is None else feature.minimum
    high = math.inf if feature.maximum is None else feature.maximum
    return min(max(value, low), high)


def _check_example(draft: Contract) -> None:
    if len({len(row) for row in draft.example}) != 1:
        reject("the rows of the example differ in length")
    try:
        draft.check(draft.example_batch)
    except InvalidInput as exc:
        fault = exc.faults[0]
        subject = "it" if fault.feature is None else repr(fault.feature)
        reject(f"in the example, {subject} has {fault.found}, expected is {fault.expected}")


def _check_nullable(draft: Contract, predict: Predict) -> None:
    """Missing values are promised only if the model really answers a row that misses them all."""
    if draft.has_nullable:
        row = np.where(draft.nullable, np.nan, draft.example_batch.values[:1])
        problem = "model.toml allows missing values (nullable), but the model fails on them"
        _try(predict, Batch(row), problem)


def _try(predict: Predict, batch: Batch, problem: str) -> Mapping[str, Array]:
    try:
        answer = predict(batch)
        require_complete(answer, batch.row_count)
    except Exception as exc:
        raise ArtifactRejected(f"{problem} ({type(exc).__name__}).") from exc
    return answer


def _classes(estimator: Any) -> tuple[Any, ...] | None:
    """The labels as plain Python values; None where there is no single list of them."""
    classes = getattr(estimator, "classes_", None)
    if classes is None or isinstance(classes, list):
        return None
    return tuple(np.asarray(classes).tolist())


def _outputs(answer: Mapping[str, Array], classes: tuple[Any, ...] | None) -> tuple[Output, ...]:
    return tuple(
        Output(name, _datatype(array), (-1, *array.shape[1:]), classes)
        for name, array in answer.items()
    )


def _datatype(array: Array) -> str:
    """The Open Inference Protocol's word for what numpy holds; its word for text is BYTES."""
    kind = array.dtype.kind
    if kind in _NUMBERS:
        return f"{_NUMBERS[kind]}{array.dtype.itemsize * 8}"
    if kind == "b":
        return "BOOL"
    if kind == "U" or all(isinstance(label, str) for label in array.ravel()):
        return "BYTES"
    raise ArtifactRejected("The model's labels are neither text nor numbers nor true and false.")
