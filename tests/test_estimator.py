"""Any scikit-learn estimator is served with the answers it gives by itself."""

import warnings

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    RidgeClassifier,
)
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from model import ArtifactRejected, Batch, EstimatorModel, Feature
from model.declaration import Declaration

ROWS, LABELS = make_classification(120, n_features=6, n_informative=4, n_classes=3, random_state=0)
WORDS = np.array(["high", "low", "middle"])[LABELS]
BATCH = Batch(np.ascontiguousarray(ROWS))

PROBABILISTIC = [
    BaggingClassifier(DecisionTreeClassifier(max_depth=3), n_estimators=3, random_state=0),
    CalibratedClassifierCV(LogisticRegression(), cv=2),
    DecisionTreeClassifier(max_depth=3, random_state=0),
    ExtraTreeClassifier(max_depth=3, random_state=0),
    ExtraTreesClassifier(5, random_state=0),
    GaussianNB(),
    GradientBoostingClassifier(n_estimators=3, random_state=0),
    HistGradientBoostingClassifier(max_iter=3),
    KNeighborsClassifier(),
    LogisticRegression(),
    LogisticRegressionCV(Cs=2, cv=2, l1_ratios=(0.0,), use_legacy_attributes=False),
    MLPClassifier((4,), max_iter=400, random_state=0),
    RandomForestClassifier(5, random_state=0),
    VotingClassifier([("bayes", GaussianNB())], voting="soft"),
    make_pipeline(StandardScaler(), SimpleImputer(), LogisticRegression()),
    make_pipeline(make_pipeline(StandardScaler()), "passthrough", RandomForestClassifier(3)),
]


class CautiousRegression(LogisticRegression):
    """Says "high" in doubt, as its own predict, which the model must not replace."""

    def predict(self, rows):
        probable = self.predict_proba(rows).max(axis=1) > 0.9
        return np.where(probable, super().predict(rows), "high")


CautiousRegression.__name__ = "LogisticRegression"


class LoudPipeline(Pipeline):
    """A subclass may do more than its steps, so it must be called whole."""

    def predict(self, rows):
        return np.char.upper(super().predict(rows))


class Doubler:
    """Not from scikit-learn at all: a `predict` and a width are enough."""

    n_features_in_ = 1

    def predict(self, values):
        return values[:, 0] * 2


class Calendar(Doubler):
    """Answers what no protocol can carry."""

    def predict(self, values):
        return np.full(len(values), np.datetime64("2026-01-01"))


@pytest.mark.parametrize("estimator", PROBABILISTIC, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("labels", [LABELS, LABELS > 0, WORDS], ids=["int", "bool", "text"])
def test_classifier_answers_as_by_itself(estimator, labels):
    """Labels and probabilities are those of predict and predict_proba, with one call or two."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(ROWS, labels)
    model = EstimatorModel(estimator, "m", "1")
    outputs = model.predict(BATCH)

    np.testing.assert_array_equal(outputs["predictions"], estimator.predict(ROWS))
    np.testing.assert_allclose(outputs["probabilities"], estimator.predict_proba(ROWS), atol=1e-12)
    assert model.contract.classes == tuple(sorted(set(labels.tolist())))


@pytest.mark.parametrize(
    "estimator",
    [RidgeClassifier(), SVC(), VotingClassifier([("bayes", GaussianNB())], voting="hard")],
    ids=lambda e: type(e).__name__,
)
def test_classifier_without_probabilities_gives_labels_only(estimator):
    """Probabilities are an output only where the estimator has them."""
    outputs = EstimatorModel(estimator.fit(ROWS, WORDS), "m", "1").predict(BATCH)

    assert list(outputs) == ["predictions"]
    np.testing.assert_array_equal(outputs["predictions"], estimator.predict(ROWS))


@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize(
    "estimator", [LinearRegression(), RandomForestRegressor(3)], ids=lambda e: type(e).__name__
)
def test_regressor_gives_a_number_for_each_target(estimator, targets):
    """One target is shape (n,), several are (n, k); there are no classes."""
    rows, values = make_regression(40, 3, n_targets=targets, random_state=0)
    model = EstimatorModel(estimator.fit(rows, values), "m", "1")
    predictions = model.predict(Batch(rows))["predictions"]

    np.testing.assert_allclose(predictions, estimator.predict(rows))
    assert model.contract.outputs[0].shape == ((-1,) if targets == 1 else (-1, 2))
    assert model.contract.classes is None


@pytest.mark.parametrize(
    "estimator", [IsolationForest(n_estimators=5), OneClassSVM()], ids=lambda e: type(e).__name__
)
def test_outlier_detector_says_one_or_minus_one(estimator):
    """Outlier detectors answer by predict, like anything else."""
    model = EstimatorModel(estimator.fit(ROWS), "m", "1")

    assert set(model.predict(BATCH)["predictions"].tolist()) <= {1, -1}
    assert model.contract.outputs[0].datatype == "INT64"


def test_several_labels_at_once_have_no_single_table_of_probabilities():
    """A forest for two labels predicts both, and leaves out the list of two tables."""
    both = np.column_stack([LABELS, LABELS > 0])
    model = EstimatorModel(RandomForestClassifier(3).fit(ROWS, both), "m", "1")

    assert [(o.name, o.shape) for o in model.contract.outputs] == [("predictions", (-1, 2))]


@pytest.mark.parametrize(
    "estimator",
    [
        CautiousRegression(),
        FixedThresholdClassifier(LogisticRegression(), threshold=0.9),
        LoudPipeline([("regression", LogisticRegression())]),
    ],
    ids=["own predict", "threshold", "own pipeline"],
)
def test_predict_that_decides_otherwise_is_obeyed(estimator):
    """The most probable class is no substitute for a decision rule of the estimator's own."""
    estimator.fit(ROWS, np.where(LABELS > 0, "high", "low"))
    outputs = EstimatorModel(estimator, "m", "1").predict(BATCH)

    np.testing.assert_array_equal(outputs["predictions"], estimator.predict(ROWS))


def test_most_probable_class_costs_one_call():
    """Where predict is the most probable class, the probabilities are computed once."""
    calls = []

    class CountedScaler(StandardScaler):
        def transform(self, rows, copy=None):
            calls.append("transform")
            return super().transform(rows, copy)

    pipeline = make_pipeline(CountedScaler(), LogisticRegression()).fit(ROWS, LABELS)
    model = EstimatorModel(pipeline, "m", "1")
    calls.clear()
    outputs = model.predict(BATCH)

    assert list(outputs) == ["predictions", "probabilities"]
    assert calls == ["transform"]


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        VotingClassifier([("bayes", GaussianNB())], voting="soft"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_names_of_columns_cause_no_warning_and_stay_on_the_estimator(estimator):
    """An array is served to an estimator that knows names; the caller's object is not changed."""
    names = np.array(list("abcdef"), dtype=object)
    estimator.fit(ROWS, LABELS)
    first = estimator[0] if isinstance(estimator, Pipeline) else estimator
    first.feature_names_in_ = names
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = EstimatorModel(estimator, "m", "1")
        model.predict(BATCH)

    assert model.contract.feature_names == tuple("abcdef")
    assert list(estimator.feature_names_in_) == list(names)


def test_nullable_feature_reaches_an_estimator_that_takes_missing_values():
    """A NaN that the contract allows is imputed by the pipeline as in training."""
    pipeline = make_pipeline(SimpleImputer(), LogisticRegression()).fit(ROWS, LABELS)
    features = tuple(Feature(f"f{i}", nullable=i == 0) for i in range(6))
    model = EstimatorModel(pipeline, "m", "1", Declaration(features=features))
    rows = np.array([[np.nan, 1, 1, 1, 1, 1]])
    model.contract.check(Batch(rows))
    outputs = model.predict(Batch(rows))

    np.testing.assert_allclose(outputs["probabilities"], pipeline.predict_proba(rows))


def test_anything_with_predict_is_served():
    """No base class is needed."""
    model = EstimatorModel(Doubler(), "m", "1")

    assert model.predict(Batch(np.array([[2.0]])))["predictions"].tolist() == [4.0]


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        ({"weights": [1, 2]}, "A dict has no predict"),
        (StandardScaler().fit(ROWS), "A StandardScaler has no predict"),
        (LogisticRegression(), "does not tell its features"),
        (Calendar(), "neither text nor numbers"),
    ],
    ids=["no estimator", "transformer", "not fitted", "dates"],
)
def test_what_cannot_be_served_is_refused(estimator, reason):
    """A wrong object is refused at load, in words, not at the first call."""
    with pytest.raises(ArtifactRejected, match=reason):
        EstimatorModel(estimator, "m", "1")
