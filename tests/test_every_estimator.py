"""Every estimator that scikit-learn has is served as it answers by itself, or refused in words."""

import warnings

import numpy as np
import pytest
from sklearn.base import is_classifier, is_outlier_detector, is_regressor
from sklearn.datasets import make_blobs
from sklearn.utils import all_estimators, get_tags
from sklearn.utils._test_common.instance_generator import _construct_instances

from model import ArtifactRejected, Batch
from model.declaration import Declaration
from model.engines.choice import compile_proved
from model.estimator.derivation import derive_model

# Positive, as some kinds want it, and of three classes.
ROWS, LABELS = make_blobs(40, n_features=4, centers=3, cluster_std=2.0, random_state=0)
ROWS = np.ascontiguousarray(ROWS - ROWS.min(axis=0) + 0.1)
TEXTS = [" ".join(np.array(["red", "green", "blue"])[row > 4]) or "grey" for row in ROWS[:, :3]]
ESTIMATORS = dict(all_estimators())
SEED = 0

REFUSED = {
    "only describes the rows": (
        "AgglomerativeClustering ClassicalMDS DBSCAN HDBSCAN LocalOutlierFactor MDS OPTICS"
        " SpectralClustering SpectralEmbedding TSNE"
    ),
    "has no predict method": (
        "EmpiricalCovariance GraphicalLasso GraphicalLassoCV LedoitWolf MinCovDet NearestNeighbors"
        " OAS ShrunkCovariance SpectralBiclustering SpectralCoclustering"
    ),
    "does not tell its features": (
        "DictVectorizer FeatureHasher IsotonicRegression LabelBinarizer LabelEncoder"
        " MultiLabelBinarizer PatchExtractor"
    ),
    "columns for each row": "HashingVectorizer",
    # No training row is near their typical one.
    "fails on its example": "RadiusNeighborsClassifier RadiusNeighborsRegressor",
}
# Either skl2onnx cannot write them in double precision, or what it writes was found to differ.
NATIVE = frozenset(
    [
        "AdaBoostClassifier",
        "AdditiveChi2Sampler",
        "AffinityPropagation",
        "BayesianGaussianMixture",
        "BernoulliRBM",
        "Binarizer",
        "Birch",
        "BisectingKMeans",
        "CCA",
        "CategoricalNB",
        "ClassifierChain",
        "CountVectorizer",
        "DictionaryLearning",
        "DummyClassifier",
        "DummyRegressor",
        "EllipticEnvelope",
        "FactorAnalysis",
        "FastICA",
        "FeatureAgglomeration",
        "FixedThresholdClassifier",
        "GaussianMixture",
        "GaussianProcessClassifier",
        "Isomap",
        "KBinsDiscretizer",
        "KNNImputer",
        "KernelDensity",
        "KernelRidge",
        "LabelPropagation",
        "LabelSpreading",
        "LatentDirichletAllocation",
        "LocallyLinearEmbedding",
        "MeanShift",
        "MiniBatchDictionaryLearning",
        "MiniBatchNMF",
        "MiniBatchSparsePCA",
        "MissingIndicator",
        "MultiOutputClassifier",
        "NMF",
        "NearestCentroid",
        "Normalizer",
        "NuSVR",
        "Nystroem",
        "OneClassSVM",
        "OneHotEncoder",
        "OneVsOneClassifier",
        "OneVsRestClassifier",
        "OutputCodeClassifier",
        "PLSCanonical",
        "PLSSVD",
        "PolynomialCountSketch",
        "PolynomialFeatures",
        "PowerTransformer",
        "RBFSampler",
        "RFE",
        "RFECV",
        "RadiusNeighborsTransformer",
        "RandomTreesEmbedding",
        "RegressorChain",
        "SVR",
        "SelfTrainingClassifier",
        "SequentialFeatureSelector",
        "SkewedChi2Sampler",
        "SparseCoder",
        "SparsePCA",
        "SparseRandomProjection",
        "SplineTransformer",
        "TargetEncoder",
        "TfidfTransformer",
        "TfidfVectorizer",
        "TransformedTargetRegressor",
        "TunedThresholdClassifierCV",
    ]
)
REASONS = {name: reason for reason, names in REFUSED.items() for name in names.split()}


def made(name):
    """The estimator as scikit-learn's own tests make it: small, with what it cannot do without."""
    try:
        estimator = next(iter(_construct_instances(ESTIMATORS[name])))
    except Exception as exc:  # Skipped by scikit-learn too: nothing says how to make one.
        pytest.skip(f"{name} cannot be made: {type(exc).__name__}")
    if name == "DummyClassifier":
        # Its default draws lots, so that no two answers are the same.
        estimator.set_params(strategy="prior")
    if name == "SparseCoder":
        # It is never fitted: its dictionary alone says how wide its rows are.
        estimator.set_params(dictionary=np.eye(ROWS.shape[1]))
    return estimator


def rows_for(estimator):
    """Rows of a shape that the estimator asks for by its tags."""
    tags = get_tags(estimator).input_tags
    if tags.string and not tags.two_d_array:
        return TEXTS
    if tags.dict:
        return [{"a": 1.0, "b": 2.0}] * 40
    if tags.pairwise:
        return ROWS @ ROWS.T
    width = 1 if tags.one_d_array and not tags.two_d_array else ROWS.shape[1]
    return np.ascontiguousarray(ROWS[:, :width])


def targets_for(estimator):
    tags = get_tags(estimator)
    targets = LABELS
    if is_regressor(estimator):
        targets = LABELS + ROWS[:, 0]
    if is_classifier(estimator) and not tags.classifier_tags.multi_class:
        targets = LABELS > 0
    if tags.target_tags.two_d_labels or not tags.target_tags.single_output:
        labels = targets > 0 if is_classifier(estimator) else targets
        targets = np.column_stack([labels, labels[::-1]]).astype(targets.dtype)
    return targets


def fitted(name):
    # Most kinds draw lots when they are fitted, from here where they are not told otherwise.
    np.random.seed(SEED)
    estimator = made(name)
    rows, targets = rows_for(estimator), targets_for(estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            estimator.fit(rows, targets)
        except (TypeError, ValueError):
            # Encoders of labels are fitted on nothing else.
            estimator.fit([[label] for label in LABELS] if "Multi" in name else LABELS)
    return estimator, rows


def batch_of(model, rows):
    if model.contract.dense:
        return Batch(rows)
    return Batch.of_columns({"text": np.array(rows, dtype=object)})


def own_answer(estimator, output, rows):
    """What the estimator says itself, where the model gives this output."""
    if output == "predictions":
        return dense(estimator.predict(rows))
    if output == "transformed":
        return dense(estimator.transform(rows))
    if output == "scores":
        ask = getattr(estimator, "decision_function", None) or estimator.score_samples
        return dense(ask(rows))
    found = estimator.predict_proba(rows)
    if not isinstance(found, list):
        return dense(found)
    if output == "probabilities":
        return np.column_stack([table[:, 1] for table in found])
    return found[int(output.removeprefix("probabilities_"))]


def dense(found):
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimator_is_served_as_it_is_or_refused_in_words(name):
    """Row for row the same, or one sentence; never any other error."""
    estimator, rows = fitted(name)
    if name in REASONS:
        with pytest.raises(ArtifactRejected, match=REASONS[name]) as caught:
            derive_model(estimator, "m", "1", Declaration())

        assert caught.value.reason.endswith(".")
        return
    model = derive_model(estimator, "m", "1", Declaration())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outputs = model.predict(batch_of(model, rows))
        expected = {output: own_answer(estimator, output, rows) for output in outputs}

    assert [output.name for output in model.contract.outputs] == list(outputs)
    for described in model.contract.outputs:
        answer = outputs[described.name]
        assert answer.shape == (len(rows), *described.shape[1:])
        if answer.dtype.kind == "f":
            np.testing.assert_allclose(answer, expected[described.name], rtol=1e-9, atol=1e-9)
        else:
            np.testing.assert_array_equal(answer, expected[described.name])
    if is_outlier_detector(estimator):
        assert "scores" in outputs
    check_engine(name, model)


def check_engine(name, model):
    """Compiled and proved, on rows of every kind that it has; or one sentence says why not."""
    found = compile_proved(model)

    assert isinstance(found, str) == (name in NATIVE), found
    if isinstance(found, str):
        assert found.endswith(".")
    else:
        assert found.proof.largest_difference <= 1e-7
        assert found.proof.rows.keys() >= {"example", "range", "edge"}
        assert ("missing" in found.proof.rows) == any(f.nullable for f in model.contract.features)
