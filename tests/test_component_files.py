"""The folder of a component, its imports, and that versions do not meet."""

import gc
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from components import Files, answer, component, files_of, written

from model import ArtifactRejected
from model.component import ComponentModel
from model.component.files import PlacedFiles

WHERE = """
import os
class Model:
    def __init__(self): self.seen = [os.getcwd()]
    def load(self): self.seen.append(os.getcwd())
    def predict(self, X): return X[:, 0]
    def tags(self): return {"seen": self.seen, "file": __file__}
"""
SIBLING = """
from features import doubled
class Model:
    def predict(self, X): return doubled(X[:, 0])
"""
LATE = """
class Model:
    def load(self): self.early = __import__("importlib").import_module("early").VALUE
    def predict(self, X, names):
        import late, parts.inner
        from parts import inner as again
        return [late.VALUE + self.early + parts.inner.VALUE + again.VALUE for _ in X]
"""


@pytest.fixture
def temp_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where folders of components are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_component_lives_in_a_private_folder(temp_folder: Path) -> None:
    """Its own files and nobody else's; gone with the model."""
    model = written(WHERE)
    folder = Path(answer(model, [[1, 2]]).tags["file"]).parent
    mode, names = folder.stat().st_mode, [path.name for path in folder.iterdir()]
    del model
    gc.collect()

    assert folder.parent == temp_folder
    assert mode & 0o777 == 0o700
    assert names == ["Model.py"]
    assert not folder.exists()


def test_code_runs_in_its_folder_and_leaves_no_trace(temp_folder: Path) -> None:
    """Constructor and load open files beside them; the process is as before."""
    before = Path.cwd(), list(sys.path), list(sys.meta_path), set(sys.modules)
    tags = answer(written(WHERE), [[1, 2]]).tags
    after = Path.cwd(), list(sys.path), list(sys.meta_path), set(sys.modules)

    assert tags["seen"] == [str(Path(tags["file"]).parent)] * 2
    assert after == before


def test_versions_with_modules_of_the_same_name_live_side_by_side() -> None:
    """Each finds its own features.py, and its own seldon-like names."""
    first = component("Model", files={"Model.py": SIBLING, "features.py": "doubled = lambda x: x"})
    second = component(
        "Model", files={"Model.py": SIBLING, "features.py": "doubled = lambda x: 2 * x"}
    )
    answers = [answer(model, [[3, 0]])["predictions"].tolist() for model in (first, second, first)]

    assert answers == [[3.0], [6.0], [3.0]]


def test_modules_are_found_as_late_as_in_predict() -> None:
    """By `import` in a function, by importlib, in packages: always those of this version."""

    def files(value: int) -> Files:
        names = ("early.py", "late.py", "parts/inner.py")
        return {"Model.py": LATE} | dict.fromkeys(names, f"VALUE = {value}")

    first, second = component("Model", files=files(1)), component("Model", files=files(10))

    assert answer(first, [[0, 0]])["predictions"].tolist() == [4]
    assert answer(second, [[0, 0]])["predictions"].tolist() == [40]


def test_a_file_named_like_one_of_our_packages_is_its_own() -> None:
    """`import config` in a component means its config.py, and ours stays what it was."""
    ours = sys.modules.get("config")
    source = "import config\nclass Model:\n def predict(self, X): return X[:, 0] * config.FACTOR"
    model = component("Model", files={"Model.py": source, "config.py": "FACTOR = 5"})

    assert answer(model, [[2, 0]])["predictions"].tolist() == [10.0]
    assert sys.modules.get("config") is ours


def test_code_is_compiled_from_the_verified_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file exchanged after the check, before the import, changes nothing."""
    placed = PlacedFiles({"Model.py": b"ANSWER = 1"})
    (placed.folder / "Model.py").write_bytes(b"ANSWER = 2")

    assert placed.modules.import_module("Model").ANSWER == 1


@pytest.mark.parametrize("path", ["../out.py", "/etc/out.py", "a/../../out.py", "", "a\0b"])
def test_no_file_leaves_the_folder(path: str) -> None:
    """A path that leads out is refused before anything is written."""
    with pytest.raises(ArtifactRejected, match="leads out of the model's folder"):
        PlacedFiles({path: b""})


def test_a_forked_process_leaves_the_folder_alone(temp_folder: Path) -> None:
    """Workers forked after the load drop their copies; the files are the parent's."""
    placed = PlacedFiles({"data.txt": b"x"})
    process = os.fork()
    if process == 0:
        del placed
        gc.collect()
        os._exit(0)
    os.waitpid(process, 0)

    assert (placed.folder / "data.txt").read_bytes() == b"x"


def test_what_a_killed_process_left_is_removed(temp_folder: Path) -> None:
    """By the next component; what is still held, or was made just now, stays."""
    left, young = temp_folder / "gateway-component-left", temp_folder / "gateway-component-young"
    for folder in (left, young):
        folder.mkdir()
    held = PlacedFiles({})
    for folder in (left, held.folder):
        os.utime(folder, (0, 0))
    PlacedFiles({})

    assert not left.exists()
    assert young.exists()
    assert held.folder.exists()


def test_another_thread_imports_while_a_component_loads() -> None:
    """Imports of a version in service do not wait for the load of another one."""
    serving = component("Lazy")
    answer(serving, [[1, 2]])
    placed = PlacedFiles({})
    answers: list[Any] = []
    with placed.at_home():
        thread = threading.Thread(target=lambda: answers.append(answer(serving, [[1, 2]])))
        thread.start()
        thread.join(10)

    assert answers[0]["predictions"].tolist() == [[10.0, 20.0]]


def test_seldons_names_are_there_without_its_package() -> None:
    """A class derived from SeldonComponent loads, and nothing of it stays in this process."""
    derived = component("Derived")
    ComponentModel(files_of("Derived"), "Derived", derived.contract, {})

    assert not [name for name in sys.modules if name.startswith("seldon_core")]
