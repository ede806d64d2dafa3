"""Where the contract of a component comes from."""

import pickle

import numpy as np
import pytest
from components import answer, component, written
from sklearn.linear_model import LinearRegression

from model import ArtifactRejected, Batch

PREDICT = " def predict(self, X, names, meta=None): return X[:, 0]\n"
HOLDER = """
import pickle
class Model:
    def load(self):
        with open("m.pkl", "rb") as file:
            self.model = pickle.load(file)
    def predict(self, X, names): return self.model.predict(X)
"""
METADATA = """
class Model:
    def predict(self, X, names): return X[:, :2]
    def init_metadata(self): return {}
"""
NO_EXAMPLE = "[model]\n# without an [example]\n"


def features_of(source: str, model_toml: str = NO_EXAMPLE) -> list[tuple[str, str]]:
    contract = written(f"class Model:\n{PREDICT}{source}", model_toml).contract
    return [(feature.name, feature.datatype) for feature in contract.features]


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (
            [{"messagetype": "tensor", "schema": {"names": ["a", "b"], "shape": [2]}}],
            [("a", "FP64"), ("b", "FP64")],
        ),
        (
            [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
            [("x0", "FP64"), ("x1", "FP64"), ("x2", "FP64")],
        ),
        ([{"name": "x", "datatype": "FP64", "shape": [2]}], [("x0", "FP64"), ("x1", "FP64")]),
        (
            [
                {"name": "age", "datatype": "INT32", "shape": [-1, 1]},
                {"name": "city", "datatype": "BYTES", "shape": [1]},
            ],
            [("age", "INT64"), ("city", "BYTES")],
        ),
    ],
)
def test_features_come_from_the_metadata(inputs: object, expected: object) -> None:
    """In either form of Seldon's `init_metadata`."""
    assert features_of(f" def init_metadata(self): return {{'inputs': {inputs!r}}}") == expected


def test_feature_names_decide_names_and_order() -> None:
    """The hook is first; the metadata add datatypes, model.toml the rest."""
    hooks = (
        " feature_names = ['b', 'a']\n"
        " def metadata(self):\n"
        "  return {'inputs': [{'name': 'a', 'datatype': 'BYTES', 'shape': [1]},\n"
        "   {'name': 'b', 'datatype': 'FP64', 'shape': [1]}]}"
    )
    with pytest.raises(ArtifactRejected, match=r"feature_names of Model does not have 'c'"):
        features_of(hooks, '[[features]]\nname = "c"')

    assert features_of(hooks) == [("b", "FP64"), ("a", "BYTES")]


def test_features_come_from_an_estimator_that_the_class_holds() -> None:
    """Names and number of what it was fitted on; its rows must be answered."""
    fitted = LinearRegression().fit(np.eye(3), [1, 2, 3])
    fitted.feature_names_in_ = np.array(["a", "b", "c"], dtype=object)
    model = component("Model", NO_EXAMPLE, {"Model.py": HOLDER, "m.pkl": pickle.dumps(fitted)})

    assert model.contract.feature_names == ("a", "b", "c")


def test_features_come_from_the_example_at_last() -> None:
    """Its values say which are texts; named rows name them."""
    rows = '[example]\nrows = [{city = "Bonn", price = 2.5, sold = true}]'
    listed = "[example]\nrows = [[1.0, 2.0]]"

    assert features_of("", rows) == [("city", "BYTES"), ("price", "FP64"), ("sold", "BOOL")]
    assert features_of("", listed) == [("x0", "FP64"), ("x1", "FP64")]


def test_a_class_that_tells_nothing_is_refused() -> None:
    """With what to write, and where."""
    with pytest.raises(ArtifactRejected) as refused:
        features_of("")

    assert refused.value.reason == (
        "Model does not tell its features; list them in model.toml, or give rows in its [example]."
    )


def test_mixed_features_arrive_as_objects() -> None:
    """Numbers as numbers, text as text, by the names of the contract."""
    model = component("Frames", '[[features]]\nname = "city"\ndatatype = "BYTES"\n' + NO_EXAMPLE)
    batch = Batch.of_columns(
        {
            "price": np.array([1.5, 2.0]),
            "count": np.array([2.0, 3.0]),
            "city": np.array(["Bonn", "Köln"], dtype=object),
        }
    )

    assert model.predict(batch)["predictions"].tolist() == [[3.0], [6.0]]


def test_nullable_is_promised_only_if_the_class_answers() -> None:
    """model.toml allows missing values; a class that fails on them is refused."""
    toml = '[[features]]\nname = "a"\nnullable = true\n[example]\nrows = [[1.0]]'
    picky = "class Model:\n def predict(self, X, names): return [int(row[0]) for row in X]"
    easy = "class Model:\n def predict(self, X, names): return [row[0] == row[0] for row in X]"
    with pytest.raises(ArtifactRejected, match=r"allows missing values .*the model fails on them"):
        written(picky, toml)

    assert answer(written(easy, toml), [[np.nan]])["predictions"].tolist() == [False]


def test_column_names_come_from_toml_then_class_names_then_metadata() -> None:
    """Where their number is that of the columns; another number names nothing."""
    metadata = METADATA.replace("{}", "{'outputs': [{'schema': {'names': ['m', 'n']}}]}")
    hook = f"{metadata}\n    def class_names(self): return ['h', 'i']"
    wrong = f"{metadata}\n    def class_names(self): return ['h', 'i', 'j']"
    toml = '[[outputs]]\nname = "predictions"\nnames = ["t", "u"]\nunit = "1"\n'

    assert written(metadata).contract.outputs[0].names == ("m", "n")
    assert written(hook).contract.outputs[0].names == ("h", "i")
    assert written(wrong).contract.outputs[0].names is None
    assert written(hook, toml).contract.outputs[0].names == ("t", "u")


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ('name = "scores"', "the model has no output 'scores'; it has predictions"),
        (
            'name = "predictions"\nnames = ["a"]',
            "output 'predictions' has 2 columns, names lists 1",
        ),
    ],
)
def test_declared_outputs_must_be_there(outputs: str, reason: str) -> None:
    """A contract that contradicts the class is refused when it is added."""
    with pytest.raises(ArtifactRejected, match=reason):
        written(METADATA, f"[[outputs]]\n{outputs}\n")


def test_a_dict_of_arrays_has_named_outputs() -> None:
    """Labels and scores beside each other."""
    source = (
        "class Model:\n"
        " def predict(self, X):\n"
        "  return {'predictions': ['a' if row[0] else 'b' for row in X], 'score': X[:, :1]}"
    )
    model = written(source)

    assert [(output.name, output.datatype) for output in model.contract.outputs] == [
        ("predictions", "BYTES"),
        ("score", "FP64"),
    ]
    assert model.contract.outputs[1].shape == (-1, 1)


def test_whole_numbers_are_given_as_the_contract_has_them() -> None:
    """A list may hold only whole numbers by chance; values never change."""
    cells = "[cell if cell % 1 else int(cell) for cell in X[:, 0]]"
    source = f"class Model:\n def predict(self, X): return {cells}"
    halves, wholes = written(source, "[example]\nrows = [[0.5]]"), written(source)
    given = answer(halves, [[2]])["predictions"]
    with pytest.raises(Exception, match="values of FP64, promised is INT64"):
        answer(wholes, [[2.5, 0]])

    assert (given.dtype, given.tolist()) == (np.dtype("float64"), [2.0])


def test_the_description_comes_from_toml_then_the_metadata() -> None:
    """model.toml wins."""
    source = METADATA.replace("{}", "{'custom': {'description': 'said by the class'}}")

    assert written(source).contract.description == "said by the class"
    assert written(source, '[model]\ndescription = "ours"\n').contract.description == "ours"
