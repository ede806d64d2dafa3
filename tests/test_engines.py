"""A compiled form serves only where it was proved to answer as the original does."""

import runpy
from pathlib import Path

import numpy as np
import onnx
import pytest
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model import ArtifactRejected, Batch
from model.declaration import Declaration, parse_declaration
from model.engines.choice import Compiled, choose_engines, compile_proved
from model.engines.onnx_engine import OnnxEngine
from model.engines.probe_rows import Probe
from model.engines.proof import answers, prove
from model.engines.threshold_rows import threshold_rows
from model.estimator.derivation import derive_model
from model.signature import Feature

EXAMPLES = Path(__file__).parents[1] / "examples"
ROWS, LABELS = load_wine(return_X_y=True)
BINARY_ROWS, BINARY_LABELS = load_breast_cancer(return_X_y=True)
NAMES = [f"x{index}" for index in range(ROWS.shape[1])]
NULLABLE = Declaration(features=tuple(Feature(name, nullable=True) for name in NAMES))


def forest():
    return RandomForestClassifier(20, random_state=0).fit(ROWS, LABELS)


def model_of(estimator, declaration=None):
    return derive_model(estimator, "m", "1", declaration or Declaration())


def compiled(model) -> Compiled:
    found = compile_proved(model)
    assert isinstance(found, Compiled), found
    return found


def changed(data: bytes, change) -> bytes:
    graph = onnx.load_model_from_string(data)
    change(graph.graph)
    return graph.SerializeToString()


@pytest.mark.parametrize(
    ("estimator", "most"),
    [
        (make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)), 1e-14),
        (make_pipeline(SimpleImputer(), RandomForestClassifier(20, random_state=0)), 0.0),
        (HistGradientBoostingClassifier(max_iter=10), 1e-14),
    ],
    ids=["logistic", "forest", "histogram boosting"],
)
def test_a_compiled_model_answers_in_double_precision(estimator, most):
    """Forests to the last bit: their sums are those of scikit-learn. Missing values go as there."""
    model = model_of(estimator.fit(ROWS, LABELS))
    found = compiled(model)
    gaps = np.where(np.random.default_rng(0).random(ROWS.shape) < 0.2, np.nan, ROWS)
    batch = Batch(gaps if model.contract.has_nullable else ROWS)
    expected, answer = model.predict(batch), found.engine.predict(batch)

    assert found.proof.largest_difference <= most
    assert ("missing" in found.proof.rows) == model.contract.has_nullable
    np.testing.assert_array_equal(answer["predictions"], expected["predictions"])
    np.testing.assert_allclose(answer["probabilities"], expected["probabilities"], atol=1e-12)


def test_votes_that_are_even_give_the_same_label():
    """In single precision the two sums of an even vote differ, and the label with them."""
    pure = RandomForestClassifier(10, max_features=1, random_state=0).fit(
        BINARY_ROWS[:, :3], BINARY_LABELS
    )
    model = model_of(pure)
    random = np.random.default_rng(0)
    low, high = BINARY_ROWS[:, :3].min(axis=0), BINARY_ROWS[:, :3].max(axis=0)
    batch = Batch(low + random.random((5_000, 3)) * (high - low))
    expected = model.predict(batch)

    assert (expected["probabilities"][:, 0] == 0.5).sum() > 20
    answer = compiled(model).engine.predict(batch)
    np.testing.assert_array_equal(answer["predictions"], expected["predictions"])
    np.testing.assert_array_equal(answer["probabilities"], expected["probabilities"])


def test_a_threshold_that_flips_is_caught_on_the_threshold():
    """A graph that compares in double precision, where scikit-learn rounds to single before."""
    model = model_of(forest())

    def without_rounding(graph):
        single, double, trees = graph.node[:3]
        assert [single.op_type, double.op_type, trees.op_type] == ["Cast", "Cast", "TreeEnsemble"]
        trees.input[0] = single.input[0]

    wrong = OnnxEngine(changed(compiled(model).data, without_rounding), model.contract)
    random = np.random.default_rng(0)
    least, most = ROWS.min(axis=0), ROWS.max(axis=0)
    across = least + random.random((1_000, ROWS.shape[1])) * (most - least)
    ordinary = answers(model, [Probe("range", Batch(across))])
    rows = threshold_rows(model.estimator, across, random)
    on_thresholds = answers(model, [Probe("threshold", Batch(rows))])

    assert prove(wrong, ordinary).fault is None
    assert "rows on thresholds of its trees" in prove(wrong, on_thresholds).fault


def test_thresholds_behind_a_scaler_are_met():
    """Rows are led back through the steps before, to the neighbours of each threshold."""
    pipeline = make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=5))
    pipeline.fit(ROWS, LABELS)
    rows = threshold_rows(pipeline, ROWS, np.random.default_rng(0))
    scaled = pipeline[0].transform(rows)
    thresholds = np.concatenate([p.nodes["num_threshold"] for [p, *_] in pipeline[-1]._predictors])

    assert np.isin(scaled, thresholds).sum() > 10


def test_missing_values_that_go_astray_are_caught():
    """A graph in which what is missing goes the other way at each split."""
    gaps = np.where(np.random.default_rng(0).random(ROWS.shape) < 0.2, np.nan, ROWS)
    model = model_of(RandomForestClassifier(20, random_state=0).fit(gaps, LABELS), NULLABLE)

    def astray(graph):
        [trees] = [node for node in graph.node if node.op_type == "TreeEnsemble"]
        [sides] = [a for a in trees.attribute if a.name == "nodes_missing_value_tracks_true"]
        sides.ints[:] = [1 - side for side in sides.ints]

    wrong = OnnxEngine(changed(compiled(model).data, astray), model.contract)

    assert prove(wrong, answers(model, [Probe("range", Batch(ROWS))])).fault is None
    found = prove(wrong, answers(model, [Probe("missing", Batch(gaps))]))
    assert "rows with missing values" in found.fault


def test_a_frame_of_mixed_types_is_compiled():
    """Text, whole numbers and truth values, each as an input; text that is missing too."""
    example = runpy.run_path(str(EXAMPLES / "mixed_types" / "train.py"))
    declaration = parse_declaration((EXAMPLES / "mixed_types" / "model.toml").read_bytes())
    model = model_of(example["train"](), declaration)
    found = compiled(model)

    assert found.proof.rows["missing"] > 50
    assert found.proof.largest_difference < 1e-12


def test_what_does_not_compile_serves_as_it_is_and_says_why():
    """Nothing is lost but speed; who insists on a compiled form is told."""
    model = model_of(KernelDensity().fit(ROWS))
    record = choose_engines(model).record

    assert record.routes == ((1, "native"),)
    assert record.reason.startswith("skl2onnx cannot write a KernelDensity in ONNX")
    with pytest.raises(ArtifactRejected, match="cannot run on onnx") as refusal:
        choose_engines(model, "onnx")
    assert record.reason in refusal.value.reason


def test_the_original_may_be_asked_for():
    """Then nothing is compiled."""
    choice = choose_engines(model_of(forest()), "native")

    assert (choice.record.routes, choice.files) == (((1, "native"),), {})
    assert choice.record.reason == "The original was asked for."


def test_what_was_chosen_is_recorded():
    """Engines, rows, the largest difference, and the times of both at each size."""
    said: list[str] = []
    choice = choose_engines(model_of(forest()), progress=said.append)
    record = choice.record

    assert record.routes[0] == (1, "onnx")
    assert list(choice.files) == ["compiled/model.onnx"]
    assert record.rows["threshold"] > 100
    assert record.largest_difference == 0.0
    assert record.times_s["onnx"][1] < record.times_s["native"][1]
    assert said == ["compiling for onnx", "comparing onnx with the original", "measuring"]


def test_too_many_nodes_are_not_compiled(monkeypatch):
    """The graph would take too long to open; the reason says how many there are."""
    count = sum(tree.tree_.node_count for tree in forest().estimators_) * 3
    monkeypatch.setattr("model.engines.tree_ensemble._MOST_NODES", count)
    fits = compile_proved(model_of(forest()))
    monkeypatch.setattr("model.engines.tree_ensemble._MOST_NODES", count - 1)
    refused = compile_proved(model_of(forest()))

    assert isinstance(fits, Compiled)
    assert refused == f"Its trees have {count:,} nodes; up to {count - 1:,} compile."
