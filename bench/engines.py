"""`make engines`: twenty and more models, the engine that answers each, and how fast.

Every line is what `gateway model add` finds: compiled, proved, measured. Times are those of the
model alone, for one row and for 10,000.
"""

import runpy
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
from lightgbm import LGBMClassifier
from rich.console import Console
from rich.table import Table
from sklearn import (
    cluster,
    decomposition,
    ensemble,
    feature_extraction,
    linear_model,
    naive_bayes,
    neighbors,
    neural_network,
    svm,
    tree,
)
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBClassifier

from model.contents import read_contents
from model.engines.choosing import engines_for
from model.engines.record import NATIVE, EngineRecord, EngineWish
from model.kinds import derive_contents

EXAMPLES = Path(__file__).parents[1] / "examples"
ROWS, LABELS = load_breast_cancer(return_X_y=True)
SIZES = (1, 10_000)


def numeric() -> Iterator[tuple[str, Any]]:
    """Fitted on 569 rows of 30 numbers."""
    amounts = ROWS[:, 0] + LABELS
    scaled = {
        "LogisticRegression": linear_model.LogisticRegression(max_iter=1000),
        "RidgeClassifier": linear_model.RidgeClassifier(),
        "SVC": svm.SVC(),
        "MLPClassifier": neural_network.MLPClassifier((50,), max_iter=200, random_state=0),
        "KNeighborsClassifier": neighbors.KNeighborsClassifier(),
    }
    for name, one in scaled.items():
        yield f"StandardScaler, {name}", make_pipeline(StandardScaler(), one).fit(ROWS, LABELS)
    classifiers = (
        tree.DecisionTreeClassifier(random_state=0),
        ensemble.RandomForestClassifier(100, random_state=0),
        ensemble.ExtraTreesClassifier(100, random_state=0),
        ensemble.GradientBoostingClassifier(random_state=0),
        ensemble.HistGradientBoostingClassifier(random_state=0),
        ensemble.BaggingClassifier(random_state=0),
        ensemble.AdaBoostClassifier(random_state=0),
        naive_bayes.GaussianNB(),
        XGBClassifier(n_jobs=1),
        LGBMClassifier(n_jobs=1, verbose=-1),
    )
    for one in classifiers:
        yield type(one).__name__, one.fit(ROWS, LABELS)
    for one in (
        linear_model.LinearRegression(),
        ensemble.RandomForestRegressor(100, random_state=0),
        svm.SVR(),
    ):
        yield type(one).__name__, one.fit(ROWS, amounts)
    for one in (
        ensemble.IsolationForest(random_state=0),
        cluster.KMeans(5, n_init=1, random_state=0),
        decomposition.PCA(5),
        neighbors.KernelDensity(),
    ):
        yield type(one).__name__, one.fit(ROWS)


def mixed() -> Iterator[tuple[str, Any]]:
    """Fitted on a data frame with numbers, text, truth values and gaps; and on texts."""
    example = runpy.run_path(str(EXAMPLES / "mixed_types" / "train.py"))
    frame, outcome = example["customers"]()
    yield "mixed types, LogisticRegression", example["train"]()
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["contract", "payment", "region"]),
        ("passthrough", ["months", "complaints"]),
    )
    forest = ensemble.RandomForestClassifier(100, random_state=0)
    yield "mixed types, RandomForestClassifier", make_pipeline(columns, forest).fit(frame, outcome)
    words = feature_extraction.text.TfidfVectorizer()
    texts = [f"{row.contract} {row.payment} {row.region}" for row in frame.itertuples()]
    yield (
        "TfidfVectorizer, LogisticRegression",
        make_pipeline(words, linear_model.LogisticRegression()).fit(texts, outcome),
    )


def folders(room: Path) -> Iterator[tuple[str, Path]]:
    """Each model as an analyst would bring it."""
    for number, (name, estimator) in enumerate([*numeric(), *mixed()]):
        folder = room / str(number)
        folder.mkdir()
        joblib.dump(estimator, folder / "model.joblib")
        yield name, folder
    seldon = room / "seldon"
    runpy.run_path(str(EXAMPLES / "seldon_style" / "train.py"))["main"](seldon)
    yield "Model.py (Seldon's convention)", seldon


def chosen(folder: Path) -> EngineRecord:
    """As `gateway model add` chooses, in this process."""
    contents = read_contents(folder)
    model = derive_contents(contents, "m", "1")
    return engines_for(model, contents, EngineWish(), lambda _: None).record


def line(name: str, record: EngineRecord) -> list[str]:
    """One line of the table."""
    (_, first), *others = record.routes
    engine = ", ".join([first, *(f"{other} from {rows:,}" for rows, other in others)])
    compiled = next((one for one in record.times_s if one != NATIVE), "")
    times = [
        f"{record.times_s[one][size] * 1e6:,.0f}" if size in record.times_s.get(one, {}) else "-"
        for size in SIZES
        for one in (NATIVE, compiled)
    ]
    difference = record.largest_difference
    proved = "-" if difference is None else f"{difference:.1g}"
    return [name, engine, str(sum(record.rows.values())), proved, *times, record.reason]


def main() -> None:
    warnings.simplefilter("ignore")
    columns = ("model", "engine", "rows proved", "largest difference")
    kinds = ("native", "compiled")
    times = [f"{one}, {size:,} row{'s' * (size > 1)}, µs" for size in SIZES for one in kinds]
    table = Table(*columns, *times, "why not", box=None, pad_edge=False)
    with tempfile.TemporaryDirectory() as room:
        for name, folder in folders(Path(room)):
            table.add_row(*line(name, chosen(folder)))
    Console(width=None if sys.stdout.isatty() else 260).print(table)


if __name__ == "__main__":
    main()
