"""Looking into a fitted estimator: what it is made of and what it was trained on."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

from model.errors import ArtifactRejected

LIBRARIES = ("sklearn", "xgboost", "lightgbm")

# What each method answers is said in `answers`; the first that an estimator has is asked.
METHODS = ("predict", "transform", "score_samples")

# Meta-estimators that give their rows, as they are, to the estimators in this attribute.
_HANDS_ON = {
    "CalibratedClassifierCV": "calibrated_classifiers_",
    "FixedThresholdClassifier": "estimator_",
    "FrozenEstimator": "estimator",
    "GridSearchCV": "best_estimator_",
    "HalvingGridSearchCV": "best_estimator_",
    "HalvingRandomSearchCV": "best_estimator_",
    "MultiOutputClassifier": "estimators_",
    "MultiOutputRegressor": "estimators_",
    "OneVsOneClassifier": "estimators_",
    "OneVsRestClassifier": "estimators_",
    "OutputCodeClassifier": "estimators_",
    "RandomizedSearchCV": "best_estimator_",
    "SelfTrainingClassifier": "estimator_",
    "StackingClassifier": "estimators_",
    "StackingRegressor": "estimators_",
    "TransformedTargetRegressor": "regressor_",
    "TunedThresholdClassifierCV": "estimator_",
    "VotingClassifier": "estimators_",
    "VotingRegressor": "estimators_",
    "_CalibratedClassifier": "estimator",
}

# Their answers are those of the estimator inside, unchanged.
_STANDS_FOR = frozenset(
    {
        "FrozenEstimator",
        "GridSearchCV",
        "HalvingGridSearchCV",
        "HalvingRandomSearchCV",
        "RandomizedSearchCV",
    }
)


def require_servable(estimator: Any) -> None:
    """Raise ArtifactRejected unless it was fitted and can answer rows it has not seen."""
    kind = type(estimator).__name__
    for part in (estimator, *steps(estimator)):
        _require_fitted(part)
    if answering_method(estimator) is not None:
        return
    if hasattr(estimator, "fit_predict") or hasattr(estimator, "fit_transform"):
        raise ArtifactRejected(
            f"A {kind} only describes the rows it was fitted on: it cannot answer new ones."
        )
    raise ArtifactRejected(f"A {kind} has no predict method, and no transform either.")


def _require_fitted(part: Any) -> None:
    """Only for libraries that keep what they learn in attributes with an underscore at the end."""
    if not callable(getattr(part, "fit", None)) or library(part) not in LIBRARIES:
        return
    try:
        check_is_fitted(part)
    except NotFittedError as exc:
        raise ArtifactRejected(not_fitted(part)) from exc


def not_fitted(estimator: Any) -> str:
    """The refusal of an estimator that learned nothing yet."""
    return f"The {type(estimator).__name__} is not fitted: call fit before saving it."


def answering_method(final: Any) -> str | None:
    """The method that answers new rows; None where there is none."""
    return next((name for name in METHODS if callable(getattr(final, name, None))), None)


def library(estimator: Any) -> str:
    """The package that its class comes from: "sklearn"."""
    return type(estimator).__module__.partition(".")[0]


def steps(estimator: Any) -> list[Any]:
    """The steps of nested pipelines in one list; anything else is its own only step.

    A finished search and a frozen estimator stand for the estimator inside. Only for
    scikit-learn's own Pipeline: a subclass may do more than call its steps in order.
    """
    kind = type(estimator).__name__
    inner = getattr(estimator, _HANDS_ON[kind], None) if kind in _STANDS_FOR else None
    if inner is not None and library(estimator) == "sklearn":
        return steps(inner)
    if type(estimator) is not Pipeline:
        return [estimator]
    return [inner for step in present_steps(estimator) for inner in steps(step)] or [estimator]


def present_steps(pipeline: Pipeline) -> list[Any]:
    """The steps that do something."""
    return [step for _, step in pipeline.steps if step is not None and step != "passthrough"]


def handed_on(estimator: Any) -> list[Any]:
    """The estimators that get the rows of this one as they are; none for most kinds."""
    if isinstance(estimator, Pipeline):
        return present_steps(estimator)[:1]
    if isinstance(estimator, FeatureUnion):
        return [inner for _, inner in estimator.transformer_list if hasattr(inner, "transform")]
    found = getattr(estimator, _HANDS_ON.get(type(estimator).__name__, ""), None)
    found = found if isinstance(found, list) else [found]
    return [inner for inner in found if inner is not None and not isinstance(inner, str)]


def readers(estimator: Any) -> Iterator[Any]:
    """The innermost estimators that the rows of a call reach first."""
    inner = handed_on(estimator)
    if not inner:
        yield estimator
    for one in inner:
        yield from readers(one)


def feature_names(estimator: Any) -> list[str] | None:
    """The names of its training columns, where it had any."""
    for one in (estimator, *readers(estimator)):
        names = getattr(one, "feature_names_in_", None)
        if names is not None:
            return [str(name) for name in names]
    return None


def feature_count(estimator: Any) -> int | None:
    """How many columns it was trained on, where that is known."""
    for one in (estimator, *readers(estimator)):
        count = getattr(one, "n_features_in_", None)
        if count is not None:
            return int(count)
    return None


def reads_texts(estimator: Any) -> bool:
    """Whether a row is one text, as the vectorizers of scikit-learn take it."""
    kinds = (CountVectorizer, HashingVectorizer)
    return all(isinstance(one, kinds) and one.input == "content" for one in readers(estimator))


def reads_names(estimator: Any) -> bool:
    """Whether it picks its columns by name, or runs code that may."""
    return any(_picks_by_name(one) for one in readers(estimator))


def _picks_by_name(reader: Any) -> bool:
    if not hasattr(reader, "feature_names_in_"):
        return False
    if isinstance(reader, (ColumnTransformer, FunctionTransformer)):
        return True
    return library(reader) not in LIBRARIES


def column_positions(spec: Any, names: Sequence[str] | None, count: int) -> list[int]:
    """The columns that one entry of a ColumnTransformer's `transformers_` means."""
    if isinstance(spec, slice) and isinstance(spec.start or spec.stop, str):
        named = list(names or ())
        start = 0 if spec.start is None else named.index(spec.start)
        # Unlike with numbers, the last name is included.
        stop = count if spec.stop is None else named.index(spec.stop) + 1
        return list(range(start, stop))
    if isinstance(spec, slice):
        return list(range(count))[spec]
    wanted = np.atleast_1d(np.asarray(spec, dtype=object if isinstance(spec, str) else None))
    if wanted.dtype.kind == "b":
        return [int(index) for index in np.flatnonzero(wanted)]
    named = list(names or ())
    return [named.index(w) if isinstance(w, str) else int(w) % count for w in wanted.tolist()]
