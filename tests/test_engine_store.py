"""The compiled form is a file of its version: pinned, verified, opened in place of the original."""

import dataclasses
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from fakes import save_artifact, wine_classifier
from sklearn.datasets import load_wine
from sklearn.linear_model import LinearRegression

from model import ArtifactRejected, Batch, ModelStore, ServedModel
from model.engines.record import FILES, ONNX, EngineRecord, EngineWish
from model.engines.routed import engines_of
from model.first_load import FirstLoad, load_confined, load_here
from model.manifest import check_libraries

ROWS, _ = load_wine(return_X_y=True)
COMPILED = FILES[ONNX]
choosing = partial(load_here, wish=EngineWish())


@pytest.fixture(scope="module")
def added(tmp_path_factory):
    """A store with a compiled version, and its manifest."""
    folder = tmp_path_factory.mktemp("engines")
    source = save_artifact(folder / "source", wine_classifier())
    store = ModelStore(folder / "store")
    return store, store.add(source, "wine", "1", "op", load=choosing), folder / "store"


def both_engines(*arguments) -> FirstLoad:
    """As loaded, but with the original for batches from 100 rows on."""
    loaded = choosing(*arguments)
    routes = ((1, ONNX), (100, "native"))
    record = dataclasses.replace(loaded.engines.record, routes=routes)
    return dataclasses.replace(loaded, engines=dataclasses.replace(loaded.engines, record=record))


def test_the_manifest_pins_the_compiled_form(added):
    """Its digest stands beside those of the files that were brought, and the engine's version."""
    _, manifest, _ = added

    assert set(manifest.files) == {"model.joblib", COMPILED}
    assert set(manifest.brought) == {"model.joblib"}
    assert manifest.engines.routes == ((1, ONNX),)
    assert "onnxruntime" in manifest.libraries


def test_only_the_engine_that_serves_is_opened(added):
    """A process whose models are all compiled imports no scikit-learn, and unpickles nothing."""
    _, manifest, directory = added
    program = (
        "import sys; from pathlib import Path; from model import ModelStore, Batch;"
        "loaded = ModelStore(Path(sys.argv[1])).load('wine', '1', sys.argv[2]);"
        "loaded.model.predict(loaded.model.contract.example_batch);"
        "print(sorted({'sklearn', 'scipy', 'joblib', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(directory), manifest.digest],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )

    assert done.stdout == "[]\n"


@pytest.mark.parametrize("damage", [lambda d: d[:-1] + bytes([d[-1] ^ 1]), lambda d: d + b"\0"])
def test_an_altered_compiled_form_is_never_opened(added, tmp_path, damage):
    """As any other file of the version."""
    source = save_artifact(tmp_path / "source", wine_classifier())
    store = ModelStore(tmp_path / "store")
    manifest = store.add(source, "wine", "1", "op", load=choosing)
    path = tmp_path / "store" / "wine" / "1" / COMPILED
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(ArtifactRejected, match="not the file that was added"):
        store.load("wine", "1", manifest.digest)
    path.unlink()
    with pytest.raises(ArtifactRejected, match="has lost"):
        store.load("wine", "1", manifest.digest)


def test_both_engines_serve_where_each_wins(tmp_path):
    """Each gets its batches, each answers the example, and the estimates know which one it is."""
    store = ModelStore(tmp_path / "store")
    source = save_artifact(tmp_path / "source", wine_classifier())
    manifest = store.add(source, "wine", "1", "op", load=both_engines)
    loaded = store.load("wine", "1", manifest.digest)
    served = ServedModel(loaded)
    names = [(first, type(engine).__name__) for first, engine in engines_of(loaded.model)]
    few, many = served.predict(Batch(ROWS[:99])), served.predict(Batch(ROWS[:100]))

    assert names == [(1, "OnnxEngine"), (100, "EstimatorModel")]
    np.testing.assert_array_equal(few.outputs["predictions"], many.outputs["predictions"][:99])
    # One row more, and the slower engine's line holds.
    assert served.estimate_s(100) > served.estimate_s(99)


def test_an_engine_of_another_version_is_an_error(added):
    """Its answers were proved with the one that is recorded."""
    _, manifest, _ = added
    check_libraries(manifest.libraries)

    with pytest.raises(ArtifactRejected, match=r"onnxruntime 1\.0 \(here"):
        check_libraries({**manifest.libraries, "onnxruntime": "1.0"})


def test_a_version_without_engines_has_no_word_of_them(tmp_path):
    """As those that were added before there were any."""
    store = ModelStore(tmp_path / "store")
    manifest = store.add(save_artifact(tmp_path / "s", wine_classifier()), "wine", "1", "op")

    assert b'"engine"' not in manifest.to_bytes()
    assert manifest.engines is None
    assert store.load("wine", "1", manifest.digest).model.contract.model_name == "wine"


def test_a_route_to_a_missing_form_is_refused(tmp_path):
    """What the manifest promises must be among its files."""

    def without_file(*arguments) -> FirstLoad:
        loaded = choosing(*arguments)
        return dataclasses.replace(loaded, engines=dataclasses.replace(loaded.engines, files={}))

    store = ModelStore(tmp_path / "store")
    source = save_artifact(tmp_path / "source", wine_classifier())
    manifest = store.add(source, "wine", "1", "op", load=without_file)

    with pytest.raises(ArtifactRejected, match="The compiled form"):
        store.load("wine", "1", manifest.digest)


def test_engines_are_chosen_in_the_confined_child(tmp_path):
    """The compiled bytes come back as data; what is done meanwhile is said."""
    said: list[str] = []
    load = partial(load_confined, wish=EngineWish(), progress=said.append)
    store = ModelStore(tmp_path / "store")
    source = save_artifact(tmp_path / "source", wine_classifier())
    manifest = store.add(source, "wine", "1", "op", load=load)

    assert said == [
        "loading",
        "compiling for onnx",
        "comparing onnx with the original",
        "measuring",
    ]
    assert isinstance(manifest.engines, EngineRecord)
    assert "no network" in manifest.protections
    assert store.load("wine", "1", manifest.digest).model.contract.model_name == "wine"


def test_a_wish_that_cannot_be_fulfilled_keeps_nothing(tmp_path):
    """Of code that is the model's own there is no compiled form."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "Model.py").write_text(
        "class Model:\n    def predict(self, rows, names):\n        return rows\n"
    )
    (folder / "model.toml").write_text('[[features]]\nname = "a"\n')
    store = ModelStore(tmp_path / "store")
    manifest = store.add(folder, "own", "1", "op", load=choosing)

    assert manifest.engines.reason == "It is code of its own."
    with pytest.raises(ArtifactRejected, match="cannot run on onnx"):
        store.add(folder, "own", "2", "op", load=partial(load_here, wish=EngineWish(ONNX)))
    assert store.versions("own") == ["1"]


def test_a_session_opened_before_a_fork_answers_after_it(added):
    """As in workers, which are forked from a process that has loaded the models and used them."""
    _, manifest, directory = added
    program = (
        "import os, sys; from pathlib import Path; from model import ModelStore\n"
        "model = ModelStore(Path(sys.argv[1])).load('wine', '1', sys.argv[2]).model\n"
        "ask = lambda: str(model.predict(model.contract.example_batch))\n"
        "before, threads = ask(), len(os.listdir('/proc/self/task'))\n"
        "children = [os.fork() or os._exit(ask() != before) for _ in range(2)]\n"
        "print(threads, [os.waitpid(child, 0)[1] for child in children])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", "import config\n" + program, str(directory), manifest.digest],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=Path(__file__).parents[1],
    )

    assert done.stdout == "1 [0, 0]\n"


def test_a_model_that_takes_its_compiler_down_serves_as_it_is(tmp_path):
    """The converter aborts the whole process; the model itself is good."""
    line = LinearRegression().fit(ROWS, ROWS[:, 0])
    line.onnx_parser = os.abort
    source, store = save_artifact(tmp_path / "source", line), ModelStore(tmp_path / "store")
    load = partial(load_confined, wish=EngineWish())
    manifest = store.add(source, "line", "1", "op", trust=True, load=load)

    assert manifest.engines.routes == ((1, "native"),)
    assert manifest.engines.reason.startswith("Compiling it failed: The model ended the process")
    assert "no network" in manifest.protections
    load = partial(load_confined, wish=EngineWish(ONNX))
    with pytest.raises(ArtifactRejected, match="SIGABRT"):
        store.add(source, "line", "2", "op", trust=True, load=load)
