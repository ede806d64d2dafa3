"""Train a model on a data frame of mixed types: `python examples/mixed_types/train.py OUT_DIR`.

Writes OUT_DIR/model.joblib and OUT_DIR/model.toml. The customers are made up, with numbers, text,
truth values and gaps; two runs give the same model. Needs pandas: `make extras`.
"""

import shutil
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

ROWS = 1_000


def customers(row_count: int = ROWS) -> tuple[pd.DataFrame, pd.Series]:
    """Customers of a telephone company, and whether each of them "left" or "stayed"."""
    random = np.random.default_rng(20_260_101)
    frame = pd.DataFrame(
        {
            "months": random.integers(1, 73, row_count).astype(float),
            "monthly_charge": random.normal(65.0, 25.0, row_count).clip(15.0, 130.0).round(2),
            "contract": random.choice(["monthly", "one year", "two years"], row_count),
            "payment": random.choice(["card", "invoice", "transfer"], row_count),
            "region": random.choice(["north", "south", "west"], row_count),
            "complaints": random.poisson(0.7, row_count).clip(0, 4),
            "paperless": random.random(row_count) < 0.6,
        }
    )
    leaning = (
        0.03 * (frame["monthly_charge"] - 65.0)
        - 0.05 * (frame["months"] - 24.0)
        + frame["contract"].map({"monthly": 1.0, "one year": -0.5, "two years": -1.5})
        + 0.6 * frame["complaints"]
        + 0.3 * frame["paperless"]
    )
    left = leaning + random.logistic(size=row_count) > 0.5
    frame.loc[random.random(row_count) < 0.05, "monthly_charge"] = np.nan
    frame.loc[random.random(row_count) < 0.05, "region"] = np.nan
    return frame, left.map({True: "left", False: "stayed"})


def train() -> Pipeline:
    """Fills gaps, scales numbers, spreads categories, and weighs all of them."""
    frame, outcome = customers()
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    # A region that is new, or missing, counts as none of those known.
    open_list = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    closed_list = OneHotEncoder(sparse_output=False)
    columns = make_column_transformer(
        (numbers, ["months", "monthly_charge"]),
        (closed_list, ["contract", "payment", "complaints", "paperless"]),
        (open_list, ["region"]),
    )
    return make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(frame, outcome)


def main(out_dir: Path) -> None:
    out_dir.mkdir(parents=True, exist_ok=True)
    joblib.dump(train(), out_dir / "model.joblib")
    shutil.copyfile(Path(__file__).with_name("model.toml"), out_dir / "model.toml")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: train.py OUT_DIR")
    main(Path(sys.argv[1]))
