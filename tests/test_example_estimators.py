"""The estimators in examples/ are trained, served and asked as their folders say."""

import importlib.util
import json
import pickle
from pathlib import Path

import joblib
import numpy as np

from model.declaration import Declaration, parse_declaration
from model.estimator.derivation import derive_model
from model.signature import Feature

EXAMPLES = Path(__file__).parents[1] / "examples"


def training_script(folder):
    """The train.py of an example, as a module."""
    path = EXAMPLES / folder / "train.py"
    spec = importlib.util.spec_from_file_location(f"train_{folder}", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def test_mixed_types_is_served_with_the_types_of_its_frame(tmp_path):
    """Numbers, text, whole numbers and truth values; gaps only where the pipeline fills them."""
    script = training_script("mixed_types")
    script.main(tmp_path)
    declaration = parse_declaration((tmp_path / "model.toml").read_bytes())
    pipeline = joblib.load(tmp_path / "model.joblib")
    model = derive_model(pipeline, "churn", "1", declaration)
    types = {f.name: (f.datatype, f.nullable, f.categories) for f in model.contract.features}

    assert types == {
        "months": ("FP64", True, None),
        "monthly_charge": ("FP64", True, None),
        "contract": ("BYTES", False, ("monthly", "one year", "two years")),
        "payment": ("BYTES", False, ("card", "invoice", "transfer")),
        "complaints": ("INT64", False, (0, 1, 2, 3, 4)),
        "paperless": ("BOOL", False, None),
        "region": ("BYTES", True, None),
    }
    assert model.contract.outputs[1].description == "How likely each of the two outcomes is."


def test_mixed_types_answers_its_example_as_the_pipeline_does(tmp_path):
    """The request of the folder is the example of its contract: one row full, one with gaps."""
    script = training_script("mixed_types")
    frame, _ = script.customers()
    pipeline = script.train()
    declaration = parse_declaration((EXAMPLES / "mixed_types" / "model.toml").read_bytes())
    model = derive_model(pipeline, "churn", "1", declaration)
    rows = json.loads((EXAMPLES / "mixed_types" / "request.json").read_text())["rows"]
    outputs = model.predict(model.contract.example_batch)
    asked = frame.iloc[:2].assign(**{name: [row[name] for row in rows] for name in rows[0]})

    assert [tuple(row[f.name] for f in model.contract.features) for row in rows] == [
        *model.contract.example
    ]
    np.testing.assert_array_equal(outputs["predictions"], pipeline.predict(asked))
    np.testing.assert_allclose(outputs["probabilities"], pipeline.predict_proba(asked))


def test_bare_pickle_needs_no_declaration(tmp_path):
    """The estimator tells its features, its classes and an example."""
    training_script("bare_pickle").main(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["iris.pkl"]

    forest = pickle.loads((tmp_path / "iris.pkl").read_bytes())  # noqa: S301 - Written just above.
    contract = derive_model(forest, "iris", "1", Declaration()).contract

    assert contract.features == tuple(Feature(f"x{index}") for index in range(4))
    assert contract.classes == ("setosa", "versicolor", "virginica")
    # The middle of the thresholds that its trees split at, so some lengths of a flower.
    assert all(0 < value < 8 for value in contract.example[0])
