"""Run in the image with the extras: train on a data frame, with both kinds of boosted trees."""

import json
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from sklearn.compose import make_column_transformer
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from xgboost import XGBClassifier


def main(folder: Path) -> None:
    """Leave model.joblib in `folder/model`, and rows with their answers beside it."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"age": random.integers(18, 80, 200), "city": random.choice(["Bern", "Ulm"], 200)}
    )
    older = frame["age"] + 20 * (frame["city"] == "Ulm") > 60
    trees = [
        ("xgboost", XGBClassifier(n_estimators=5, n_jobs=1)),
        ("lightgbm", LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1)),
    ]
    columns = make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough")
    pipeline = make_pipeline(columns, VotingClassifier(trees, voting="soft")).fit(frame, older)
    (folder / "model").mkdir()
    joblib.dump(pipeline, folder / "model" / "model.joblib")
    rows = frame.head(5)
    example = {"rows": rows.to_dict("records"), "predictions": pipeline.predict(rows).tolist()}
    (folder / "example.json").write_text(json.dumps(example))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
