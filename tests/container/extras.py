"""`make image-test VARIANT=extras`: the image with data frames and boosting. Collected by name."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from engine import Engine

IMAGE = "model-gateway:image-test-extras"
SERVING = "gateway-image-test-extras"
_HARDENED = ("--network", "none", "--read-only", "--cap-drop=ALL", "--tmpfs", "/tmp")  # noqa: S108
_ASK = """
import sys, urllib.request
body = sys.argv[1].encode()
request = urllib.request.Request("http://127.0.0.1:8080/invocations", body,
                                 {"Content-Type": "application/json"})
try:
    print(urllib.request.urlopen(request).read().decode())
except urllib.error.HTTPError as exc:
    print(exc.read().decode())
"""


@pytest.fixture(scope="module")
def image(engine: Engine) -> str:
    engine.build(IMAGE, "extras")
    return IMAGE


@pytest.fixture(scope="module")
def trained(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the libraries in the image, and what it answers where it was trained."""
    folder = tmp_path_factory.mktemp("trained")
    folder.chmod(0o777)
    script = Path(__file__).with_name("extras_model.py")
    mounts = ("-v", f"{script}:/train.py:ro", "-v", f"{folder}:/out")
    engine.run(
        "run", "--rm", *_HARDENED, *mounts, "--entrypoint", "python", image, "/train.py", "/out"
    )
    return folder


def test_libraries_of_the_extras_can_be_imported(engine: Engine, image: str) -> None:
    """With every shared library that they load."""
    code = "import lightgbm, model_signing, pandas, pyarrow.ipc, skops.io, xgboost"
    engine.run("run", "--rm", *_HARDENED, "--entrypoint", "python", image, "-c", code)


def test_boosted_trees_on_a_data_frame_are_served(
    engine: Engine, image: str, trained: Path
) -> None:
    """Text and numbers in rows; answered as where it was trained."""
    engine.run("rm", "-f", SERVING, check=False)
    example: dict[str, Any] = json.loads((trained / "example.json").read_text())
    options = (*_HARDENED, "-v", f"{trained}/model:/opt/ml/model:ro", "--tmpfs", "/data:mode=1777")
    settings = ("-e", "GATEWAY_SAGEMAKER__PARTNER=cloud", "-e", "GATEWAY_DATA_DIR=/data")
    engine.run(
        "run", "-d", "--name", SERVING, *options, *settings, image, "serve", "--workers", "1"
    )
    try:
        wait_until_healthy(engine)
        body = json.dumps({"dataframe_records": example["rows"]})
        said = engine.run("exec", SERVING, "python", "-c", _ASK, body).stdout
    finally:
        engine.run("rm", "-f", SERVING)

    assert json.loads(said)["predictions"] == example["predictions"]


def wait_until_healthy(engine: Engine) -> None:
    ping = ("exec", SERVING, "python", "-m", "gateway.health", "127.0.0.1:8080", "/ping")
    deadline = time.monotonic() + 90
    while engine.run(*ping, check=False).returncode != 0:
        runs = engine.inspect(SERVING)["State"]["Running"] and time.monotonic() < deadline
        assert runs, engine.run("logs", SERVING).stderr[-3000:]
