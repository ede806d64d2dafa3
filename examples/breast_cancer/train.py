"""Train the example model: `python examples/breast_cancer/train.py OUT_DIR`.

Writes OUT_DIR/model.joblib and OUT_DIR/model.toml, which is all that `ModelStore.add` needs.
The data ships with scikit-learn, and two runs give the same model.
"""

import shutil
import sys
from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler


def train() -> Pipeline:
    """Classifies 30 measurements of a cell sample as 0 (malignant) or 1 (benign)."""
    data = load_breast_cancer()
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    pipeline.fit(data.data, data.target)
    # Training on a pandas frame would set the same names; this way pandas need not be installed.
    pipeline[0].feature_names_in_ = np.array(data.feature_names, dtype=object)
    return pipeline


def main(out_dir: Path) -> None:
    out_dir.mkdir(parents=True, exist_ok=True)
    joblib.dump(train(), out_dir / "model.joblib")
    shutil.copyfile(Path(__file__).with_name("model.toml"), out_dir / "model.toml")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: train.py OUT_DIR")
    main(Path(sys.argv[1]))
