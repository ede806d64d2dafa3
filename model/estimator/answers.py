"""What the last step of an estimator is asked, and the arrays it answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from model.batch import Array
from model.errors import ArtifactRejected
from model.estimator.fitted import answering_method, library

Answers = Mapping[str, Array]

# A row of a million columns is a mistake in what was saved, and would not fit an answer.
_MAX_COLUMNS = 10_000

# Their predict is the class of the highest probability: the trees and bagging compute it so, the
# others compare the scores that the probabilities rise with. (Two scores closer than one rounding
# step give equal probabilities; the label is then the first of these classes.) GradientBoosting,
# SVC, calibrated, threshold and voting classifiers decide otherwise, so they are asked twice.
_PREDICTS_MOST_PROBABLE = frozenset(
    {
        "BaggingClassifier",
        "DecisionTreeClassifier",
        "ExtraTreeClassifier",
        "ExtraTreesClassifier",
        "GaussianNB",
        "HistGradientBoostingClassifier",
        "LogisticRegression",
        "LogisticRegressionCV",
        "RandomForestClassifier",
    }
)

# Their predict says -1 where their decision_function is below 0.
_PREDICTS_BY_SIGN = frozenset({"EllipticEnvelope", "IsolationForest", "LocalOutlierFactor"})


def answering(final: Any) -> Callable[[Any], Answers]:
    """How to ask this estimator for all that it says about new rows.

    `predictions` come from predict. Besides them there are `probabilities`, or else `scores` of a
    decision function; of several targets at once, see `_tables`. Without predict there is
    `transformed`, or at least `scores`.
    """
    method = answering_method(final)
    if method == "transform":
        return lambda values: {"transformed": _transformed(final, values)}
    if method == "score_samples":
        return lambda values: {"scores": np.asarray(final.score_samples(values))}
    if hasattr(final, "predict_proba"):
        return _probabilities(final)
    score = _scoring(final)
    if score is None:
        return lambda values: {"predictions": _dense(final.predict(values))}
    if _is_of(final, _PREDICTS_BY_SIGN):
        return lambda values: _by_sign(score(values))
    return lambda values: {
        "predictions": _dense(final.predict(values)),
        "scores": np.asarray(score(values)),
    }


def classes_of(final: Any) -> tuple[Any, ...] | None:
    """The labels as plain Python values; None where there is no single list of them."""
    classes = getattr(final, "classes_", None)
    if classes is None or isinstance(classes, list):
        return None
    return tuple(np.asarray(classes).tolist())


def _probabilities(final: Any) -> Callable[[Any], Answers]:
    if classes_of(final) is not None and predicts_most_probable(final):
        return lambda values: _most_probable(final, values)
    return lambda values: {
        "predictions": _dense(final.predict(values)),
        **_tables(final.predict_proba(values)),
    }


def _transformed(final: Any, values: Any) -> Array:
    answer = _dense(final.transform(values))
    # A sparse PCA answers one row without the dimension of rows.
    return answer[np.newaxis] if answer.ndim == 1 and len(answer) != len(values) else answer


def predicts_most_probable(final: Any) -> bool:
    """Whether its predict is the class of the highest probability, so that it is asked once."""
    if library(final) == "lightgbm":
        # So does LightGBM, unless its objective is a function, whose answers are no probabilities.
        return isinstance(final.objective_, str)
    return _is_of(final, _PREDICTS_MOST_PROBABLE)


def _most_probable(final: Any, values: Any) -> Answers:
    probabilities = final.predict_proba(values)
    labels = final.classes_.take(probabilities.argmax(axis=1))
    return {"predictions": labels, "probabilities": probabilities}


def _tables(found: Any) -> Answers:
    """One table of probabilities, or what several targets have instead of one.

    Where each target has two classes, column i is the probability of the second class of target
    i. Otherwise target i has a table of its own, `probabilities_i`.
    """
    if not isinstance(found, list):
        return {"probabilities": _dense(found)}
    tables = [np.asarray(table) for table in found]
    if all(table.shape[1:] == (2,) for table in tables):
        return {"probabilities": np.column_stack([table[:, 1] for table in tables])}
    return {f"probabilities_{target}": table for target, table in enumerate(tables)}


def _scoring(final: Any) -> Callable[[Any], Any] | None:
    """Scores of a classifier or an outlier detector; a regressor's rows have none."""
    if callable(getattr(final, "decision_function", None)):
        return final.decision_function  # type: ignore[no-any-return]
    if getattr(final, "_estimator_type", "") == "outlier_detector":
        return getattr(final, "score_samples", None)
    return None


def _by_sign(scores: Any) -> Answers:
    return {"predictions": np.where(scores < 0, -1, 1), "scores": scores}


def _dense(found: Any) -> Array:
    """An array of what may be sparse, a data frame or a list.

    Raises:
        ArtifactRejected: a row has more columns than can be answered.
    """
    columns = found.shape[1] if len(getattr(found, "shape", ())) > 1 else 1
    if columns > _MAX_COLUMNS:
        raise ArtifactRejected(
            f"The model answers {columns} columns for each row; at most {_MAX_COLUMNS} fit."
        )
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found)


def _is_of(final: Any, names: frozenset[str]) -> bool:
    return library(final) == "sklearn" and type(final).__name__ in names


def column_names(final: Any, output: str, width: int) -> Sequence[str] | None:
    """What the columns of an output stand for, where the estimator can tell."""
    if output == "transformed":
        return _transformed_names(final, width)
    classes = classes_of(final)
    if classes is None or len(classes) != width or output == "predictions":
        return None
    return [str(label) for label in classes]


def _transformed_names(final: Any, width: int) -> Sequence[str] | None:
    try:
        names = [str(name) for name in final.get_feature_names_out()]
    except Exception:  # Some want the names of columns that only earlier steps know.
        return None
    return names if len(names) == width and len(set(names)) == width else None
