"""Any scikit-learn estimator is served with the answers it gives by itself."""

import warnings

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import DBSCAN, KMeans
from sklearn.covariance import EllipticEnvelope
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
    SGDOneClassSVM,
)
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, LocalOutlierFactor, NearestNeighbors
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from model import ArtifactRejected, Batch, Feature
from model.declaration import Declaration
from model.estimator.derivation import derive_model

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
    model = derive_model(estimator, "m", "1", Declaration())
    outputs = model.predict(BATCH)

    np.testing.assert_array_equal(outputs["predictions"], estimator.predict(ROWS))
    np.testing.assert_allclose(outputs["probabilities"], estimator.predict_proba(ROWS), atol=1e-12)
    assert model.contract.classes == tuple(sorted(set(labels.tolist())))


@pytest.mark.parametrize(
    ("labels", "shape", "names"),
    [(WORDS, (-1, 3), ("high", "low", "middle")), (LABELS > 0, (-1,), None)],
    ids=["several", "two"],
)
@pytest.mark.parametrize("estimator", [RidgeClassifier(), SVC()], ids=lambda e: type(e).__name__)
def test_classifier_without_probabilities_gives_scores(estimator, labels, shape, names):
    """The decision function takes the place of probabilities: one column a class, or one number."""
    model = derive_model(estimator.fit(ROWS, labels), "m", "1", Declaration())
    outputs = model.predict(BATCH)

    assert list(outputs) == ["predictions", "scores"]
    np.testing.assert_array_equal(outputs["predictions"], estimator.predict(ROWS))
    np.testing.assert_array_equal(outputs["scores"], estimator.decision_function(ROWS))
    assert (model.contract.outputs[1].shape, model.contract.outputs[1].names) == (shape, names)


def test_vote_by_majority_gives_labels_only():
    """Neither probabilities nor scores are made up where the estimator has none."""
    estimator = VotingClassifier([("bayes", GaussianNB())], voting="hard").fit(ROWS, WORDS)

    assert list(derive_model(estimator, "m", "1", Declaration()).predict(BATCH)) == ["predictions"]


@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize(
    "estimator", [LinearRegression(), RandomForestRegressor(3)], ids=lambda e: type(e).__name__
)
def test_regressor_gives_a_number_for_each_target(estimator, targets):
    """One target is shape (n,), several are (n, k); there are no classes."""
    rows, values = make_regression(40, 3, n_targets=targets, random_state=0)
    model = derive_model(estimator.fit(rows, values), "m", "1", Declaration())
    predictions = model.predict(Batch(rows))["predictions"]

    np.testing.assert_allclose(predictions, estimator.predict(rows))
    assert model.contract.outputs[0].shape == ((-1,) if targets == 1 else (-1, 2))
    assert model.contract.classes is None


@pytest.mark.parametrize(
    "estimator",
    [
        EllipticEnvelope(random_state=0),
        IsolationForest(n_estimators=5, random_state=0),
        LocalOutlierFactor(novelty=True),
        OneClassSVM(),
        SGDOneClassSVM(random_state=0),
        make_pipeline(StandardScaler(), IsolationForest(n_estimators=5, random_state=0)),
    ],
    ids=lambda e: type(e).__name__,
)
def test_outlier_detector_says_one_or_minus_one_and_how_far(estimator):
    """The score is that of the decision function: below 0 is an outlier."""
    rows = np.random.default_rng(0).normal(size=(80, 3))
    outputs = derive_model(estimator.fit(rows), "m", "1", Declaration()).predict(Batch(rows))

    assert set(outputs["predictions"].tolist()) == {1, -1}
    np.testing.assert_array_equal(outputs["predictions"], estimator.predict(rows))
    np.testing.assert_array_equal(outputs["scores"], estimator.decision_function(rows))


def test_several_yes_or_no_targets_have_one_table_of_probabilities():
    """Column i is the probability of the second class of target i."""
    both = np.column_stack([LABELS > 1, LABELS > 0])
    estimator = RandomForestClassifier(3, random_state=0).fit(ROWS, both)
    model = derive_model(estimator, "m", "1", Declaration())
    first, second = estimator.predict_proba(ROWS)
    found = model.predict(BATCH)["probabilities"]

    assert [(o.name, o.shape) for o in model.contract.outputs] == [
        ("predictions", (-1, 2)),
        ("probabilities", (-1, 2)),
    ]
    np.testing.assert_array_equal(found, np.column_stack([first[:, 1], second[:, 1]]))


def test_several_targets_have_a_table_of_probabilities_each():
    """A target of three classes beside one of two: each table has its own classes."""
    both = np.column_stack([LABELS, LABELS > 0])
    estimator = RandomForestClassifier(3, random_state=0).fit(ROWS, both)
    model = derive_model(estimator, "m", "1", Declaration())
    outputs = model.predict(BATCH)

    assert [(o.name, o.shape, o.classes) for o in model.contract.outputs] == [
        ("predictions", (-1, 2), None),
        ("probabilities_0", (-1, 3), (0, 1, 2)),
        ("probabilities_1", (-1, 2), (0, 1)),
    ]
    for target, table in enumerate(estimator.predict_proba(ROWS)):
        np.testing.assert_array_equal(outputs[f"probabilities_{target}"], table)


def test_multi_label_probabilities_are_those_of_each_label():
    """Flags have no classes of their own; the columns of the table are the labels."""
    flags = np.column_stack([label == LABELS for label in range(3)]).astype(int)
    estimator = OneVsRestClassifier(LogisticRegression()).fit(ROWS, flags)
    model = derive_model(estimator, "m", "1", Declaration())

    assert [(o.shape, o.classes, o.names) for o in model.contract.outputs] == [
        ((-1, 3), None, None),
        ((-1, 3), (0, 1, 2), ("0", "1", "2")),
    ]
    np.testing.assert_array_equal(model.predict(BATCH)["predictions"], estimator.predict(ROWS))


def test_transformer_gives_its_columns_by_name():
    """Sparse answers are sent whole, under the names the transformer gives them."""
    estimator = OneHotEncoder(handle_unknown="ignore").fit(LABELS.reshape(-1, 1).astype(float))
    model = derive_model(estimator, "m", "1", Declaration())
    outputs = model.predict(Batch(np.array([[2.0], [0.0]])))

    assert outputs["transformed"].tolist() == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    assert model.contract.outputs[0].names == ("x0_0.0", "x0_1.0", "x0_2.0")


def test_clusterer_names_the_nearest_cluster():
    """A clusterer with predict answers new rows as any other."""
    estimator = KMeans(2, n_init=1, random_state=0).fit(ROWS)
    model = derive_model(estimator, "m", "1", Declaration())

    np.testing.assert_array_equal(model.predict(BATCH)["predictions"], estimator.predict(ROWS))
    # The example is no row of the training data: it lies between the clusters.
    np.testing.assert_allclose(
        model.contract.example[0], np.median(estimator.cluster_centers_, axis=0), rtol=1e-3
    )


def test_search_is_served_as_its_best_estimator():
    """A finished search costs nothing at a call: the steps of its best pipeline are called."""
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    search = GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1.0]}, cv=2).fit(ROWS, WORDS)
    model = derive_model(search, "m", "1", Declaration())
    outputs = model.predict(BATCH)

    np.testing.assert_array_equal(outputs["predictions"], search.predict(ROWS))
    np.testing.assert_allclose(outputs["probabilities"], search.predict_proba(ROWS), atol=1e-12)


def test_output_is_described_in_the_words_of_the_declaration():
    """Description, unit and names of columns come from model.toml where it has them."""
    rows, values = make_regression(40, 3, n_targets=2, random_state=0)
    words = {"predictions": ("Both flows.", "l/s", ("in", "out"))}
    model = derive_model(LinearRegression().fit(rows, values), "m", "1", Declaration(outputs=words))
    output = model.contract.outputs[0]

    assert (output.description, output.unit, output.names) == words["predictions"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"flow": ("", "", None)}, "no output 'flow'; it has predictions"),
        ({"predictions": ("", "", ("a",))}, "no columns, names lists 1"),
    ],
    ids=["unknown", "names"],
)
def test_declared_output_must_be_one_of_the_model(words, sentence):
    """A description that fits no output is refused, as it would mislead."""
    estimator = LinearRegression().fit(ROWS, LABELS)
    with pytest.raises(ArtifactRejected, match=sentence):
        derive_model(estimator, "m", "1", Declaration(outputs=words))


def test_estimator_is_kept_to_one_thread():
    """However it was saved, also inside; a worker has one core."""
    voting = VotingClassifier([("forest", RandomForestClassifier(3, random_state=0))])
    estimator = make_pipeline(StandardScaler(), voting).fit(ROWS, LABELS)
    voting.n_jobs = voting.estimators_[0].n_jobs = -1
    derive_model(estimator, "m", "1", Declaration())

    assert (voting.n_jobs, voting.estimators_[0].n_jobs) == (1, 1)


def test_imputer_makes_its_features_nullable():
    """What an imputer fills may be missing; a regression alone takes no missing value."""
    gaps = np.where(ROWS > 2, np.nan, ROWS)
    filled = make_pipeline(SimpleImputer(), LogisticRegression()).fit(gaps, LABELS)
    bare = LogisticRegression().fit(ROWS, LABELS)

    assert {
        f.nullable for f in derive_model(filled, "m", "1", Declaration()).contract.features
    } == {True}
    assert not derive_model(bare, "m", "1", Declaration()).contract.has_nullable


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
    outputs = derive_model(estimator, "m", "1", Declaration()).predict(BATCH)

    np.testing.assert_array_equal(outputs["predictions"], estimator.predict(ROWS))


def test_most_probable_class_costs_one_call():
    """Where predict is the most probable class, the probabilities are computed once."""
    calls = []

    class CountedScaler(StandardScaler):
        def transform(self, rows, copy=None):
            calls.append("transform")
            return super().transform(rows, copy)

    pipeline = make_pipeline(CountedScaler(), LogisticRegression()).fit(ROWS, LABELS)
    model = derive_model(pipeline, "m", "1", Declaration())
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
        model = derive_model(estimator, "m", "1", Declaration())
        model.predict(BATCH)

    assert model.contract.feature_names == tuple("abcdef")
    assert list(estimator.feature_names_in_) == list(names)


def test_nullable_feature_reaches_an_estimator_that_takes_missing_values():
    """A NaN that the contract allows is imputed by the pipeline as in training."""
    pipeline = make_pipeline(SimpleImputer(), LogisticRegression()).fit(ROWS, LABELS)
    features = tuple(Feature(f"f{i}", nullable=True) for i in range(6))
    model = derive_model(pipeline, "m", "1", Declaration(features=features))
    rows = np.array([[np.nan, 1, 1, 1, 1, 1]])
    model.contract.check(Batch(rows))
    outputs = model.predict(Batch(rows))

    np.testing.assert_allclose(outputs["probabilities"], pipeline.predict_proba(rows))


def test_anything_with_predict_is_served():
    """No base class is needed."""
    model = derive_model(Doubler(), "m", "1", Declaration())

    assert model.predict(Batch(np.array([[2.0]])))["predictions"].tolist() == [4.0]


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        ({"weights": [1, 2]}, "A dict has no predict"),
        (NearestNeighbors().fit(ROWS), "A NearestNeighbors has no predict"),
        (DBSCAN().fit(ROWS), "A DBSCAN only describes the rows it was fitted on"),
        (LogisticRegression(), "The LogisticRegression is not fitted: call fit before saving it"),
        (
            make_pipeline(StandardScaler(), LogisticRegression().fit(ROWS, LABELS)),
            "The StandardScaler is not fitted",
        ),
        (Calendar(), "neither text nor numbers"),
    ],
    ids=["no estimator", "no answer", "no new rows", "not fitted", "partly fitted", "dates"],
)
def test_what_cannot_be_served_is_refused(estimator, reason):
    """A wrong object is refused at load, in words, not at the first call."""
    with pytest.raises(ArtifactRejected, match=reason):
        derive_model(estimator, "m", "1", Declaration())
