"""The contract of a model on another engine, from its metadata and a model.toml."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_server import TABLE, EngineServer, Reply, Request, answer, json_reply, sums

from model import ArtifactRejected, Batch, Feature, ModelStore, Output
from model.declaration import parse_declaration
from model.remote.derivation import derive_remote
from model.remote.model import RemoteModel


@pytest.fixture
def engine() -> Iterator[EngineServer]:
    with EngineServer() as server:
        yield server


def _derive(engine: EngineServer, model_toml: str = "", model: str = "sums") -> RemoteModel:
    remote = f'\n[remote]\nurl = "{engine.url}"\nmodel = "{model}"\n'
    return derive_remote(parse_declaration((model_toml + remote).encode()), "sums", "1")


def _rejected(engine: EngineServer, model_toml: str = "") -> str:
    with pytest.raises(ArtifactRejected) as refusal:
        _derive(engine, model_toml)
    return refusal.value.reason


def test_metadata_alone_is_a_contract(engine: EngineServer) -> None:
    """A table of three columns has three features, and outputs under our names."""
    model = _derive(engine)

    assert model.contract.features == (Feature("x0"), Feature("x1"), Feature("x2"))
    assert model.contract.outputs == (Output("predictions", "FP64", (-1,)),)
    assert model.contract.example == ((0.0, 0.0, 0.0),)
    assert model.predict(Batch.from_rows([[1, 2, 3]]))["predictions"].tolist() == [6.0]


def test_model_toml_gives_the_meaning(engine: EngineServer) -> None:
    """Names, bounds, descriptions and an example, which the engine answers."""
    model = _derive(
        engine,
        """
        model.description = "Sums of three"
        example.rows = [[1, 2, 3], [4, 5, 6]]
        [[features]]
        name = "a"
        minimum = 0
        [[features]]
        name = "b"
        unit = "m"
        [[features]]
        name = "c"
        """,
    )

    assert model.contract.description == "Sums of three"
    assert model.contract.feature_names == ("a", "b", "c")
    assert model.contract.features[0].minimum == 0
    assert model.contract.example == ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))


def test_narrower_numbers_bound_the_features(engine: EngineServer) -> None:
    """What the engine's datatype cannot hold is the caller's fault, found here."""
    engine.model = {
        "inputs": [
            {"name": "count", "datatype": "UINT8", "shape": [-1, 1]},
            {"name": "size", "datatype": "FP32", "shape": [-1, 1]},
            {"name": "id", "datatype": "INT64", "shape": [-1]},
        ]
    }
    engine.infer = _one
    count, size, number = _derive(engine).contract.features

    assert (count.datatype, count.minimum, count.maximum) == ("INT64", 0, 255)
    assert size.datatype == "FP64"
    assert size.maximum == pytest.approx(3.4028235e38)
    assert number == Feature("id", "INT64")


def _one(_request: Request) -> Reply:
    return answer({"name": "predict", "datatype": "INT64", "shape": [1, 1], "data": [7]})


def test_engine_without_inputs_takes_the_declared_features(engine: EngineServer) -> None:
    """Numbers only go as one table; the output's (n, 1) becomes a plain list."""
    engine.model = {"name": "sums", "inputs": [], "outputs": []}
    engine.infer = _one
    contract = _derive(engine, '[[features]]\nname = "a"\n[[features]]\nname = "b"\n').contract
    sent = engine.requests[0].document

    assert sent["inputs"][0] == {
        "name": "input-0",
        "shape": [1, 2],
        "datatype": "FP64",
        "data": [0.0, 0.0],
    }
    assert "outputs" not in sent
    assert contract.outputs == (Output("predictions", "INT64", (-1,)),)


def _table(columns: int) -> dict[str, Any]:
    return {**TABLE, "inputs": [{"name": "rows", "datatype": "FP64", "shape": [-1, columns]}]}


_TWO = '[[features]]\nname = "a"\n[[features]]\nname = "b"\n'


def test_contradiction_between_engine_and_model_toml_is_refused(engine: EngineServer) -> None:
    """Each in one line that says which of the two says what."""
    assert "lists 2 features, the engine's model takes 3" in _rejected(engine, _TWO)
    engine.model = _table(-1)
    assert "list the features in model.toml" in _rejected(engine)
    engine.model = {"inputs": []}
    assert "list the features in model.toml" in _rejected(engine)
    engine.model = {"inputs": [{"name": "a", "datatype": "FP64", "shape": [-1]}]}
    assert "no input 'b'" in _rejected(engine, _TWO)


def test_engine_that_fails_on_the_example_is_refused(engine: EngineServer) -> None:
    """Its text is not repeated, the remedy is."""
    engine.infer = lambda _request: Reply(500, b'{"error": "secret detail"}')
    reason = _rejected(engine)

    assert "fails on its example (the engine answered 500" in reason
    assert "model.toml" in reason
    assert "secret" not in reason


def test_missing_values_are_promised_only_if_the_engine_answers_them(engine: EngineServer) -> None:
    """A row that misses all it may is tried."""
    nullable = '[[features]]\nname = "a"\nnullable = true\n' + _TWO.replace('"a"', '"c"')

    def finite_only(request: Request) -> Reply:
        return Reply(500) if None in request.document["inputs"][0]["data"] else sums(request)

    engine.infer = finite_only

    assert "the model fails on them" in _rejected(engine, nullable)


def test_engine_that_is_away_or_lacks_the_model_is_refused(engine: EngineServer) -> None:
    """Only at add; the line says where it was looked for."""
    engine.model = json_reply({"error": "Model sums not found"}, 404)
    lacking = _rejected(engine)
    with EngineServer() as gone:
        pass
    away = _rejected(gone)

    for reason, url in ((lacking, engine.url), (away, gone.url)):
        assert url in reason
        assert "correct [remote] in model.toml" in reason


@pytest.mark.parametrize(
    ("outputs", "problem"),
    [
        ('name = "odds"', "the model has no output 'odds'; it has predictions"),
        ('name = "predictions"\nnames = ["a", "b"]', "'predictions' has no columns, names lists 2"),
    ],
)
def test_outputs_of_model_toml_are_those_of_the_engine(
    engine: EngineServer, outputs: str, problem: str
) -> None:
    """Another output, or names for columns that are not there, is refused as for every model."""
    assert problem in _rejected(engine, f"[[outputs]]\n{outputs}\n")


def test_a_token_is_sent_only_where_somebody_answers_for_it(
    engine: EngineServer, tmp_path: Path
) -> None:
    """A folder from elsewhere may name any file here, and a server of its own."""
    password, source = tmp_path / "password", tmp_path / "sums"
    password.write_text("of-the-database")
    source.mkdir()
    (source / "model.toml").write_text(
        f'[remote]\nurl = "{engine.url}"\nmodel = "sums"\ntoken_file = "{password}"\n'
    )
    store = ModelStore(tmp_path / "models")
    with pytest.raises(ArtifactRejected, match=r"sends what is in .*password to http.*--trust"):
        store.prove(source, "sums", None, "ada")

    assert engine.requests == []
    store.prove(source, "sums", None, "ada", trust=True)
    assert engine.requests[0].headers["Authorization"] == "Bearer of-the-database"
