"""The gateway as `make stack` runs it: TLS, tokens, limits in Redis, validation, logs to a file."""

import contextlib
import io
import json
import ssl
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.installation import ENVIRONMENT, PLAN, administer, install
from bench.kept import ROOT
from bench.load import Measured, measure
from bench.peers import Payload, Rows
from bench.processes import Server, free_port, running

NO_SETTINGS: Mapping[str, str] = {}
# As many as the machines have cores that the figures are of.
WORKERS = 2
_GATEWAY = [sys.executable, "-m", "gateway.cli"]


class Gateway:
    """A running stack with the benchmark's models, and a partner whose plan has every limit."""

    def __init__(self, server: Server, url: str, data_dir: Path, token: str) -> None:
        self.server = server
        self.url = url
        self.data_dir = data_dir
        self.token = token

    def headers(self, **further: str) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            **{name.replace("_", "-"): text for name, text in further.items()},
        }

    def rows(self, model: str, rows: Rows) -> Payload:
        """Our own JSON."""
        body = json.dumps({"data": rows}, separators=(",", ":")).encode()
        return Payload(body, self.headers(), f"/v1/models/{model}/predict")

    def binary_forms(self, model: str, rows: Rows) -> dict[str, Payload]:
        """The same rows in each binary form."""
        matrix = np.asarray(rows, dtype="<f8")
        file = io.BytesIO()
        np.save(file, matrix)
        path = f"/v1/models/{model}/predict"
        npy = Payload(file.getvalue(), self.headers(Content_Type="application/x-npy"), path)
        return {"tensor": self.tensor(model, rows), "npy": npy}

    def tensor(self, model: str, rows: Rows, datatype: str = "FP64") -> Payload:
        """One binary tensor of the Open Inference Protocol."""
        matrix = np.asarray(rows, dtype={"FP64": "<f8", "FP32": "<f4"}[datatype])
        tensor = {
            "name": "rows",
            "shape": list(matrix.shape),
            "datatype": datatype,
            "parameters": {"binary_data_size": matrix.nbytes},
        }
        outputs = [{"name": "probabilities", "parameters": {"binary_data": True}}]
        head = json.dumps({"inputs": [tensor], "outputs": outputs}).encode()
        headers = self.headers(Content_Type="application/octet-stream")
        headers["Inference-Header-Content-Length"] = str(len(head))
        return Payload(head + matrix.tobytes(), headers, f"/v2/models/{model}/infer")

    @property
    def trusting(self) -> ssl.SSLContext:
        """Its own certificate, on loopback."""
        return ssl._create_unverified_context()  # noqa: S323

    def ask(self, payload: Payload) -> Any:
        """One call; its answer as JSON."""
        request = urllib.request.Request(
            self.url + payload.path, payload.body, dict(payload.headers)
        )
        with urllib.request.urlopen(request, timeout=30, context=self.trusting) as answer:
            return json.load(answer)

    def measure(self, payload: Payload, connections: int, seconds: float) -> Measured:
        """Ask for this on so many connections, after half a second that is not counted."""
        self.measure_at_once(payload, connections, 0.5)
        return self.measure_at_once(payload, connections, seconds)

    def measure_at_once(self, payload: Payload, connections: int, seconds: float) -> Measured:
        """Ask for this on so many connections."""
        call = (self.url + payload.path, payload.body, payload.headers)
        return measure(*call, connections=connections, seconds=seconds)

    def feature_names(self, model: str) -> list[str]:
        """Those of the contract, in its order."""
        request = urllib.request.Request(f"{self.url}/v1/models/{model}", headers=self.headers())
        with urllib.request.urlopen(request, timeout=30, context=self.trusting) as answer:
            return [feature["name"] for feature in json.load(answer)["features"]]

    def administer(self, *arguments: str) -> str:
        return administer(self.data_dir, *arguments)


@contextlib.contextmanager
def gateway(
    folder: Path,
    models: Mapping[str, Path],
    workers: int = WORKERS,
    plan: str = PLAN,
    settings: Mapping[str, str] = NO_SETTINGS,
) -> Iterator[Gateway]:
    """The stack with these models in service.

    Args:
        settings: environment variables of it, such as GATEWAY_LIMITS__LEASE_QUOTA.
    Raises:
        NotReady.
    """
    folder.mkdir(parents=True)
    # Its parts run under users of their own, who have to pass through.
    for parent in (folder, folder.parent):
        parent.chmod(0o755)
    data_dir = folder / "var"
    install(data_dir, models, plan)
    with _stack(folder, workers, settings) as (server, url):
        token = administer(data_dir, "token", "issue", "demo").strip()
        yield Gateway(server, url, data_dir, token)


@contextlib.contextmanager
def _stack(folder: Path, workers: int, settings: Mapping[str, str]) -> Iterator[tuple[Server, str]]:
    port = free_port()
    command = [*_GATEWAY, "--data-dir", str(folder / "var"), "stack", "--port", str(port)]
    environment = {"PYTHONPATH": str(ROOT), **ENVIRONMENT, **settings}
    with running([*command, "--workers", str(workers)], folder, environment) as server:
        url = f"https://localhost:{port}"
        server.wait(f"{url}/readyz")
        yield server, url
