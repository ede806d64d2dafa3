"""Models for the bad days: real artifacts that hang once they serve."""

import re
import time
from pathlib import Path

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin


class Slow(RegressorMixin, BaseEstimator):
    """Takes 0.6 s, twice its own deadline, and lets other threads run meanwhile."""

    n_features_in_ = 1

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        time.sleep(0.6)
        return np.zeros(len(features))


class Stuck(RegressorMixin, BaseEstimator):
    """Never ends, inside C code that holds the interpreter, where the first value is 1."""

    n_features_in_ = 1

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        if features[0, 0] == 1:
            re.match(r"(a+)+$", "a" * 64 + "b")
        return np.zeros(len(features))


def sources(folder: Path) -> dict[str, Path]:
    """A model folder for each, by name."""
    folders = {}
    for name, estimator in {"slow": Slow(), "stuck": Stuck()}.items():
        folders[name] = folder / name
        folders[name].mkdir(parents=True)
        joblib.dump(estimator, folders[name] / "model.joblib")
    (folders["slow"] / "model.toml").write_text("[limits]\ndeadline_s = 0.3\n")
    return folders
