"""A real MLServer in an environment of its own, with a model that scikit-learn trained there."""

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
from free_ports import free_port
from stack_process import ROOT

ENVIRONMENT = ROOT / ".venv-mlserver"

_TRAIN = """
import joblib
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
wine = load_wine()
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(wine.data, wine.target)
joblib.dump(model, "wine/model.joblib")
"""
_MODEL = {
    "name": "wine",
    "implementation": "mlserver_sklearn.SKLearnModel",
    "parameters": {"uri": "./model.joblib", "version": "v1"},
    "inputs": [{"name": "features", "datatype": "FP64", "shape": [-1, 13]}],
    "outputs": [
        {"name": "predict", "datatype": "INT64", "shape": [-1]},
        {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 3]},
    ],
}


def installed() -> bool:
    """Whether `make test` has made the environment."""
    return (ENVIRONMENT / ".installed").is_file()


class MLServer:
    """One server in a folder of its own, on ports that stay the same when it starts again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "wine").mkdir(parents=True)
        (folder / "wine" / "model-settings.json").write_text(json.dumps(_MODEL))
        settings = {
            "host": "127.0.0.1",
            "http_port": self.port,
            "grpc_port": free_port(),
            "metrics_endpoint": None,
            "parallel_workers": 0,
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        python = ENVIRONMENT / "bin" / "python"
        subprocess.run([python, "-c", _TRAIN], cwd=folder, check=True, timeout=60)

    def start(self) -> None:
        """Returns at once; see `ready`."""
        with (self._folder / "log").open("ab") as log:
            command = [ENVIRONMENT / "bin" / "mlserver", "start", "."]
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)

    def ready(self) -> bool:
        """Whether it serves the model."""
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
        try:
            return httpx.get(f"{self.url}/v2/models/wine/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """Away at once, in the middle of whatever it does."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(timeout=10)

    def infer(self, rows: list[list[float]]) -> dict[str, Any]:
        """What it answers itself: each output's elements, in row-major order."""
        request = {
            "inputs": [
                {"name": "features", "datatype": "FP64", "shape": [len(rows), 13], "data": rows}
            ],
            "outputs": [{"name": "predict"}, {"name": "predict_proba"}],
        }
        response = httpx.post(f"{self.url}/v2/models/wine/infer", json=request, timeout=30)
        response.raise_for_status()
        return {output["name"]: output["data"] for output in response.json()["outputs"]}
