"""Versions of models on disk appear whole, and load only as they were added."""

import dataclasses
import json
import runpy
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from model import ArtifactRejected, Batch, ModelStore, VersionExists
from model.manifest import MANIFEST_FILE, library_versions

EXAMPLE = Path(__file__).parents[1] / "examples" / "breast_cancer"
ROWS = [[0.0, 1.0], [1.0, 3.0], [2.0, 1.0], [3.0, 2.0]]


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    joblib.dump(LogisticRegression().fit(ROWS, [0, 0, 1, 1]), folder / "model.joblib")
    (folder / "model.toml").write_text('[model]\ndescription = "Wines."\n')
    (folder / "notes.txt").write_text("not part of the model")
    return folder


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models", now=lambda: datetime(2026, 5, 1, 12, tzinfo=UTC))


@pytest.fixture
def folder(tmp_path, store, source):
    """The folder of version 1 of model wine."""
    store.add(source, "wine", "1", added_by="ada")
    return tmp_path / "models" / "wine" / "1"


def rewrite_manifest(folder, **changes):
    """Replace the manifest by one that differs, and give the digest that would pin it."""
    manifest = ModelStore(folder.parents[1]).manifest("wine", "1")
    changed = dataclasses.replace(manifest, **changes)
    (folder / MANIFEST_FILE).write_bytes(changed.to_bytes())
    return changed.digest


def test_added_version_is_loaded(store, source):
    """A version answers as the estimator that was added, under its description."""
    manifest = store.add(source, "wine", "1", added_by="ada")
    loaded = store.load("wine", "1", manifest.digest)
    estimator = joblib.load(source / "model.joblib")

    assert loaded.manifest == manifest
    assert loaded.model.contract.description == "Wines."
    outputs = loaded.model.predict(Batch(np.array(ROWS)))
    np.testing.assert_array_equal(outputs["predictions"], estimator.predict(ROWS))


def test_manifest_records_what_was_added(store, source, folder):
    """Who, when, with which libraries; the artifact and its description, and nothing beside."""
    manifest = store.manifest("wine", "1")

    assert (manifest.added_by, manifest.added_at) == ("ada", "2026-05-01T12:00:00.000000Z")
    assert set(manifest.files) == {"model.joblib", "model.toml"}
    assert {path.name for path in folder.iterdir()} == {*manifest.files, MANIFEST_FILE}
    assert manifest.libraries == library_versions()
    assert manifest.golden["predictions"] in ([0], [1])


def test_artifact_alone_is_enough(store, source):
    """Without a model.toml the estimator alone gives the contract; any file name will do."""
    (source / "model.toml").unlink()
    (source / "model.joblib").rename(source / "wine-2026.pkl")
    manifest = store.add(source / "wine-2026.pkl", "wine", "1", added_by="ada")

    contract = store.load("wine", "1", manifest.digest).model.contract
    assert contract.feature_names == ("x0", "x1")


def test_names_and_versions_are_listed_in_the_order_added(tmp_path, source):
    """The version added last is the last, whatever it is called."""
    hours = iter(range(24))
    store = ModelStore(
        tmp_path / "models", now=lambda: datetime(2026, 5, 1, next(hours), tzinfo=UTC)
    )
    assert store.names() == []
    for version in ("9", "10", "1.0-rc_1"):
        store.add(source, "wine", version, added_by="ada")

    assert store.names() == ["wine"]
    assert store.versions("wine") == ["9", "10", "1.0-rc_1"]
    assert store.versions("beer") == store.versions("..") == []


def test_versions_never_change(store, source, folder):
    """Adding the same version again is refused, and the first stays."""
    before = (folder / MANIFEST_FILE).read_bytes()
    with pytest.raises(VersionExists):
        store.add(source, "wine", "1", added_by="eve")

    assert (folder / MANIFEST_FILE).read_bytes() == before


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("..", "1"),
        ("../wine", "1"),
        ("wine/..", "1"),
        (".adding-1", "1"),
        ("Wine", "1"),
        ("", "1"),
        ("wine\n", "1"),
        ("w" * 64, "1"),
        ("wine", ".."),
        ("wine", "../1"),
        ("wine", "/etc"),
        ("wine", "1\x00"),
        ("wine", "1" * 33),
        ("wine", ""),
    ],
)
def test_names_that_are_no_plain_folders_are_refused(store, source, name, version):
    """No name or version leads out of the store, in any operation."""
    for operation in (
        lambda: store.add(source, name, version, added_by="ada"),
        lambda: store.load(name, version, "0" * 64),
        lambda: store.manifest(name, version),
    ):
        with pytest.raises(ArtifactRejected, match="must match"):
            operation()


@pytest.mark.parametrize(("name", "version"), [("w" * 63, "1" * 32), ("0.a_b-c", "v1.0_rc-1")])
def test_longest_and_oddest_names_are_taken(store, source, name, version):
    """The other side of the limits."""
    manifest = store.add(source, name, version, added_by="ada")

    assert store.load(name, version, manifest.digest).manifest == manifest


@pytest.mark.parametrize("filename", ["model.joblib", "model.toml", MANIFEST_FILE])
def test_one_flipped_bit_in_any_file_is_refused(store, folder, filename):
    """SEC-63: the digest of the manifest pins every byte of the version."""
    digest = store.manifest("wine", "1").digest
    data = bytearray((folder / filename).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / filename).write_bytes(data)

    with pytest.raises(ArtifactRejected, match=f"{filename} is not the file that was added"):
        store.load("wine", "1", digest)


@pytest.mark.parametrize("filename", ["Model.py", "factors.py"])
def test_one_flipped_bit_in_code_is_refused_and_nothing_runs(tmp_path, store, filename):
    """SEC-63: the class itself, and a module beside it."""
    ran, source = tmp_path / "ran", tmp_path / "twice"
    source.mkdir()
    (source / "factors.py").write_text("FACTOR = 1\n")
    (source / "Model.py").write_text(
        f"from pathlib import Path\nimport factors\nPath({str(ran)!r}).touch()\nOFFSET = 1\n"
        "class Model:\n"
        "    def feature_names(self): return ['x']\n"
        "    def predict(self, X): return X * factors.FACTOR + OFFSET\n"
    )
    digest = store.add(source, "twice", "1", "ada").digest
    ran.unlink()
    code = next(tmp_path.glob(f"**/twice/1/{filename}"))
    code.chmod(0o640)
    code.write_bytes(code.read_bytes().replace(b" = 1\n", b" = 3\n"))  # One bit.

    with pytest.raises(ArtifactRejected, match=f"{filename} is not the file that was added"):
        store.load("twice", "1", digest)
    assert not ran.exists()


@pytest.mark.parametrize("digest", ["", "0" * 64])
def test_manifest_other_than_the_pinned_one_is_refused(store, folder, digest):
    """A complete version whose manifest nobody activated does not load."""
    with pytest.raises(ArtifactRejected, match=MANIFEST_FILE):
        store.load("wine", "1", digest)


def test_file_that_the_manifest_does_not_list_is_refused(store, folder):
    """Nothing may lie beside the files that were added."""
    digest = store.manifest("wine", "1").digest
    (folder / "sitecustomize.py").write_text("")

    with pytest.raises(ArtifactRejected, match=r"nobody added: 'sitecustomize\.py'"):
        store.load("wine", "1", digest)


def test_lost_file_is_refused(store, folder):
    """A listed file must be there."""
    digest = store.manifest("wine", "1").digest
    (folder / "model.toml").unlink()

    with pytest.raises(ArtifactRejected, match=r"has lost 'model\.toml'"):
        store.load("wine", "1", digest)


def test_listed_path_out_of_the_folder_is_refused(store, folder):
    """Even a pinned manifest cannot have other folders read."""
    manifest = store.manifest("wine", "1")
    digest = rewrite_manifest(folder, files={**manifest.files, "../../secret": "0" * 64})

    with pytest.raises(ArtifactRejected, match="has lost"):
        store.load("wine", "1", digest)


def test_version_copied_to_another_place_is_refused(tmp_path, store, folder):
    """A manifest is good for the name and version it was made for."""
    digest = store.manifest("wine", "1").digest
    folder.rename(folder.with_name("2"))

    with pytest.raises(ArtifactRejected, match="that of wine 1"):
        store.load("wine", "2", digest)


@pytest.mark.parametrize("library", ["python", "numpy", "scipy", "scikit-learn", "joblib"])
def test_other_library_version_is_refused(store, folder, library):
    """SEC-66: a version off by a patch release does not load, and the reason says what to do."""
    digest = rewrite_manifest(folder, libraries={**library_versions(), library: "1.2.3"})

    with pytest.raises(ArtifactRejected, match=rf"{library} 1\.2\.3 \(here .*add it again"):
        store.load("wine", "1", digest)


def test_answer_other_than_the_golden_one_is_refused(store, folder):
    """A model that answers its example otherwise than when added is not that model."""
    golden = {**store.manifest("wine", "1").golden, "probabilities": [[0.25, 0.75]]}
    digest = rewrite_manifest(folder, golden=golden)

    with pytest.raises(ArtifactRejected, match="output probabilities of the example"):
        store.load("wine", "1", digest)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"name": "wine"}', b"\xff"])
def test_damaged_manifest_is_refused(store, folder, content):
    """A manifest that is not one says so, also when nothing pins it."""
    (folder / MANIFEST_FILE).write_bytes(content)

    with pytest.raises(ArtifactRejected, match="damaged"):
        store.manifest("wine", "1")
    assert store.versions("wine") == ["1"]


@pytest.mark.parametrize(
    ("artifacts", "reason"), [([], "has no model file"), (["a.pkl", "b.joblib"], "2 model files")]
)
def test_folder_without_exactly_one_artifact_is_refused(tmp_path, store, artifacts, reason):
    """Which file is the model is never guessed."""
    for filename in artifacts:
        (tmp_path / filename).write_bytes(b"")

    with pytest.raises(ArtifactRejected, match=reason):
        store.add(tmp_path, "wine", "1", added_by="ada")


def test_refused_version_leaves_nothing_behind(tmp_path, store, source):
    """What does not load is not added."""
    (source / "model.joblib").write_bytes(b"not a model")
    with pytest.raises(ArtifactRejected):
        store.add(source, "wine", "1", added_by="ada")

    assert store.names() == []
    assert not (tmp_path / "models").exists()


def test_kill_while_adding_leaves_no_half_version(tmp_path, store, source):
    """A process killed just before the final step has added nothing, and adding again works."""
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from model import ModelStore\n"
        "def die(event, _):\n"
        "    if event == 'os.rename': os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(die)\n"
        "ModelStore(Path(sys.argv[1])).add(Path(sys.argv[2]), 'wine', '1', added_by='ada')\n"
    )
    models = tmp_path / "models"
    done = subprocess.run(
        [sys.executable, "-c", program, str(models), str(source)], timeout=60, check=False
    )

    assert done.returncode == -signal.SIGKILL
    assert store.names() == []
    manifest = store.add(source, "wine", "1", added_by="ada")
    assert store.load("wine", "1", manifest.digest).manifest == manifest


def test_added_files_are_readable_by_other_users(folder):
    """The service may run under another user than the operator who adds."""
    assert folder.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}


def test_single_precision_and_several_targets_survive_the_golden_comparison(store, tmp_path):
    """The golden answer is compared by value, in whatever shape and precision."""
    rows = np.array(ROWS, dtype=np.float32)
    joblib.dump(LinearRegression().fit(rows, rows / 3), tmp_path / "line.joblib")
    manifest = store.add(tmp_path / "line.joblib", "line", "1", added_by="ada")

    assert store.load("line", "1", manifest.digest).model.contract.outputs[0].shape == (-1, 2)


def test_shipped_example_is_served_as_trained(tmp_path, store):
    """examples/breast_cancer trains the same bytes twice; its request keeps its contract."""
    train = runpy.run_path(str(EXAMPLE / "train.py"))["main"]
    train(tmp_path / "one")
    train(tmp_path / "two")
    manifest = store.add(tmp_path / "one", "breast-cancer", "1", added_by="ada")
    model = store.load("breast-cancer", "1", manifest.digest).model
    request = json.loads((EXAMPLE / "request.json").read_text())
    batch = Batch.from_rows(request["data"])
    model.contract.check(batch)

    first, second = (tmp_path / run / "model.joblib" for run in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()
    assert model.predict(batch)["predictions"].tolist() == [0]
    assert len(model.contract.features) == 30
    assert {feature.minimum for feature in model.contract.features} == {0.0}
    assert all(feature.unit and feature.description for feature in model.contract.features)
