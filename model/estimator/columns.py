"""What a fitted estimator knows of each column it was trained on."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.pipeline import Pipeline

from model.estimator.boosting import lightgbm_columns, xgboost_columns
from model.estimator.fitted import (
    column_positions,
    feature_count,
    feature_names,
    handed_on,
    library,
    present_steps,
    steps,
)
from model.estimator.spread import spreads
from model.estimator.typical import common_words, typical_values

# They keep the number of columns, their order and their unit.
FILLING = frozenset({"IterativeImputer", "KNNImputer", "SimpleImputer"})

# They keep the number of columns and their order, and change the unit.
_SCALING = frozenset(
    {
        "MaxAbsScaler",
        "MinMaxScaler",
        "PowerTransformer",
        "QuantileTransformer",
        "RobustScaler",
        "StandardScaler",
    }
)

# Made to learn from rows with missing values. Trees and forests answer such rows too, but not
# always as they would if they had seen some: there model.toml must say `nullable`.
_TAKES_MISSING = (
    "HistGradientBoosting",
    "LGBM",
    "XGB",
)


@dataclass
class Column:
    """One column of the training data, as far as the fitted parts remember it.

    Attributes:
        used: False where every part drops it.
        datatype: as in `Feature`; None where nothing tells.
        categories: the only values that do not raise; None is any.
        known: values of the training data, where it had few.
        typical: a value from the middle of the training data.
        spread: about the least and the greatest number in it.
        missing: what stands for a missing value in a column of objects, NaN or None.
        fills: whether some part is made for missing values in it.
        categorical: whether a data frame must hold it as pandas' own categorical type.
    """

    used: bool = False
    datatype: str | None = None
    categories: tuple[Any, ...] | None = None
    known: tuple[Any, ...] = ()
    typical: Any = None
    spread: tuple[float, float] | None = None
    missing: float | None = math.nan
    fills: bool = False
    categorical: bool = False


def learn_columns(estimator: Any, count: int) -> list[Column]:
    """Ask every part of the estimator that sees its rows about their `count` columns."""
    columns = [Column() for _ in range(count)]
    _learn(estimator, columns, feature_names(estimator))
    if type(steps(estimator)[-1]).__name__.startswith(_TAKES_MISSING):
        for column in columns:
            column.fills = True
    return columns


def _learn(estimator: Any, columns: Sequence[Column], names: Sequence[str] | None) -> None:
    if isinstance(estimator, Pipeline):
        _learn_pipeline(estimator, columns, names)
    elif isinstance(estimator, ColumnTransformer):
        _learn_branches(estimator, columns, names)
    elif inner := handed_on(estimator):
        for one in inner:
            _learn(one, columns, names)
    else:
        _learn_part(estimator, columns)


def _learn_pipeline(
    pipeline: Pipeline, columns: Sequence[Column], names: Sequence[str] | None
) -> None:
    in_unit = True
    for step in present_steps(pipeline):
        if (feature_count(step) or len(columns)) != len(columns):
            break
        if in_unit:
            _learn(step, columns, names)
        kind = type(step).__name__
        if kind in FILLING:
            _note_filled(columns)
        in_unit = in_unit and kind not in _SCALING
        if kind not in FILLING | _SCALING:
            break


def _note_filled(columns: Sequence[Column]) -> None:
    for column in columns:
        column.fills = True


def _learn_branches(
    transformer: ColumnTransformer, columns: Sequence[Column], names: Sequence[str] | None
) -> None:
    names = getattr(transformer, "feature_names_in_", names)
    names = None if names is None else [str(name) for name in names]
    for _, branch, spec in transformer.transformers_:
        chosen = [columns[at] for at in column_positions(spec, names, len(columns))]
        chosen_names = None
        if names is not None:
            chosen_names = [names[at] for at in column_positions(spec, names, len(columns))]
        if isinstance(branch, str) and branch == "drop":
            continue
        _mark_used(chosen)
        if not isinstance(branch, str):
            _learn(branch, chosen, chosen_names)


def _mark_used(columns: Sequence[Column]) -> None:
    for column in columns:
        column.used = True


def _learn_part(part: Any, columns: Sequence[Column]) -> None:
    _mark_used(columns)
    if type(part).__name__ in FILLING:
        _note_filled(columns)
    if isinstance(part, (CountVectorizer, HashingVectorizer)):
        for column in columns:
            column.datatype, column.typical = "BYTES", common_words(part)
        return
    if hasattr(part, "_preprocessor") and isinstance(part._preprocessor, ColumnTransformer):
        _learn_branches(part._preprocessor, columns, None)
        return
    if _learn_categories(part, columns):
        return
    _LIBRARY_READERS.get(library(part), _learn_numbers)(part, columns)


def _learn_categories(part: Any, columns: Sequence[Column]) -> bool:
    found = getattr(part, "categories_", None)
    if not isinstance(found, list) or len(found) != len(columns):
        return False
    closed = getattr(part, "handle_unknown", "") == "error"
    for column, categories in zip(columns, found, strict=True):
        _note_categories(column, np.asarray(categories).tolist(), closed)
    return True


def _note_categories(column: Column, categories: list[Any], closed: bool) -> None:
    present = [one for one in categories if not _is_missing(one)]
    column.datatype = column.datatype or _datatype_of(present)
    column.known = tuple(present)
    # A missing value is one of the categories, or it is as good as any unknown one.
    column.fills = column.fills or len(present) < len(categories) or not closed
    if None in categories:
        column.missing = None
    # Truth values need no list of both.
    both = column.datatype == "BOOL" and len(present) == 2
    if closed and column.datatype is not None and not both:
        column.categories = tuple(present)
    if column.typical is None and present:
        column.typical = present[0]


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _datatype_of(values: Sequence[Any]) -> str | None:
    """The datatype of plain Python values; None for a mixture."""
    kinds = {type(value) for value in values}
    words = {bool: "BOOL", int: "INT64", float: "FP64", str: "BYTES"}
    return words.get(kinds.pop()) if len(kinds) == 1 else None


def _learn_numbers(part: Any, columns: Sequence[Column]) -> None:
    values = typical_values(part, len(columns))
    if type(part).__name__ == "SimpleImputer" and part.missing_values is None:
        for column in columns:
            column.missing = None
    for column, value in zip(columns, values, strict=True):
        if column.typical is None and not _is_missing(value):
            column.typical = value
            column.datatype = column.datatype or _datatype_of([value])
    for column, spread in zip(columns, spreads(part, len(columns)), strict=True):
        column.spread = column.spread or spread


def _learn_xgboost(part: Any, columns: Sequence[Column]) -> None:
    for column, facts in zip(columns, xgboost_columns(part.get_booster()), strict=False):
        column.datatype = column.datatype or ("BOOL" if facts.flag else None)
        if facts.categories is not None:
            column.categorical = True
            # XGBoost refuses a category that it was not trained with.
            _note_categories(column, facts.categories, closed=True)
            column.fills = True


def _learn_lightgbm(part: Any, columns: Sequence[Column]) -> None:
    for column, facts in zip(columns, lightgbm_columns(part.booster_), strict=False):
        if facts.categories is not None:
            column.categorical = True
            _note_categories(column, facts.categories, closed=False)
        elif column.typical is None:
            column.typical, column.spread = facts.typical, facts.spread


_LIBRARY_READERS: Mapping[str, Callable[[Any, Sequence[Column]], None]] = {
    "lightgbm": _learn_lightgbm,
    "xgboost": _learn_xgboost,
}
