"""Train the models that are slow or large: `python heavy_models.py OUT_DIR NAME`.

No peer serves them.
"""

import sys
from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.neighbors import KNeighborsRegressor

_COPIES = 240
_FOREST_ROWS = 40_000
FEATURES = 30


def neighbours() -> KNeighborsRegressor:
    """Some 10 ms a call: the neighbours of a row among 137,000. Asked once for each answer."""
    data = load_breast_cancer()
    many = [column.repeat(_COPIES, axis=0) for column in (data.data, data.target)]
    return KNeighborsRegressor(algorithm="brute").fit(*many)


def slow_forest() -> RandomForestClassifier:
    """Some 10 ms a call in its own library: 400 trees asked one after the other."""
    data = load_breast_cancer()
    return RandomForestClassifier(400, random_state=0, n_jobs=1).fit(data.data, data.target)


def large_forest() -> ExtraTreesClassifier:
    """500 MB: trees that have learned noise by heart, a leaf for each row or two."""
    random = np.random.default_rng(0)
    noise = random.normal(size=(_FOREST_ROWS, FEATURES))
    forest = ExtraTreesClassifier(100, max_features=1, random_state=0, n_jobs=1)
    return forest.fit(noise, random.integers(0, 2, _FOREST_ROWS))


MODELS = {"neighbours": neighbours, "slow-forest": slow_forest, "large-forest": large_forest}


if __name__ == "__main__":
    joblib.dump(MODELS[sys.argv[2]](), Path(sys.argv[1]) / f"{sys.argv[2]}.joblib")
