"""Train the model of this folder: `python examples/seldon_style/train.py OUT_DIR`.

Writes OUT_DIR/wine.pkl and puts Model.py and model.toml beside it: a folder that
`gateway model add OUT_DIR` takes. The data ships with scikit-learn, and two runs give the same
model.
"""

import pickle
import shutil
import sys
from pathlib import Path

from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES = ("alcohol", "color_intensity", "hue", "proline")


def train() -> Pipeline:
    """Tells three cultivars apart by four measurements of the wine."""
    wine = load_wine()
    columns = [wine.feature_names.index(name) for name in FEATURES]
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(
        wine.data[:, columns], wine.target_names[wine.target]
    )


def main(out_dir: Path) -> None:
    out_dir.mkdir(parents=True, exist_ok=True)
    (out_dir / "wine.pkl").write_bytes(pickle.dumps(train(), protocol=5))
    for name in ("Model.py", "model.toml"):
        shutil.copyfile(Path(__file__).with_name(name), out_dir / name)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: train.py OUT_DIR")
    main(Path(sys.argv[1]))
