"""An .onnx file alone is a model: its contract comes from the graph."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.datasets import load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model import ArtifactRejected, Batch
from model.declaration import parse_declaration
from model.engines.onnx_choice import choose_for_graph
from model.graph.derivation import derive_graph

ROWS, LABELS = load_wine(return_X_y=True)
SINGLE = ROWS.astype(np.float32)
WORDS = np.array(["barolo", "grignolino", "barbera"])[LABELS]


def classifier(labels=LABELS):
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(ROWS, labels)


def exported(estimator, *, zipmap=True, rows=SINGLE):
    options = {"zipmap": zipmap} if hasattr(estimator, "classes_") else None
    return to_onnx(estimator, rows[:1], options=options)


def derived(graph, declaration=b""):
    data = graph if isinstance(graph, bytes) else graph.SerializeToString()
    return derive_graph(data, "m.onnx", "m", "1", parse_declaration(declaration))


def graph_of(nodes, inputs, outputs, **facts):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs],
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in outputs],
        **facts,
    )
    opsets = [helper.make_opsetid("", 21)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def doubled(kind=TensorProto.FLOAT, shape=(None, 3)):
    return graph_of(
        [helper.make_node("Add", ["x", "x"], ["y"])], [("x", kind, shape)], [("y", kind, shape)]
    )


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("labels", [LABELS, WORDS], ids=["numbers", "words"])
def test_a_classifier_gives_labels_and_probabilities(labels, zipmap):
    """Whether its probabilities come as a table or as dictionaries, with the classes it names."""
    estimator = classifier(labels)
    model = derived(exported(estimator, zipmap=zipmap))
    outputs = model.predict(Batch(ROWS))

    assert model.contract.classes == tuple(estimator.classes_.tolist())
    assert [output.name for output in model.contract.outputs] == ["predictions", "probabilities"]
    np.testing.assert_array_equal(outputs["predictions"], estimator.predict(ROWS))
    np.testing.assert_allclose(outputs["probabilities"], estimator.predict_proba(ROWS), atol=1e-5)
    assert choose_for_graph(model, "auto", None, lambda _: None).record.routes == ((1, "onnx"),)


def test_a_regressor_gives_one_number_for_each_row():
    """Its table of one column is a list."""
    estimator = LinearRegression().fit(ROWS, LABELS)
    model = derived(exported(estimator))

    assert [output.shape for output in model.contract.outputs] == [(-1,)]
    np.testing.assert_allclose(
        model.predict(Batch(ROWS))["predictions"], estimator.predict(ROWS), atol=1e-4
    )


def test_inputs_of_several_kinds_are_columns_by_name():
    """Text, whole numbers, truth values and numbers."""
    nodes = [
        helper.make_node("Cast", [name], [f"{name}_number"], to=TensorProto.FLOAT)
        for name in ("word", "count", "flag")
    ]
    nodes.append(
        helper.make_node("Sum", ["word_number", "count_number", "flag_number", "size"], ["total"])
    )
    inputs = [
        ("word", TensorProto.STRING, [None, 1]),
        ("count", TensorProto.INT64, [None, 1]),
        ("flag", TensorProto.BOOL, [None, 1]),
        ("size", TensorProto.FLOAT, [None, 1]),
    ]
    example = b'[example]\nrows = [{ word = "1.5", count = 2, flag = true, size = 0.25 }]'
    outputs = [("total", TensorProto.FLOAT, [None, 1])]
    model = derived(graph_of(nodes, inputs, outputs), example)
    answer = model.predict(model.contract.batch_from_rows([("10", 3, False, 0.5)]))

    assert [f.datatype for f in model.contract.features] == ["BYTES", "INT64", "BOOL", "FP64"]
    assert answer["predictions"].tolist() == [13.5]


def test_model_toml_sharpens_it():
    """Names, units and bounds of a matrix's columns."""
    toml = b'[[features]]\nname = "a"\nminimum = 0\n[[features]]\nname = "b"\n'
    model = derived(doubled(shape=(None, None)), toml)

    assert model.contract.feature_names == ("a", "b")
    assert model.contract.features[0].minimum == 0
    with pytest.raises(ArtifactRejected, match="lists 2 features, the model takes 3"):
        derived(doubled(), toml)
    with pytest.raises(ArtifactRejected, match="does not tell how many features"):
        derived(doubled(shape=(None, None)))


def in_another_file():
    weights = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    weights.ClearField("float_data")
    weights.data_location = TensorProto.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    return graph_of(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        [("x", TensorProto.FLOAT, [None, 3])],
        [("y", TensorProto.FLOAT, [None, 3])],
        initializer=[weights],
    )


def in_another_file_of_a_branch():
    inner = in_another_file().graph
    del inner.input[:]
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0),
        helper.make_node("Cast", ["m"], ["c"], to=TensorProto.BOOL),
        helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner),
    ]
    shape = [None, 3]
    return graph_of(nodes, [("x", TensorProto.FLOAT, shape)], [("y", TensorProto.FLOAT, shape)])


def of_another_domain():
    graph = doubled()
    graph.graph.node[0].domain = "com.microsoft"
    graph.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return graph


def with_functions():
    graph = doubled()
    node = helper.make_node("Add", ["x", "x"], ["y"])
    opsets = [helper.make_opsetid("", 21)]
    graph.functions.append(helper.make_function("", "F", ["x"], ["y"], [node], opsets))
    return graph


@pytest.mark.parametrize(
    ("graph", "says"),
    [
        (b"", "no ONNX file"),
        (b"garbage, and more of it", "no ONNX file"),
        (doubled().SerializeToString()[:40], "no ONNX file"),
        (in_another_file(), "weights in another file"),
        (in_another_file_of_a_branch(), "weights in another file"),
        (of_another_domain(), "operators of 'com.microsoft'"),
        (with_functions(), "functions of its own"),
        (doubled(shape=(1, 3)), "takes exactly 1 rows"),
        (doubled(shape=(None, 3, 3)), "no table of numbers"),
        (doubled(TensorProto.COMPLEX64), "no table of numbers"),
        (doubled(TensorProto.STRING), "cannot open it"),
    ],
)
def test_what_cannot_be_served_is_refused_in_words(graph, says):
    """One sentence, and nothing of another file is read."""
    with pytest.raises(ArtifactRejected, match=says) as refusal:
        derived(graph)

    assert refusal.value.reason.endswith(".")


def test_the_bytes_have_a_cap(monkeypatch):
    """One byte more is too many."""
    data = doubled().SerializeToString()
    monkeypatch.setattr("model.graph.bounds._MOST_BYTES", len(data))
    derived(data)
    monkeypatch.setattr("model.graph.bounds._MOST_BYTES", len(data) - 1)

    with pytest.raises(ArtifactRejected, match="more than"):
        derived(data)


def test_missing_values_are_promised_only_where_the_graph_answers_them():
    """NaN in, NaN out is no answer; text cannot be missing at all."""
    toml = b'[[features]]\nname = "%s"\nnullable = true\n'
    names = b"".join(b'[[features]]\nname = "%s"\n' % name for name in (b"x1", b"x2"))
    with pytest.raises(ArtifactRejected, match="fails on them"):
        derived(doubled(), toml % b"x0" + names)
    # Whatever is compared with NaN is false, so this one answers.
    above = graph_of(
        [helper.make_node("Greater", ["x", "zero"], ["y"])],
        [("x", TensorProto.FLOAT, [None, 3])],
        [("y", TensorProto.BOOL, [None, 3])],
        initializer=[onnx.numpy_helper.from_array(np.zeros(1, np.float32), "zero")],
    )

    assert derived(above, toml % b"x0" + names).contract.has_nullable


def test_an_output_keeps_its_own_name_where_another_has_ours():
    """Of two tables of probabilities the first is `probabilities`, the second what it was."""
    names = ["probabilities_of_leaving", "probabilities_of_staying"]
    graph = graph_of(
        [helper.make_node("Add", ["x", "x"], [name]) for name in names],
        [("x", TensorProto.FLOAT, [None, 3])],
        [(name, TensorProto.FLOAT, [None, 3]) for name in names],
    )
    outputs = derived(graph).contract.outputs

    assert [output.name for output in outputs] == ["probabilities", names[1]]
    assert [output.classes for output in outputs] == [None, None]
