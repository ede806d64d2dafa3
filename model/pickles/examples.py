"""Fitted estimators of every kind, to see what their files name. For the list and its tests."""

import collections
import importlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn import feature_selection, metrics, preprocessing
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils import all_estimators
from sklearn.utils._test_common.instance_generator import _construct_instances

# Values that parameters and attributes of estimators may have.
_FUNCTIONS = (
    *(np.abs, np.cbrt, np.ceil, np.cos, np.exp, np.exp2, np.expm1, np.floor, np.log, np.log10),
    *(np.log1p, np.log2, np.max, np.mean, np.median, np.min, np.negative, np.reciprocal, np.rint),
    *(np.sign, np.sin, np.sqrt, np.square, np.sum, np.tan, np.tanh, np.nan_to_num),
    *(feature_selection.f_classif, feature_selection.f_regression, feature_selection.chi2),
    *(feature_selection.mutual_info_classif, feature_selection.mutual_info_regression),
)
_TYPES = (
    *(np.number, np.integer, np.floating, np.bool_, np.object_, np.str_, np.bytes_, np.datetime64),
    *(np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
    *(np.float16, np.float32, np.float64, bool, int, float, str, object, dict, list, tuple, set),
)
_LIBRARIES = ("pandas", "lightgbm", "xgboost")


def examples() -> Iterator[Any]:
    """Everything whose file is looked at."""
    yield from _FUNCTIONS
    yield from _TYPES
    yield from fitted_estimators()
    for name in metrics.get_scorer_names():
        yield metrics.get_scorer(name)
    for library in _LIBRARIES:
        yield from _of_library(library)


def fitted_estimators() -> Iterator[Any]:
    """scikit-learn's estimators of every kind, each fitted on what it takes."""
    warnings.simplefilter("ignore")
    # What an estimator keeps may depend on chance; the list must not.
    np.random.seed(0)
    data = _training_data()
    for _, estimator_class in all_estimators():
        try:
            instances = list(_construct_instances(estimator_class))
        except Exception:  # noqa: S112  # Not every class has a ready instance.
            continue
        for estimator in instances:
            if _fits(estimator, data):
                yield estimator
    features, target = data[0]
    yield from _variants(features, target)


def _variants(features: Any, target: Any) -> Iterator[Any]:
    """What the defaults leave out."""
    yield from _losses(features, target)
    yield from _neighbours(features, target)
    yield from _kept_values(features)
    words = np.array([["a"], ["b"], ["c"]] * 10, dtype=object)
    encoder = ColumnTransformer([("words", preprocessing.OneHotEncoder(dtype=np.int64), [0])])
    yield make_pipeline(encoder, LogisticRegression()).fit(words, target)
    yield IsotonicRegression(out_of_bounds="clip").fit(features[:, 0], target)
    yield Ridge(random_state=np.random.RandomState(0)).fit(features, target)


def _losses(features: Any, target: Any) -> Iterator[Any]:
    for loss in ("hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron"):
        yield SGDClassifier(loss=loss).fit(features, target)
    for loss in ("squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive"):
        yield SGDRegressor(loss=loss).fit(features, target)
    for loss in ("absolute_error", "huber", "quantile"):
        yield GradientBoostingRegressor(loss=loss, n_estimators=2).fit(features, target)
    yield GradientBoostingClassifier(loss="exponential", n_estimators=2).fit(features, target % 2)
    for loss in ("absolute_error", "gamma", "poisson", "quantile"):
        trees = HistGradientBoostingRegressor(loss=loss, quantile=0.5, max_iter=2)
        yield trees.fit(features, target + 1)


def _neighbours(features: Any, target: Any) -> Iterator[Any]:
    for metric in ("manhattan", "chebyshev", "minkowski"):
        for algorithm in ("kd_tree", "ball_tree"):
            for dtype in (np.float32, np.float64):
                nearest = KNeighborsClassifier(metric=metric, algorithm=algorithm)
                yield nearest.fit(features.astype(dtype), target)


def _kept_values(features: Any) -> Iterator[Any]:
    yield {"generator": np.random.default_rng(0), "set": {1}, "frozen": frozenset({1})}
    yield [collections.OrderedDict(a=1), collections.defaultdict(int, a=1), bytearray(b"1"), b"1"]
    yield [np.datetime64("2026-01-01"), slice(1, 2), range(3), 1j]
    for name in ("Philox", "SFC64", "PCG64", "PCG64DXSM", "MT19937"):
        yield np.random.Generator(getattr(np.random, name)(0))
    sparse = importlib.import_module("scipy.sparse")
    for name in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil"):
        yield getattr(sparse, f"{name}_matrix")(features)
        yield getattr(sparse, f"{name}_array")(features)


def _training_data() -> list[tuple[Any, Any]]:
    random = np.random.default_rng(0)
    features = random.random((30, 4))
    classes = np.arange(30) % 3
    texts = [f"word{index % 5} other{index % 3}" for index in range(30)]
    return [
        (features, classes),
        (features, classes % 2),
        (features, classes + 0.5),
        (features, np.column_stack([classes, classes]) + 0.5),
        (features, np.column_stack([classes, classes])),
        (features, np.column_stack([classes == 1, classes == 2]).astype(int)),
        (features[:, :1], classes + 0.5),
        (features @ features.T, classes),
        (texts, classes),
        ([{text: 1.0} for text in texts], classes),
        (classes, None),
        ([{text} for text in texts], None),
    ]


def _fits(estimator: Any, data: list[tuple[Any, Any]]) -> bool:
    for features, target in data:
        try:
            estimator.fit(features) if target is None else estimator.fit(features, target)
        except Exception:  # noqa: S112  # The next data may suit it.
            continue
        return True
    return False


def _of_library(library: str) -> Iterator[Any]:
    """Values of a library that may be missing; then its lines are missing, too."""
    try:
        module = importlib.import_module(library)
    except ModuleNotFoundError:
        return
    yield from {"pandas": _frames, "lightgbm": _boosters, "xgboost": _boosters}[library](module)


def _frames(pandas: Any) -> Iterator[Any]:
    """Mixed pipelines fitted on a data frame, and values they may keep. Frames are no models."""
    frame = pandas.DataFrame(
        {
            "number": np.linspace(0, 1, 30),
            "text": ["a", "b", None] * 10,
            "category": pandas.Categorical(["x", "y", "z"] * 10),
            "flag": [True, False, True] * 10,
        }
    )
    target = np.arange(30) % 3
    numbers = make_pipeline(preprocessing.StandardScaler())
    for encoder in (preprocessing.OneHotEncoder, preprocessing.OrdinalEncoder):
        columns = ColumnTransformer(
            [("numbers", numbers, ["number", "flag"]), ("words", encoder(), ["text", "category"])],
            sparse_threshold=0,
        )
        trees = HistGradientBoostingClassifier(max_iter=2)
        imputer = SimpleImputer(strategy="most_frequent")
        yield make_pipeline(columns, imputer, trees).fit(frame, target)
    yield preprocessing.StandardScaler().set_output(transform="pandas").fit(frame[["number"]])
    yield [pandas.Int64Dtype(), pandas.Float64Dtype(), pandas.BooleanDtype(), pandas.NA]
    yield [pandas.StringDtype("python"), pandas.StringDtype("python", na_value=np.nan)]


def _boosters(module: Any) -> Iterator[Any]:
    prefix = {"lightgbm": "LGBM", "xgboost": "XGB"}[module.__name__]
    quiet = {"verbose": -1} if prefix == "LGBM" else {"verbosity": 0}
    features, target = _training_data()[0]
    for kind in ("Classifier", "Regressor", "RFClassifier", "RFRegressor"):
        booster = getattr(module, prefix + kind, None)
        if booster is not None:
            yield booster(n_estimators=2, n_jobs=1, **quiet).fit(features, target)
            yield booster(n_estimators=2, n_jobs=1, **quiet).fit(features, target % 2)
    ranker = getattr(module, f"{prefix}Ranker")(n_estimators=2, n_jobs=1, **quiet)
    yield ranker.fit(features, target, group=[10, 10, 10])
