"""The peers: how each is started at its documented best on two cores, and what it is sent."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
SCRIPTS = str(HERE)

Rows = list[list[float]]


@dataclass(frozen=True)
class Payload:
    """One request's body."""

    body: bytes
    headers: Mapping[str, str]
    path: str


@dataclass(frozen=True)
class Peer:
    """One server.

    Args:
        name: also that of its environment and its requirement file.
        command: its command line, given its environment's `bin`, a folder of its own and a port.
        environment: variables of its process, given the same.
        prepare: a command to run once before, or none.
        payload: the request for these rows.
        answer: the probabilities in its answer, shape (n, 2).
        gzip: whether it reads compressed bodies.
        binary: the request with a binary tensor, where it reads one.
    """

    name: str
    command: Callable[[Path, Path, int], list[str]]
    payload: Callable[[Rows], Payload]
    answer: Callable[[Any], Any]
    environment: Callable[[Path, int], Mapping[str, str]] = lambda _folder, _port: {}
    prepare: Callable[[Path, Path], list[str]] | None = None
    files: Callable[[Path, Path, int], Mapping[str, Any]] = lambda _model, _folder, _port: {}
    gzip: bool = False
    binary: Callable[[Rows], Payload] | None = None
    notes: str = field(default="")


def _json(path: str, document: Any) -> Payload:
    body = json.dumps(document, separators=(",", ":")).encode()
    return Payload(body, {"Content-Type": "application/json"}, path)


def _rows(path: str) -> Callable[[Rows], Payload]:
    return lambda rows: _json(path, {"rows": rows})


def _mlserver_payload(rows: Rows) -> Payload:
    tensor = {
        "name": "rows",
        "shape": [len(rows), len(rows[0])],
        "datatype": "FP64",
        "data": [value for row in rows for value in row],
    }
    outputs = [{"name": "predict_proba"}]
    return _json("/v2/models/m/infer", {"inputs": [tensor], "outputs": outputs})


def _mlserver_files(model: Path, _folder: Path, port: int) -> Mapping[str, Any]:
    return {
        "settings.json": {
            "host": "127.0.0.1",
            "http_port": port,
            "grpc_port": port + 1,
            "metrics_port": port + 2,
            "parallel_workers": 2,
            "debug": False,
        },
        "model-settings.json": {
            "name": "m",
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": str(model)},
        },
    }


def _kserve_binary(rows: Rows) -> Payload:
    matrix = np.asarray(rows)
    data = matrix.astype("<f8").tobytes()
    tensor = {
        "name": "rows",
        "shape": list(matrix.shape),
        "datatype": "FP64",
        "parameters": {"binary_data_size": len(data)},
    }
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {
        "Content-Type": "application/octet-stream",
        "Inference-Header-Content-Length": str(len(head)),
    }
    return Payload(head + data, headers, "/v2/models/m/infer")


def _probabilities(answer: Any) -> Any:
    return answer["probabilities"]


PEERS = (
    Peer(
        name="bare",
        command=lambda bin_, _folder, port: [
            str(bin_ / "gunicorn"),
            *("--workers", "2", "--bind", f"127.0.0.1:{port}", "--log-level", "warning"),
            *("--chdir", SCRIPTS, "bare_app:app"),
        ],
        payload=_rows("/predict"),
        answer=_probabilities,
        notes="Flask-RESTful on Gunicorn, 2 sync workers",
    ),
    Peer(
        name="fastapi",
        command=lambda bin_, _folder, port: [
            str(bin_ / "uvicorn"),
            *("--workers", "2", "--port", str(port), "--no-access-log", "--log-level", "warning"),
            *("--app-dir", SCRIPTS, "fastapi_app:app"),
        ],
        payload=_rows("/predict"),
        answer=_probabilities,
        notes="uvicorn[standard], 2 workers, list[list[float]]",
    ),
    Peer(
        name="litserve",
        command=lambda bin_, _folder, port: [
            str(bin_ / "python"),
            f"{SCRIPTS}/litserve_app.py",
            str(port),
        ],
        payload=_rows("/predict"),
        answer=_probabilities,
        notes="workers_per_device=2, no batching",
    ),
    Peer(
        name="seldon",
        command=lambda bin_, _folder, port: [
            str(bin_ / "seldon-core-microservice"),
            *("SeldonModel", "--service-type", "MODEL", "--workers", "2", "--log-level", "WARNING"),
            *("--http-port", str(port), "--grpc-port", str(port + 1)),
            *("--metrics-port", str(port + 2)),
        ],
        environment=lambda _folder, _port: {"PYTHONPATH": SCRIPTS},
        payload=lambda rows: _json("/api/v1.0/predictions", {"data": {"ndarray": rows}}),
        answer=lambda answer: answer["data"]["ndarray"],
        notes="1.17.1, the last one under Apache-2.0; 2 workers",
    ),
    Peer(
        name="mlserver",
        command=lambda bin_, folder, _port: [str(bin_ / "mlserver"), "start", str(folder)],
        files=_mlserver_files,
        payload=_mlserver_payload,
        answer=lambda answer: np.reshape(answer["outputs"][0]["data"], (-1, 2)),
        gzip=True,
        notes="parallel_workers=2, Open Inference JSON",
    ),
    Peer(
        name="kserve",
        command=lambda bin_, _folder, port: [
            str(bin_ / "python"),
            f"{SCRIPTS}/kserve_app.py",
            str(port),
        ],
        payload=lambda rows: _json("/v1/models/m:predict", {"instances": rows}),
        answer=lambda answer: answer["predictions"],
        binary=_kserve_binary,
        notes="ModelServer(workers=2), v1 JSON; v2 binary tensors",
    ),
    Peer(
        name="bentoml",
        command=lambda bin_, _folder, port: [
            *(str(bin_ / "bentoml"), "serve", "bento_app:Predictor"),
            *("--port", str(port), "--host", "127.0.0.1", "--working-dir", SCRIPTS),
        ],
        environment=lambda folder, _port: {
            "BENTOML_HOME": str(folder),
            "BENTOML_DO_NOT_TRACK": "True",
        },
        payload=_rows("/predict"),
        answer=lambda answer: answer,
        notes="workers=2, numpy in and out",
    ),
    Peer(
        name="mlflow",
        command=lambda bin_, folder, port: [
            *(str(bin_ / "mlflow"), "models", "serve", "--model-uri", str(folder / "model")),
            *("--env-manager", "local", "--workers", "2", "--port", str(port)),
        ],
        prepare=lambda bin_, folder: [
            *(str(bin_ / "python"), f"{SCRIPTS}/mlflow_save.py", str(folder / "model")),
        ],
        environment=lambda folder, _port: {"MLFLOW_TRACKING_URI": f"file://{folder}/runs"},
        payload=lambda rows: _json("/invocations", {"instances": rows}),
        answer=lambda answer: answer["predictions"],
        notes="local environment, 2 workers, tensor signature",
    ),
)
