"""Train the benchmark's models: `python models.py OUT_DIR` in the environment that will serve them.

Every environment has the same scikit-learn, and trains the same models from the same seed: so no
pickle crosses from one set of libraries to another. The data ship with scikit-learn.
"""

import sys
from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MODELS = {
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "forest": lambda: RandomForestClassifier(n_estimators=100, random_state=0, n_jobs=1),
    "boosting": lambda: HistGradientBoostingClassifier(random_state=0),
}


def rows(count: int) -> np.ndarray:
    """Rows like those of the training data, shape (count, 30), float64 with all digits; seed 0."""
    data = load_breast_cancer().data
    random = np.random.default_rng(0)
    drawn = data[random.integers(0, len(data), count)]
    return drawn * random.uniform(0.9, 1.1, drawn.shape)


def main(folder: Path) -> None:
    """Write OUT_DIR/<model>.joblib for each."""
    folder.mkdir(parents=True, exist_ok=True)
    data = load_breast_cancer()
    for name, make in MODELS.items():
        joblib.dump(make().fit(data.data, data.target), folder / f"{name}.joblib")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
