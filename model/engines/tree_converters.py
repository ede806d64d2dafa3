"""Converters for skl2onnx that write trees in double precision, as scikit-learn computes them."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType, StringTensorType
from sklearn import ensemble, tree

from model.engines.graph_writer import GraphWriter
from model.engines.trees import Tree, boosted_tree, sklearn_tree
from model.errors import ArtifactRejected

_PREFIX = "Sklearn"
_EITHER = [True, False]
_CLASSIFIER_OPTIONS = {"zipmap": [False], "raw_scores": _EITHER, "nocl": _EITHER}
_OUTLIER_OPTIONS = {"zipmap": [False], "raw_scores": _EITHER, "score_samples": [None, *_EITHER]}


def _forest(graph: GraphWriter, operator: Any) -> str:
    """The mean over the trees: the sum first, divided then, as scikit-learn does."""
    estimator = operator.raw_operator
    parts = getattr(estimator, "estimators_", [estimator])
    trees = [(sklearn_tree(part.tree_), 0) for part in parts]
    rows = graph.doubles(operator.inputs[0].full_name, single_first=True)
    sums = graph.sums(rows, trees, trees[0][0].values.shape[1])
    return graph.node("Div", sums, graph.constant(float(len(trees))))


def _forest_classifier(scope: Any, operator: Any, container: Any) -> None:
    if operator.raw_operator.n_outputs_ > 1:
        raise ArtifactRejected("Trees for several targets of classes at once do not compile.")
    graph = GraphWriter(scope, container)
    table = _forest(graph, operator)
    graph.classify(operator, graph.node("ArgMax", table, axis=1, keepdims=0), table)


def _forest_regressor(scope: Any, operator: Any, container: Any) -> None:
    graph = GraphWriter(scope, container)
    graph.node("Identity", _forest(graph, operator), output=operator.outputs[0].full_name)


def _gradient_boosting(graph: GraphWriter, operator: Any) -> str:
    estimator = operator.raw_operator
    if estimator.init is not None and estimator.init != "zero":
        raise ArtifactRejected("Gradient boosting upon another estimator does not compile.")
    rate = estimator.learning_rate
    trees = [
        (sklearn_tree(part.tree_, rate * part.tree_.value[:, :, 0]), target)
        for stage in estimator.estimators_
        for target, part in enumerate(stage)
    ]
    first = estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_), np.float32))
    rows = graph.doubles(operator.inputs[0].full_name, single_first=True)
    return graph.node("Add", graph.sums(rows, trees, first.shape[1]), graph.constant(first))


def _histogram_boosting(graph: GraphWriter, operator: Any) -> str:
    estimator = operator.raw_operator
    if any(p.nodes["is_categorical"].any() for stage in estimator._predictors for p in stage):
        raise ArtifactRejected("Splits by category do not compile.")
    trees = [
        (boosted_tree(predictor), target)
        for stage in estimator._predictors
        for target, predictor in enumerate(stage)
    ]
    first = np.asarray(estimator._baseline_prediction, np.float64).reshape(1, -1)
    rows = graph.doubles(operator.inputs[0].full_name, single_first=False)
    return graph.node("Add", graph.sums(rows, trees, first.shape[1]), graph.constant(first))


_Raw = Callable[[GraphWriter, Any], str]


def _boosted_classifier(raw_scores: _Raw, scope: Any, operator: Any, container: Any) -> None:
    graph = GraphWriter(scope, container)
    raw = raw_scores(graph, operator)
    estimator = operator.raw_operator
    wants_raw = container.get_options(estimator, {"raw_scores": False}).get("raw_scores", False)
    if len(estimator.classes_) > 2:
        place = graph.node("ArgMax", raw, axis=1, keepdims=0)
        table = raw if wants_raw else graph.node("Softmax", raw, axis=1)
        graph.classify(operator, place, table)
        return
    flat = graph.node("Reshape", raw, graph.constant([-1]))
    positive = graph.node("GreaterOrEqual", flat, graph.constant(0.0))
    place = graph.node("Cast", positive, to=TensorProto.INT64)
    graph.classify(operator, place, raw if wants_raw else _two_columns(graph, raw, estimator))


def _two_columns(graph: GraphWriter, raw: str, estimator: Any) -> str:
    if getattr(estimator, "loss", "log_loss") == "exponential":
        raw = graph.node("Mul", raw, graph.constant(2.0))
    second = graph.node("Sigmoid", raw)
    first = graph.node("Sub", graph.constant(1.0), second)
    return graph.node("Concat", first, second, axis=1)


def _boosted_regressor(raw_scores: _Raw, scope: Any, operator: Any, container: Any) -> None:
    graph = GraphWriter(scope, container)
    raw = raw_scores(graph, operator)
    # Losses of counts and amounts predict the logarithm.
    kind = "Exp" if operator.raw_operator.loss in {"poisson", "gamma"} else "Identity"
    graph.node(kind, raw, output=operator.outputs[0].full_name)


def _isolation_forest(scope: Any, operator: Any, container: Any) -> None:
    """An outlier is found in few steps: the depth of its leaves is what counts."""
    graph, estimator = GraphWriter(scope, container), operator.raw_operator
    rows = graph.doubles(operator.inputs[0].full_name, single_first=True)
    trees = [
        (_columns_of(sklearn_tree(part.tree_, depth[:, np.newaxis]), features), 0)
        for part, depth, features in zip(
            estimator.estimators_, _depths(estimator), estimator.estimators_features_, strict=True
        )
    ]
    from_all = len(trees) * _average_depth(estimator)
    share = graph.node("Div", graph.sums(rows, trees, 1), graph.constant(from_all))
    score = graph.node("Neg", graph.node("Pow", graph.constant(2.0), graph.node("Neg", share)))
    score = graph.node("Sub", score, graph.constant(float(estimator.offset_)))
    flat = graph.node("Reshape", score, graph.constant([-1]))
    inside = graph.node("GreaterOrEqual", flat, graph.constant(0.0))
    label, scores = operator.outputs[:2]
    labels = graph.node("Where", inside, graph.constant(1), graph.constant(-1))
    graph.node("Identity", labels, output=label.full_name)
    graph.node("Identity", flat, output=scores.full_name)


def _depths(estimator: Any) -> list[npt.NDArray[np.float64]]:
    paths, averages = estimator._decision_path_lengths, estimator._average_path_length_per_tree
    return [path + average - 1.0 for path, average in zip(paths, averages, strict=True)]


def _average_depth(estimator: Any) -> float:
    return float(ensemble._iforest._average_path_length([estimator._max_samples])[0])


def _columns_of(part: Tree, columns: npt.NDArray[np.int64]) -> Tree:
    """The tree with the columns of the whole table for those that it was fitted on."""
    feature = np.where(part.is_leaf, 0, columns[np.maximum(part.feature, 0)])
    return Tree(
        feature, part.threshold, part.left, part.right, part.is_leaf, part.missing_left, part.values
    )


def _classifier_shape(operator: Any) -> None:
    estimator = operator.raw_operator
    words = np.asarray(estimator.classes_).dtype.kind in "UO"
    operator.outputs[0].type = StringTensorType([None]) if words else Int64TensorType([None])
    operator.outputs[1].type = DoubleTensorType([None, None])


def _regressor_shape(operator: Any) -> None:
    operator.outputs[0].type = DoubleTensorType([None, None])


def _outlier_shape(operator: Any) -> None:
    operator.outputs[0].type = Int64TensorType([None])
    operator.outputs[1].type = DoubleTensorType([None])


_CONVERTERS: dict[Any, tuple[Callable[[Any], None], Callable[[Any, Any, Any], None]]] = {
    tree.DecisionTreeClassifier: (_classifier_shape, _forest_classifier),
    tree.DecisionTreeRegressor: (_regressor_shape, _forest_regressor),
    tree.ExtraTreeClassifier: (_classifier_shape, _forest_classifier),
    tree.ExtraTreeRegressor: (_regressor_shape, _forest_regressor),
    ensemble.RandomForestClassifier: (_classifier_shape, _forest_classifier),
    ensemble.RandomForestRegressor: (_regressor_shape, _forest_regressor),
    ensemble.ExtraTreesClassifier: (_classifier_shape, _forest_classifier),
    ensemble.ExtraTreesRegressor: (_regressor_shape, _forest_regressor),
    ensemble.GradientBoostingClassifier: (
        _classifier_shape,
        partial(_boosted_classifier, _gradient_boosting),
    ),
    ensemble.GradientBoostingRegressor: (
        _regressor_shape,
        partial(_boosted_regressor, _gradient_boosting),
    ),
    ensemble.HistGradientBoostingClassifier: (
        _classifier_shape,
        partial(_boosted_classifier, _histogram_boosting),
    ),
    ensemble.HistGradientBoostingRegressor: (
        _regressor_shape,
        partial(_boosted_regressor, _histogram_boosting),
    ),
    ensemble.IsolationForest: (_outlier_shape, _isolation_forest),
}


_OPTIONS: dict[Any, Any] = {
    _classifier_shape: _CLASSIFIER_OPTIONS,
    _outlier_shape: _OUTLIER_OPTIONS,
}


@cache
def register_tree_converters() -> None:
    """Let skl2onnx use them, wherever in an estimator such trees are."""
    for kind, (shape, convert) in _CONVERTERS.items():
        update_registered_converter(
            kind,
            f"{_PREFIX}{kind.__name__}",
            shape,
            convert,
            overwrite=True,
            options=_OPTIONS.get(shape),
        )
