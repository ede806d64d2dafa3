"""A contract from a fitted estimator and what its model.toml adds."""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sklearn.exceptions import NotFittedError

from model.batch import Array
from model.contract import Contract
from model.declaration import Declaration, reject
from model.draft import draft_contract, first_answered, nullable_refused
from model.errors import ArtifactRejected
from model.estimator.columns import Column, learn_columns
from model.estimator.fitted import (
    feature_count,
    feature_names,
    not_fitted,
    reads_texts,
    require_servable,
    steps,
)
from model.estimator.model import EstimatorModel
from model.example import Row, example_candidates
from model.outputs import describe_outputs
from model.protocol import require_complete
from model.signature import Feature


def derive_model(
    estimator: Any, model_name: str, model_version: str, declaration: Declaration
) -> EstimatorModel:
    """The model of this estimator, its contract proved by letting it answer its example.

    Raises:
        ArtifactRejected: it cannot be served, the declaration contradicts it, or the example fails.
    """
    require_servable(estimator)
    features, columns = _features(estimator, declaration.features)
    draft = draft_contract(model_name, model_version, features, declaration)
    examples = example_candidates(declaration.example_rows, features, columns)
    if declaration.example_rows:
        # Where the example leaves out what the model is made to miss, its answer is the proof.
        draft = _nullable(draft, _left_out(examples[0]) & _made_for(columns))
    contract, answer = first_answered(draft, examples, partial(_answer, estimator))
    contract = _with_nullable(estimator, contract, columns)
    outputs = describe_outputs(answer, steps(estimator)[-1], declaration.outputs)
    return EstimatorModel(estimator, dataclasses.replace(contract, outputs=outputs))


def _features(
    estimator: Any, declared: Sequence[Feature]
) -> tuple[tuple[Feature, ...], list[Column]]:
    """The estimator decides names and order; without names of its own, the declaration does."""
    names = feature_names(estimator)
    if names is None:
        names = _unnamed(estimator, declared)
    columns = learn_columns(estimator, len(names))
    # By name a column that is dropped may be left out; by position it has to be there.
    by_position = feature_names(estimator) is None or not any(c.used for c in columns)
    used = [(n, c) for n, c in zip(names, columns, strict=True) if by_position or c.used]
    by_name = {feature.name: feature for feature in declared}
    unknown = sorted(by_name.keys() - {name for name, _ in used})
    if unknown:
        reject(f"the model has no feature {unknown[0]!r}")
    features = tuple(sharpened(_derived(n, column), by_name.get(n)) for n, column in used)
    return features, [column for _, column in used]


def _unnamed(estimator: Any, declared: Sequence[Feature]) -> list[str]:
    count = 1 if reads_texts(estimator) else feature_count(estimator)
    if declared:
        if count is not None and len(declared) != count:
            reject(f"it lists {len(declared)} features, the model takes {count}")
        return [feature.name for feature in declared]
    if count is None:
        raise ArtifactRejected("The model does not tell its features; list them in model.toml.")
    return ["text"] if reads_texts(estimator) else [f"x{index}" for index in range(count)]


def _derived(name: str, column: Column) -> Feature:
    return Feature(name, column.datatype or "FP64", categories=column.categories)


def sharpened(derived: Feature, declared: Feature | None) -> Feature:
    """The declared feature, with what only the estimator knows."""
    if declared is None:
        return derived
    # FP64 is what a declaration says that says nothing.
    datatype = derived.datatype if declared.datatype == "FP64" else declared.datatype
    categories = declared.categories
    if categories is None and datatype == derived.datatype:
        categories = derived.categories
    return dataclasses.replace(declared, datatype=datatype, categories=categories)


def _answer(estimator: Any, contract: Contract) -> Mapping[str, Array]:
    """The estimator's answer to the example of a contract."""
    # Whether it answers is the question here; what it thinks of the example is not.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return EstimatorModel(estimator, contract).predict(contract.example_batch)
        except NotFittedError as exc:
            raise ArtifactRejected(not_fitted(estimator)) from exc


def _with_nullable(estimator: Any, contract: Contract, columns: Sequence[Column]) -> Contract:
    """Missing values are promised only where the model really answers a row without the value."""
    declared = [index for index, feature in enumerate(contract.features) if feature.nullable]
    if declared and not _answers_without(estimator, contract, declared):
        raise nullable_refused()
    proved = _answered_without(estimator, contract, sorted(_made_for(columns)))
    return _nullable(contract, {*declared, *proved})


def _made_for(columns: Sequence[Column]) -> set[int]:
    """The features for whose missing values some part of the estimator is made."""
    return {index for index, column in enumerate(columns) if column.fills}


def _left_out(rows: Sequence[Row]) -> set[int]:
    return {index for row in rows for index, value in enumerate(row) if value is None}


def _answered_without(estimator: Any, contract: Contract, indices: Sequence[int]) -> list[int]:
    """Those of the features that may be missing, found by halves, as mostly all or none may."""
    if not indices or _answers_without(estimator, contract, indices):
        return list(indices)
    if len(indices) == 1:
        return []
    half = len(indices) // 2
    return [
        *_answered_without(estimator, contract, indices[:half]),
        *_answered_without(estimator, contract, indices[half:]),
    ]


def _answers_without(estimator: Any, contract: Contract, indices: Sequence[int]) -> bool:
    """Whether it answers a batch with a row without each of them, and a row without any."""
    row = next((row for row in contract.example if None not in row), contract.example[0])
    one_each = [{index} for index in indices]
    rows = tuple(
        tuple(None if index in left_out else value for index, value in enumerate(row))
        for left_out in [*one_each, set(indices)]
    )
    trial = dataclasses.replace(_nullable(contract, set(indices)), example=rows)
    try:
        require_complete(_answer(estimator, trial), len(rows))
    except Exception:  # Any failure means no, whatever a model raises.
        return False
    return True


def _nullable(contract: Contract, indices: set[int]) -> Contract:
    features = tuple(
        dataclasses.replace(feature, nullable=feature.nullable or index in indices)
        for index, feature in enumerate(contract.features)
    )
    return dataclasses.replace(contract, features=features)
