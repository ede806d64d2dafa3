"""`gateway model add` and `contract`: a model comes in whole, or is refused in one line."""

import copy
import json
import runpy
import shutil
from pathlib import Path

import joblib
import numpy as np
import pytest
from cli_fixtures import Shell, rows_of
from fakes import save_artifact, wine_classifier
from skl2onnx import to_onnx
from sklearn.datasets import load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from gateway.cli.model_intake import name_of

ROOT = Path(__file__).parents[1]


@pytest.fixture
def shell(prepared: Shell, tmp_path: Path) -> Shell:
    return prepared.copy_to(tmp_path)


def test_a_bare_file_is_added_and_shown(shell: Shell, tmp_path: Path) -> None:
    """Its name is the file's, its version the first; it serves once it is promoted."""
    line = LinearRegression().fit([[0.0, 1.0], [1.0, 1.0], [2.0, 0.0]], [0.0, 1.0, 2.0])
    joblib.dump(line, tmp_path / "Churn Model.pkl")
    shown = shell.done("model", "add", str(tmp_path / "Churn Model.pkl"))

    assert shown.startswith("Added churn-model 1: 1 files.")
    assert "POST /v1/models/churn-model/predict" in shown
    assert "takes  x0 (FP64)" in shown
    assert "gives  predictions (FP64, shape [-1])" in shown
    assert "gateway model promote churn-model 1" in shown
    assert shell.audited().action == "model_version_added"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("churn.pkl.gz", "churn"),
        ("prices.eu.pkl", "prices.eu"),
        ("Wine 1.2.JOBLIB", "wine-1.2"),
        ("iris/Model.py", "iris"),
        ("engine/model.toml", "engine"),
    ],
)
def test_a_name_is_what_the_file_is_called(path: str, name: str) -> None:
    """Whole, without what makes it a model file; of a class or a description, its folder's."""
    assert name_of(Path(path)) == name


def test_versions_count_up_and_may_be_promoted_at_once(shell: Shell, tmp_path: Path) -> None:
    """The next whole number, unless another is given; --promote lets it serve."""
    folder = save_artifact(tmp_path / "wine", wine_classifier())
    versions = [
        shell.done("model", "add", str(folder)),
        shell.done("model", "add", str(folder), "--version", "7"),
        shell.done("model", "add", str(folder), "--promote"),
    ]

    assert ["wine 1" in versions[0], "wine 7" in versions[1], "wine 8" in versions[2]] == [True] * 3
    assert "Version 8 of model wine is current." in versions[2]


def test_a_seldon_style_folder_is_added(shell: Shell, tmp_path: Path) -> None:
    """The class, its files and its contract; a file overwritten in place is the next version."""
    folder = tmp_path / "own"
    runpy.run_path(str(ROOT / "examples" / "seldon_style" / "train.py"))["main"](folder)
    first = shell.done("model", "add", str(folder), "--name", "own")
    (folder / "Model.py").write_text((folder / "Model.py").read_text() + "\n# Changed.\n")
    second = shell.done("model", "add", str(folder), "--name", "own")

    assert "It runs code of its own: Model.py." in first
    assert "Added own 2" in second


def test_the_contract_is_what_partners_read(shell: Shell) -> None:
    """As GET /v1/models/{model} says it; any version can be named."""
    contract = json.loads(shell.done("model", "contract", "breast-cancer"))

    assert contract["features"][0]["name"] == "mean radius"
    assert contract["outputs"][0]["name"] == "predictions"
    assert contract == json.loads(shell.done("model", "contract", "breast-cancer", "1"))
    assert "no version 9" in shell.refused("model", "contract", "breast-cancer", "9")
    assert "There is no model beer" in shell.refused("model", "contract", "beer")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"model.pkl": b""}, "cannot be loaded"),
        ({"model.pkl": b"garbage"}, "cannot be loaded"),
        ({"Model.py": b"x = 1\n"}, "Model.py has no class Model"),
        (
            {"Model.py": b"class Model:\n    def __init__(self):\n        1 / 0\n"},
            "ZeroDivisionError",
        ),
        ({"A.py": b"class A: pass\n", "B.py": b"class B: pass\n"}, "several classes"),
        ({"a.pkl": b"", "b.pkl": b""}, "2 model files"),
        ({"notes.txt": b""}, "source has no model file: a Model.py with class Model"),
        ({"Model.py": b"class Model:\n    def predict(self): pass\n"}, "write def predict("),
        ({"Model.py": b"class Model:\n    predict = 5\n"}, "predict is not a method"),
        ({"Model.py": b"import nosuchlib\nclass Model:\n    pass\n"}, "'nosuchlib', which is not"),
        ({"model.pkl": b"cnosuchlib.models\nOwn\n)\x81."}, "'nosuchlib', which is not installed"),
        ({"model.pkl": b"c__main__\nOwn\n)\x81."}, "needs Own, which was defined in the script"),
        (
            {"model.pkl": b"\x80\x04\x95\xff" + bytes(7) + b"."},
            "end of the file. If the file is whole",
        ),
        ({"model.skops": b"PK"}, "model.skops cannot be loaded"),
        ({"model.pkl.gz": b"\x1f\x8b\x08"}, "damaged or cut short"),
        ({"model.toml": b"[remote"}, "not valid TOML"),
    ],
)
def test_what_is_no_model_is_refused(
    shell: Shell, tmp_path: Path, files: dict[str, bytes], says: str
) -> None:
    """One line, exit code 1, nothing half-added."""
    folder = tmp_path / "source"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)

    assert says in shell.refused("model", "add", str(folder), "--name", "new")
    assert not (shell.data_dir / "models" / "new").exists()
    assert not list((shell.data_dir / "models").glob(".adding-*"))


def test_a_file_of_another_kind_is_refused(shell: Shell, tmp_path: Path) -> None:
    """It says which kinds there are; and one that was cut short is not loaded either."""
    (tmp_path / "plot.png").write_bytes(b"\x89PNG")
    whole = (save_artifact(tmp_path / "wine", wine_classifier()) / "model.joblib").read_bytes()
    (tmp_path / "cut.joblib").write_bytes(whole[: len(whole) // 2])

    assert "plot.png is no model file" in shell.refused("model", "add", str(tmp_path / "plot.png"))
    cut = shell.refused("model", "add", str(tmp_path / "cut.joblib"))
    assert "cut.joblib cannot be loaded" in cut
    assert "copy it again" in cut


@pytest.mark.parametrize(
    ("model_toml", "says"),
    [
        ("[example]\nrows = [[1.0]]\n", "have 1 feature, the model takes 13"),
        ('[[outputs]]\nname = "nope"\n', "has no output 'nope'; it has predictions"),
        ('[[outputs]]\nname = "probabilities"\nnames = ["a"]\n', "3 columns, names lists 1"),
        ('[[features]]\nname = "beer"\n', "beer"),
        ("[modle]\n", "unknown key 'modle'"),
        ("[parameters]\nsize = 1\n", "[parameters] are for the constructor of a Model.py"),
    ],
)
def test_a_model_toml_that_contradicts_the_estimator_is_refused(
    shell: Shell, tmp_path: Path, model_toml: str, says: str
) -> None:
    """What is declared and what is there, both in the line; nothing half-added."""
    folder = save_artifact(tmp_path / "new", wine_classifier(), model_toml)

    assert says in shell.refused("model", "add", str(folder))
    assert not (shell.data_dir / "models" / "new").exists()


def test_an_estimator_that_is_not_fitted_is_refused(shell: Shell, tmp_path: Path) -> None:
    """It says what to do."""
    folder = save_artifact(tmp_path / "raw", LogisticRegression())

    assert "not fitted" in shell.refused("model", "add", str(folder))


def test_a_version_is_added_once(shell: Shell, tmp_path: Path) -> None:
    """Versions never change."""
    folder = save_artifact(tmp_path / "wine", wine_classifier())
    shell.done("model", "add", str(folder), "--version", "1")

    assert "exists already" in shell.refused("model", "add", str(folder), "--version", "1")


def test_a_number_whose_files_are_gone_is_not_given_again(shell: Shell, tmp_path: Path) -> None:
    """What partners knew as version 1 stays that; and nothing is half-added."""
    folder = save_artifact(tmp_path / "wine", wine_classifier())
    shell.done("model", "add", str(folder))
    shutil.rmtree(shell.data_dir / "models" / "wine")

    refusal = shell.refused("model", "add", str(folder), "--version", "1")
    assert "wine 1 exists already" in refusal
    assert not (shell.data_dir / "models" / "wine").exists()
    assert "Added wine 2" in shell.done("model", "add", str(folder))


def test_nothing_is_added_where_there_is_no_gateway(tmp_path: Path) -> None:
    """A mistyped --data-dir gets no models folder."""
    folder = save_artifact(tmp_path / "wine", wine_classifier())
    refusal = Shell(tmp_path / "var").refused("model", "add", str(folder))

    assert "There is no control store" in refusal
    assert not (tmp_path / "var").exists()


def test_a_path_that_is_not_there_is_said(shell: Shell, tmp_path: Path) -> None:
    """Like everything else that is no model."""
    assert "There is no" in shell.refused("model", "add", str(tmp_path / "churn.pkl"))


def test_a_diff_says_what_breaks_callers(shell: Shell, tmp_path: Path) -> None:
    """Exit code 1 where calls that work today would be refused, 0 where nothing is noticed."""
    narrow = '[[features]]\nname = "hue"\nminimum = 0.5\n'
    shell.done("model", "add", str(save_artifact(tmp_path / "wine", wine_classifier())))
    shell.done("model", "add", str(save_artifact(tmp_path / "wine", wine_classifier())))
    shell.done("model", "add", str(save_artifact(tmp_path / "wine", wine_classifier(), narrow)))
    breaking = shell.run("model", "diff", "wine", "1", "3")

    assert "notice nothing" in shell.done("model", "diff", "wine", "1", "2")
    assert breaking.exit_code == 1
    assert "hue" in breaking.stdout
    assert "yes" in breaking.stdout
    assert "no version 9" in shell.refused("model", "diff", "wine", "1", "9")


def test_what_is_on_no_list_needs_somebody_who_answers_for_it(shell: Shell, tmp_path: Path) -> None:
    """--trust holds for this version, stands in the audit log, and the version then loads."""
    odd = make_pipeline(FunctionTransformer(copy.copy), LinearRegression())
    folder = save_artifact(tmp_path / "odd", odd.fit([[0.0], [1.0]], [0.0, 1.0]))
    refusal = shell.refused("model", "add", str(folder))
    shown = shell.done("model", "add", str(folder), "--trust")
    manifest = json.loads((shell.data_dir / "models" / "odd" / "1" / "manifest.json").read_text())

    assert "copy:copy" in refusal
    assert "--trust" in refusal
    assert "You answered for: copy:copy." in shown
    assert manifest["trusted"] == ["copy:copy"]
    assert "no network" in manifest["protections"]
    assert shell.audited().after["trusted"] == ["copy:copy"]


def test_engines_are_chosen_proved_and_shown(shell: Shell, tmp_path: Path) -> None:
    """By `add`, `list` and `show`; who wants the original only says so."""
    folder = save_artifact(tmp_path / "wine", wine_classifier())
    rows = tmp_path / "rows.json"
    wine = load_wine()
    rows.write_text(json.dumps(wine.data.tolist()))
    added = shell.done("model", "add", str(folder), "--probe", str(rows))
    native = shell.done("model", "add", str(folder), "--engine", "native")
    listed = {tuple(row[:2]): row for row in rows_of(shell.done("model", "list"))}
    shown = shell.done("model", "show", "wine")
    version = shell.json("model", "show", "wine")[0]

    assert "Answered by onnx\n" in added
    assert "178 sample" in added
    assert "1 row in " in added
    assert "10,000 rows in " in added
    assert "Answered by native: The original was asked for." in native
    assert "onnx" in listed["wine", "1"]
    assert "native" in listed["wine", "2"]
    assert "onnx" in listed["breast-cancer", "1"]
    assert "Answered by onnx" in shown
    assert version["engine"]["rows"]["sample"] == 178
    assert version["engine"]["largest_difference"] < 1e-12


def test_an_engine_that_cannot_be_is_refused(shell: Shell, tmp_path: Path) -> None:
    """One line; so is a sample file without a usable row. Nothing is kept."""
    density = save_artifact(tmp_path / "density", KernelDensity().fit([[0.0], [1.0]]))
    (tmp_path / "rows.csv").write_text("other\n1\n")
    refusal = shell.refused("model", "add", str(density), "--engine", "onnx")
    unread = shell.refused("model", "add", str(density), "--probe", str(tmp_path / "rows.csv"))

    assert "It cannot run on onnx. skl2onnx cannot write a KernelDensity" in refusal
    assert "it has no column 'x0'" in unread
    assert not (shell.data_dir / "models" / "density").exists()


def test_an_onnx_file_is_a_model(shell: Shell, tmp_path: Path) -> None:
    """By itself, with the contract of its graph; garbage of that name is refused."""
    graph = to_onnx(wine_classifier()[1], np.zeros((1, 13), np.float32))
    (tmp_path / "grapes.onnx").write_bytes(graph.SerializeToString())
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    shown = shell.done("model", "add", str(tmp_path / "grapes.onnx"))

    assert "Added grapes 1: 1 files." in shown
    assert "Answered by onnx\n" in shown
    assert "gives  probabilities (FP32, shape [-1, 3])" in shown
    assert "is no ONNX file" in shell.refused("model", "add", str(tmp_path / "junk.onnx"))
