"""The models of a run, trained in the environment that will serve them, once."""

import subprocess
import sys
from pathlib import Path

from bench.kept import ROOT, kept

ENVIRONMENTS = ROOT / ".venv-bench"
_HERE = Path(__file__).parent


def ours() -> Path:
    """A folder with `<model>.joblib` for each of `models.MODELS`."""
    return _trained("gateway", "models.py", sys.executable, ROOT / "requirements/runtime.txt")


def heavy(name: str) -> Path:
    """The file of one of `heavy_models.MODELS`."""
    packages = ROOT / "requirements/runtime.txt"
    folder = _trained(name, "heavy_models.py", sys.executable, packages, name)
    return folder / f"{name}.joblib"


def of_peer(name: str) -> Path:
    """The same models, of the peer's own libraries: no pickle crosses to another set of them."""
    python = ENVIRONMENTS / name / "bin" / "python"
    return _trained(name, "models.py", python, _HERE / "requirements" / f"{name}.txt")


def _trained(who: str, script: str, python: str | Path, packages: Path, *arguments: str) -> Path:
    def train(folder: Path) -> None:
        command = [python, _HERE / script, folder, *arguments]
        subprocess.run(command, check=True, capture_output=True)

    return kept(f"models-{who}", [_HERE / script, packages], train)
