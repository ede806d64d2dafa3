"""Classes of Seldon's convention, as their users write them, served as models."""

import runpy
from pathlib import Path

import pytest
from components import answer, component, files_of, talkative, written

from model import ArtifactRejected, Batch, ModelFailed, Refused
from model.component import ComponentModel
from model.component.derivation import derive_component
from model.declaration import parse_declaration

EXAMPLE = Path(__file__).parents[1] / "examples" / "seldon_style"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("RowsOnly", [3.0, 7.0]),
        ("RowsAndNames", [[1.0, 2], [3.0, 2]]),
        ("WithMeta", [[1.0, 2.0], [3.0, 4.0]]),
        ("KeywordMeta", [True, True]),
        ("Anything", [[2, 1], [2, 1]]),
        ("MetaSecond", [True, True]),
        ("Derived", [[1.5], [3.5]]),
        ("Raw", [[1.0, 2.0], [3.0, 4.0]]),
        ("Lazy", [[10.0, 20.0], [30.0, 40.0]]),
        ("Transformer", [[2.0, 4.0], [6.0, 8.0]]),
        ("Both", [1.0, 3.0]),
    ],
)
def test_each_way_to_write_a_class_answers(name: str, expected: object) -> None:
    """Whatever of X, names and meta it takes, the class runs unchanged."""
    outputs = component(name).predict(Batch.from_rows([[1, 2], [3, 4]]))

    assert {output: array.tolist() for output, array in outputs.items()} == {
        "predictions": expected
    }


def test_a_type_error_inside_predict_calls_it_once() -> None:
    """It could mean the wrong number of arguments; the signature has settled that before."""
    model = talkative()
    before = answer(model, [[0, 0]]).tags["calls"]
    with pytest.raises(TypeError):
        answer(model, [[4, 7]])

    assert answer(model, [[0, 0]]).tags["calls"] == before + 2


@pytest.mark.parametrize(
    ("signature", "problem"),
    [
        ("self", "takes no X"),
        ("self, X, names, meta, more", "needs a value for 'more'"),
        ("self, X, names, *, how", "needs a value for 'how'"),
        ("self, X, meta, names, names2", "needs a value for 'names2'"),
    ],
)
def test_an_impossible_signature_is_refused(signature: str, problem: str) -> None:
    """When it is added, in one line that shows how it is written."""
    with pytest.raises(ArtifactRejected) as refused:
        written(f"class Model:\n def predict({signature}): pass")

    assert refused.value.reason == (
        f"Model.predict {problem}; write def predict(self, X, names, meta=None)."
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("async def predict(self, X): pass", "Model.predict is async; write it as an ordinary"),
        ("def predict(self, X): yield 1", "Model.predict is a generator; return the whole"),
        ("predict = 3", "Model.predict is not a method; write def predict(self, X, names"),
        ("pass", "Model has no hook that answers; write def predict(self, X, names, meta=None)"),
        ("def predict(self, X): raise NotImplementedError", "NotImplementedError at Model.py:2"),
        ("def predict(self, X): raise KeyError('4711')", "its example (KeyError at Model.py:2)"),
        ("def predict(self, X): return {'class': 'a'}", "class is a str"),
        ("def predict(self, X): return 'text'", "cannot be used: predictions is a str: return an"),
        ("def predict(self, X): return b'x'", "predictions is a bytes"),
        ("def predict(self, X): return None", "predictions is nothing"),
        ("def predict(self, X): return 1.5", "predictions is a single float"),
        ("def predict(self, X): return [{'a': 1}] * len(X)", "neither numbers, text nor booleans"),
        ("def predict(self, X): return [[1], [1, 2]]", "the rows of predictions differ in length"),
        ("def predict(self, X): return [0.5]", "predictions has 1 rows for 2 rows of input"),
        ("def predict(self, X): return {'tags': X}", "is a dict, and 'tags' cannot name"),
        ("def predict(self, X): return X[:, :len(X)]", "predictions has another shape than"),
        ("def predict(self, X): return X\n def tags(self): return [1]", "tags gives a list, not a"),
        ("def __init__(self): open('no.pkl')", "Model.__init__ failed (FileNotFoundError at Model"),
        ("def load(self): import no_such_module", "Model.load failed (ModuleNotFoundError at"),
        ("def health_status(self): 1 / 0", "Model.health_status failed (ZeroDivisionError at"),
        ("def __init__(self, size): pass", "disagree: missing a required argument: 'size'."),
        ("def feature_names(self): return 'ab'", "feature_names of Model does not give a list"),
        ("def feature_names(self): return ['a', 'a']", "feature_names of Model gives a name twice"),
        ("def class_names(self): return 3\n def predict(self, X): return X", "class_names of"),
        ("def init_metadata(self): return 3", "init_metadata of Model gives a int, not a dict"),
        ("def init_metadata(self): return {'inputs': 3}", "inputs of init_metadata of Model"),
        ("def load(self): raise SystemExit", "Model.load failed (SystemExit at Model.py:2)"),
    ],
)
def test_a_class_that_cannot_serve_is_refused(body: str, reason: str) -> None:
    """In one line that says which hook, and where; nothing of an exception's text."""
    with pytest.raises(ArtifactRejected) as refused:
        written(f"class Model:\n {body}")

    assert reason in refused.value.reason
    assert "\n" not in refused.value.reason
    assert "4711" not in refused.value.reason


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("class Other: pass", "Model.py has no class Model; name the class as its file."),
        ("Model = 3", "Model.py has no class Model; name the class as its file."),
        ("class Model:\n  def", "Model.py is no valid Python in line 2."),
        ("import no_such_module", "Model.py needs the Python module 'no_such_module', which"),
        ("1 / 0", "Model.py cannot be imported (ZeroDivisionError at Model.py:1); correct it."),
    ],
)
def test_a_file_that_is_no_component_is_refused(source: str, reason: str) -> None:
    """Before anything of it is constructed."""
    with pytest.raises(ArtifactRejected) as refused:
        written(source)

    assert refused.value.reason.startswith(reason)


def test_parameters_reach_the_constructor_as_they_are_written() -> None:
    """Numbers as numbers; one that it does not take is named."""
    model = component("WithMeta", "[parameters]\noffset = 0.25")
    with pytest.raises(ArtifactRejected) as refused:
        component("WithMeta", "[parameters]\nofset = 0.25")

    assert answer(model, [[1, 2]])["predictions"].tolist() == [[1.25, 2.25]]
    assert refused.value.reason == (
        "WithMeta.__init__ and [parameters] of model.toml disagree:"
        " got an unexpected keyword argument 'ofset'."
    )


def test_tags_and_metrics_of_hook_and_response_are_joined() -> None:
    """Seldon's order: the hook's tags first, those of the response over them."""
    outputs = answer(component("Derived", '[parameters]\nkind = "mean"'), [[1, 2], [3, 4]])

    assert outputs.tags == {"source": "response", "kind": "mean", "rows": 2}
    assert outputs.metrics == [
        {"key": "calls", "type": "COUNTER", "value": 1, "tags": {"where": "hook"}},
        {"key": "rows", "type": "GAUGE", "value": 2},
    ]


@pytest.mark.parametrize(
    ("extras", "reason"),
    [
        ("def tags(self): return {1: 2}", "tags has a dict that has no JSON form"),
        ("def tags(self): return {'a': object()}", "tags has a object that has no JSON form"),
        ("def tags(self): return {'a': 2**63}", "tags has a int that has no JSON form"),
        ("def metrics(self): return {}", "metrics gives a dict, not a list"),
        ("def metrics(self): return [3]", "metrics has an entry that is no dict"),
        ("def metrics(self): return [{'type': 'GAUGE', 'value': 1}]", "an entry without a key"),
        (
            "def metrics(self): return [{'key': 'a', 'type': 'SUM', 'value': 1}]",
            "metric a has the type 'SUM', not COUNTER, GAUGE or TIMER",
        ),
        (
            "def metrics(self): return [{'key': 'a', 'type': 'GAUGE', 'value': float('nan')}]",
            "metric a has no finite number as its value",
        ),
    ],
)
def test_tags_and_metrics_of_another_kind_are_refused(extras: str, reason: str) -> None:
    """They would have no place in an answer, or in a log."""
    source = f"class Model:\n def predict(self, X): return X\n {extras}"
    with pytest.raises(ArtifactRejected) as refused:
        written(source)

    assert reason in refused.value.reason


def test_numpy_values_in_tags_become_plain() -> None:
    """Arrays and scalars of numpy as JSON has them; NaN is null."""
    source = (
        "import numpy as np\n"
        "class Model:\n"
        " def predict(self, X): return X\n"
        " def tags(self): return {'a': np.float32(0.5), 'b': np.arange(2), 'c': (1, np.nan)}"
    )
    outputs = answer(written(source), [[1, 2]])

    assert outputs.tags == {"a": 0.5, "b": [0, 1], "c": [1, None]}


def test_a_raw_answer_brings_names_tags_and_metrics() -> None:
    """predict_raw takes and gives a SeldonMessage; its status can say that it failed."""
    model = component("Raw")
    outputs = answer(model, [[1, 2]])
    with pytest.raises(ModelFailed, match="the status code 400"):
        answer(model, [[-1, 2]])

    assert model.contract.outputs[0].names == ("low", "high")
    assert outputs.tags == {"columns": ["x0", "x1"]}
    assert outputs.metrics == [{"key": "rows", "type": "GAUGE", "value": 1}]


@pytest.mark.parametrize(
    ("mood", "code", "message"),
    [
        (1, "invalid_input", "No wine has so much alcohol."),
        (2, "unavailable", "The table of prices is being renewed."),
        (3, "invalid_input", "This region is not covered."),
    ],
)
def test_a_model_may_refuse_with_a_message(mood: int, code: str, message: str) -> None:
    """By our exception, or by Seldon's with a status of the caller's fault."""
    with pytest.raises(Refused) as refused:
        answer(talkative(), [[mood, 0]])

    assert (refused.value.code, refused.value.message) == (code, message)


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        (8, "ok is a single bool"),
        (9, "predictions has another shape than the contract"),
        (10, "predictions has 0 rows for 1 rows of input"),
        (12, "Talkative ends the process"),
    ],
)
def test_another_answer_than_promised_is_a_failure(mood: int, reason: str) -> None:
    """The contract holds for each answer, not only for the example."""
    with pytest.raises(ModelFailed, match=reason):
        answer(talkative(), [[mood, 0]])


def test_a_refusals_message_is_one_short_line() -> None:
    """It goes into an answer as it is."""
    refusal = Refused("invalid_input", "many\nwords " * 100)

    assert len(refusal.message) == 500
    assert "\n" not in refusal.message


def test_feedback_reaches_the_class() -> None:
    """As Seldon gives it: rows, names, reward, truth."""
    model = talkative()
    model.send_feedback(Batch.from_rows([[1, 2]]), 0.5, [1])
    component("RowsOnly").send_feedback(Batch.from_rows([[1, 2]]), 0.5, None)

    assert answer(model, [[0, 0]]).tags["feedback"] == [[[[1.0, 2.0]], ["x0", "x1"], 0.5, [1]]]


def test_a_model_cannot_change_the_callers_rows() -> None:
    """X is its own copy: a shadow version, or the example, must not see what it does to it."""
    source = "class Model:\n def predict(self, X):\n  X[:] = 0\n  return X[:, 0]"
    model = written(source)
    batch = Batch.from_rows([[1, 2]])
    model.predict(batch)

    assert batch.values.tolist() == [[1.0, 2.0]]


def test_a_loaded_version_answers_as_the_one_that_was_added() -> None:
    """The contract of the manifest, the same files, another process."""
    added = component("Lazy")
    loaded = ComponentModel(files_of("Lazy"), "Lazy", added.contract, {})
    answers = [answer(model, [[1, 2]])["predictions"].tolist() for model in (added, loaded)]

    assert answers == [[[10.0, 20.0]], [[10.0, 20.0]]]
    assert added.contract.outputs[0].names == ("low", "high")


def test_the_example_folder_is_a_model(tmp_path: Path) -> None:
    """examples/seldon_style/ trains in a moment, and keeps what it promises."""
    runpy.run_path(str(EXAMPLE / "train.py"))["main"](tmp_path)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    declaration = parse_declaration(files["model.toml"])
    model = derive_component(files, "Model", "wine", "1", declaration)
    outputs = model.predict(model.contract.example_batch)

    assert model.contract.feature_names == ("alcohol", "color_intensity", "hue", "proline")
    assert model.contract.features[3].unit == "mg/l"
    assert model.contract.outputs[0].names == ("class_0", "class_1", "class_2")
    assert outputs.tags == {"certain": True}
    assert outputs.metrics[0]["key"] == "least_certainty"
