"""Any scikit-learn estimator as a model, with no code of its own."""

import copy
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from model.batch import Array, Batch
from model.contract import Contract
from model.declaration import Declaration
from model.derivation import derive_contract
from model.errors import ArtifactRejected

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

# Names are checked by the contract. Estimators inside other estimators may still remember the
# names of their training columns, and would warn at each call that an array has none.
warnings.filterwarnings("ignore", message="X does not have valid feature names")


class EstimatorModel:
    """Serves one fitted estimator: classifier, regressor, outlier detector, or any `predict`."""

    # One row of StandardScaler and LogisticRegression: 250 us of CPU, where `predict` and
    # `predict_proba` on the pipeline take 710. One call for both answers saves 370, no warning
    # about names 25, walking the steps ourselves 40, not looking for NaN a second time 30.

    def __init__(
        self,
        estimator: Any,
        model_name: str,
        model_version: str,
        declaration: Declaration | None = None,
    ) -> None:
        """Raises ArtifactRejected if it cannot predict, or contradicts its declaration."""
        self._transforms, final = _flatten(estimator)
        self._answer = _answering(final)
        # Until the contract is known, scikit-learn looks for NaN and infinity itself.
        self._finite = False
        self.contract: Contract = derive_contract(
            estimator, model_name, model_version, declaration or Declaration(), self.predict
        )
        self._finite = not self.contract.has_nullable

    def predict(self, batch: Batch) -> Mapping[str, Array]:
        """One array for each output of the contract. Raises whatever the estimator raises."""
        if not self._finite:
            return self._run(batch.values)
        with sklearn.config_context(assume_finite=True):
            return self._run(batch.values)

    def _run(self, values: npt.NDArray[np.float64]) -> Mapping[str, Array]:
        transformed: Any = values
        for transform in self._transforms:
            transformed = transform(transformed)
        return self._answer(transformed)


def _flatten(estimator: Any) -> tuple[list[Callable[[Any], Any]], Any]:
    """The transforms before the last step, and the last step.

    Only for scikit-learn's own Pipeline: a subclass may do more than call its steps in order.
    """
    steps = _steps(estimator)
    steps[0] = _without_names(steps[0])
    if not callable(getattr(steps[-1], "predict", None)):
        raise ArtifactRejected(f"A {type(steps[-1]).__name__} has no predict method.")
    return [step.transform for step in steps[:-1]], steps[-1]


def _steps(estimator: Any) -> list[Any]:
    if type(estimator) is not Pipeline:
        return [estimator]
    present = [step for _, step in estimator.steps if step is not None and step != "passthrough"]
    return [inner for step in present for inner in _steps(step)]


def _without_names(step: Any) -> Any:
    """A shallow copy that does not compare the names of its columns.

    One that labels its output from these names (`set_output`) keeps them.
    """
    if not isinstance(step, BaseEstimator) or "feature_names_in_" not in vars(step):
        return step
    if hasattr(step, "_sklearn_output_config") or hasattr(step, "transformers_"):
        return step
    nameless = copy.copy(step)
    del nameless.feature_names_in_
    return nameless


def _answering(final: Any) -> Callable[[Any], Mapping[str, Array]]:
    if not hasattr(final, "predict_proba") or _has_many_outputs(final):
        return lambda values: {"predictions": np.asarray(final.predict(values))}
    if _predicts_most_probable(final):
        return lambda values: _most_probable(final, values)
    return lambda values: {
        "predictions": np.asarray(final.predict(values)),
        "probabilities": np.asarray(final.predict_proba(values)),
    }


def _has_many_outputs(final: Any) -> bool:
    """Whether it predicts several labels at once, so that no single table of probabilities fits."""
    return isinstance(getattr(final, "classes_", None), list)


def _predicts_most_probable(final: Any) -> bool:
    kind = type(final)
    return kind.__module__.startswith("sklearn.") and kind.__name__ in _PREDICTS_MOST_PROBABLE


def _most_probable(final: Any, values: Any) -> Mapping[str, Array]:
    probabilities = final.predict_proba(values)
    labels = final.classes_.take(probabilities.argmax(axis=1))
    return {"predictions": labels, "probabilities": probabilities}
