"""Of a graph, what is known before any row comes is reckoned once."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from model.engines.folding import fold_divisions
from model.engines.graph_edits import keep_needed

ROWS = np.array([[1.0, -4.0], [0.5, 6.0], [0.0, 1e300]])
WEIGHTS = np.array([[1.0, 2.0, 0.0], [3.0, -1.0, 0.5]])


def graph_of(divisor, *, weights=WEIGHTS, divided_is_answered=False):
    """The rows divided and then multiplied; the quotient may be an answer, too."""
    nodes = [
        helper.make_node("Div", ["rows", "divisor"], ["divided"]),
        helper.make_node("MatMul", ["divided", "weights"], ["product"]),
    ]
    names = ["product", "divided"] if divided_is_answered else ["product"]
    return helper.make_model(
        helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info("rows", TensorProto.DOUBLE, [None, 2])],
            [helper.make_tensor_value_info(n, TensorProto.DOUBLE, [None, None]) for n in names],
            [
                numpy_helper.from_array(np.asarray(divisor), "divisor"),
                numpy_helper.from_array(weights, "weights"),
            ],
        ),
        opset_imports=[helper.make_opsetid("", 21)],
    )


def folded(graph):
    """What is left of its nodes; it must answer as before."""
    before = ReferenceEvaluator(graph).run(None, {"rows": ROWS})
    fold_divisions(graph)
    keep_needed(graph)
    after = ReferenceEvaluator(graph).run(None, {"rows": ROWS})
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-15)
    return [node.op_type for node in graph.graph.node]


@pytest.mark.parametrize("divisor", [[4.0, 0.1], [[4.0, 0.1]]], ids=["flat", "one row"])
def test_a_division_before_a_product_is_folded_into_it(divisor):
    """Each row of the weights is divided by what the column of its values was divided by."""
    assert folded(graph_of(divisor)) == ["MatMul"]


@pytest.mark.parametrize(
    "graph",
    [
        graph_of([4.0, 0.1], divided_is_answered=True),
        graph_of([[4.0], [0.1], [2.0]]),
        graph_of([4.0]),
        graph_of([4.0, 0.1], weights=WEIGHTS[:, 0]),
    ],
    ids=["the quotient is an answer", "by row", "by one number", "weights of one column"],
)
def test_any_other_division_stays(graph):
    """Where the quotient is needed elsewhere, or is no division of columns."""
    assert "Div" in folded(graph)


def test_a_division_by_zero_stays():
    """Its infinity may be multiplied by zero, which is not what zero divided by zero gives."""
    graph = graph_of([0.0, 1.0])
    fold_divisions(graph)

    assert [node.op_type for node in graph.graph.node] == ["Div", "MatMul"]
    assert graph.graph.node[1].input[0] == "divided"


@pytest.mark.parametrize("divisor", [5e-324, 1e-319, 1e298, 1.7e308], ids=str)
def test_what_would_lose_digits_stays(divisor):
    """A weight divided by it is infinite, or too small to keep its digits: of 0 would come NaN."""
    graph = graph_of([divisor, 1.0], weights=np.array([[1e-10], [1.0]]))
    rows = np.array([[0.0, 1.0], [divisor, 1.0]])
    [before] = ReferenceEvaluator(graph).run(None, {"rows": rows})
    fold_divisions(graph)
    [after] = ReferenceEvaluator(graph).run(None, {"rows": rows})

    np.testing.assert_array_equal(after, before)
    assert graph.graph.node[1].input[0] == "divided"


def test_a_weight_of_zero_is_no_lost_digit():
    """Features that a sparse model leaves out are divided as well."""
    assert folded(graph_of([4.0, 1e9], weights=np.array([[1.0], [0.0]]))) == ["MatMul"]
