"""Small real models, and estimators that misbehave on purpose."""

import sys
import threading
import time
from pathlib import Path

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler


def wine_classifier() -> Pipeline:
    """Three classes from 13 named features; trained in 20 ms."""
    wine = load_wine()
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(wine.data, wine.target)
    # What fitting on a data frame leaves behind; pandas itself is not needed for that.
    pipeline[0].feature_names_in_ = np.array(wine.feature_names, dtype=object)
    return pipeline


def save_artifact(folder: Path, estimator: object, model_toml: str = "") -> Path:
    """Write a model folder as an analyst would."""
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(estimator, folder / "model.joblib")
    if model_toml:
        (folder / "model.toml").write_text(model_toml)
    return folder


class SlowEstimator(ClassifierMixin, BaseEstimator):
    """Sleeps on every call, as a heavy model computes; lets other threads run meanwhile."""

    def __init__(self, duration_s: float = 0.3) -> None:
        self.duration_s = duration_s
        self.n_features_in_ = 2

    def fit(self, _features: object, _labels: object = None) -> "SlowEstimator":
        return self

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        time.sleep(self.duration_s)
        return np.zeros(len(features))


class SlowEcho(SlowEstimator):
    """Takes its time, and answers the first feature: so each answer says whose it is."""

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        super().predict(features)
        return features[:, 0]


class HeldEstimator(SlowEstimator):
    """Is held, where the first feature is above 100, until the test lets it go."""

    let_go = threading.Event()

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        if features[0, 0] > 100:
            self.let_go.wait(60)
        return super().predict(features)


class LeavingEstimator(SlowEstimator):
    """Ends the process where the first feature is above 100."""

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        if features[0, 0] > 100:
            sys.exit("enough")
        return super().predict(features)


class MoodyEstimator(ClassifierMixin, BaseEstimator):
    """Raises, with the caller's value in its text, when the first feature is above 100."""

    def __init__(self) -> None:
        self.n_features_in_ = 2

    def fit(self, _features: object, _labels: object = None) -> "MoodyEstimator":
        return self

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        if features[0, 0] > 100:
            raise ValueError(f"cannot predict {features[0, 0]}")
        return features[:, 0]
