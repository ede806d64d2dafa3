"""Train a model and save it as a bare pickle: `python examples/bare_pickle/train.py OUT_DIR`.

Writes OUT_DIR/iris.pkl and nothing else: the estimator itself says what it takes and answers.
The data ships with scikit-learn, and two runs give the same model.
"""

import pickle
import sys
from pathlib import Path

from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier


def train() -> RandomForestClassifier:
    """Tells three kinds of iris by four lengths; its labels are the names of the flowers."""
    iris = load_iris()
    forest = RandomForestClassifier(20, max_depth=4, random_state=0)
    return forest.fit(iris.data, iris.target_names[iris.target])


def main(out_dir: Path) -> None:
    out_dir.mkdir(parents=True, exist_ok=True)
    (out_dir / "iris.pkl").write_bytes(pickle.dumps(train()))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: train.py OUT_DIR")
    main(Path(sys.argv[1]))
