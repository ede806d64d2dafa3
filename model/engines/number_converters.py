"""Converters for skl2onnx of transforms that it writes in single precision only."""

from functools import cache
from typing import Any

import numpy as np
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.impute import SimpleImputer

from model.engines.graph_writer import GraphWriter
from model.errors import ArtifactRejected


def _imputer(scope: Any, operator: Any, container: Any) -> None:
    """What is missing gets the statistic of its column."""
    imputer = operator.raw_operator
    statistics = np.asarray(imputer.statistics_)
    if statistics.dtype.kind != "f" or np.isnan(statistics).any() or imputer.add_indicator:
        raise ArtifactRejected("Of imputers only those that fill numbers compile.")
    graph = GraphWriter(scope, container)
    rows = graph.joined(operator.inputs)
    if isinstance(imputer.missing_values, float) and np.isnan(imputer.missing_values):
        missing = graph.node("IsNaN", rows)
    else:
        missing = graph.node("Equal", rows, graph.constant(float(imputer.missing_values)))
    filled = graph.node("Where", missing, graph.constant(statistics[np.newaxis]), rows)
    graph.node("Identity", filled, output=operator.outputs[0].full_name)


def _same_width(operator: Any) -> None:
    width = len(operator.raw_operator.statistics_)
    operator.outputs[0].type = DoubleTensorType([None, width])


@cache
def register_number_converters() -> None:
    """Let skl2onnx use them, wherever in an estimator they are needed."""
    update_registered_converter(
        SimpleImputer, "SklearnSimpleImputer", _same_width, _imputer, overwrite=True
    )
