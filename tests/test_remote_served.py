"""A version on another engine, through the store and in service, while that engine is away."""

from pathlib import Path

import numpy as np
import pytest
from engine_server import EngineServer, Reply, Request, answer

from gateway.control.snapshot import DeployedVersion
from model import (
    ArtifactRejected,
    Batch,
    Manifest,
    ModelFailed,
    ModelStore,
    ModelUnavailable,
    ServedModels,
)

_BATCH = Batch.from_rows([[1.0, 2.0, 3.0]])


def _model_toml(folder: Path, url: str) -> Path:
    folder.mkdir()
    (folder / "model.toml").write_text(f'[remote]\nurl = "{url}"\nmodel = "sums"\n')
    return folder


def _added_and_gone(tmp_path: Path) -> tuple[ModelStore, Manifest, int]:
    """A version that was added while its engine was there, and the engine's port."""
    store = ModelStore(tmp_path / "models")
    (tmp_path / "models").mkdir()
    with EngineServer() as engine:
        manifest = store.add(_model_toml(tmp_path / "sums", engine.url), "sums", None, "ada")
    return store, manifest, engine.port


def test_a_version_comes_into_service_while_its_engine_is_away(tmp_path: Path) -> None:
    """With the contract it was added with; it refuses until the engine is back, then answers."""
    store, manifest, port = _added_and_gone(tmp_path)
    models = ServedModels(store)
    [outcome] = models.apply({"sums": {"1": DeployedVersion("1", manifest.digest)}})
    served = models.get("sums")

    assert outcome.error is None
    assert models.ready
    assert [feature.name for feature in served.contract.features] == ["x0", "x1", "x2"]
    with pytest.raises(ModelUnavailable) as refusal:
        served.predict(_BATCH)
    assert refusal.value.retry_after_s > 0
    with EngineServer(port=port):
        assert served.predict(_BATCH).outputs["predictions"].tolist() == [6.0]


def test_an_engine_that_comes_back_as_another_is_not_believed(tmp_path: Path) -> None:
    """It is asked for what the contract promises; an answer of another shape reaches no caller."""
    store, manifest, port = _added_and_gone(tmp_path)
    model = store.load("sums", "1", manifest.digest).model

    def twice(request: Request) -> Reply:
        values = np.repeat(request.table.sum(axis=1), 2)
        return answer(
            {"name": "predict", "datatype": "FP64", "shape": [2], "data": values.tolist()}
        )

    with EngineServer(port=port, infer=twice), pytest.raises(ModelFailed):
        model.predict(_BATCH)


def test_adding_needs_the_engine(tmp_path: Path) -> None:
    """What it takes and gives is asked once; nothing is half-added where nobody answers."""
    with EngineServer() as engine:
        url = engine.url
    store = ModelStore(tmp_path / "models")
    with pytest.raises(ArtifactRejected, match="cannot be reached"):
        store.add(_model_toml(tmp_path / "sums", url), "sums", None, "ada")
    assert not (tmp_path / "models").exists()
