"""`python -m gateway.cli.example`: train the example model, add it and promote it."""

import runpy
import tempfile
from functools import partial
from pathlib import Path

from gateway.cli.administration import Administration, actor, service_settings
from gateway.cli.prepare import EXAMPLE_NAME
from model import Manifest, ModelStore, VersionExists
from model.engines.record import EngineWish
from model.first_load import load_here

TRAINING_SCRIPT = Path(__file__).parents[2] / "examples" / "breast_cancer" / "train.py"
VERSION = "1"


def add_example(admin: Administration) -> None:
    """Bring the example into service, from wherever an earlier attempt was broken off."""
    manifest = _added(ModelStore(admin.settings.models_dir))
    admin.store.add_model_version(EXAMPLE_NAME, VERSION, manifest.digest)
    admin.store.promote_model(EXAMPLE_NAME, VERSION, 0)


def _added(store: ModelStore) -> Manifest:
    with tempfile.TemporaryDirectory() as folder:
        runpy.run_path(str(TRAINING_SCRIPT))["main"](Path(folder))
        try:
            load = partial(load_here, wish=EngineWish())
            return store.add(Path(folder), EXAMPLE_NAME, VERSION, actor(), load=load)
        except VersionExists:
            return store.manifest(EXAMPLE_NAME, VERSION)


if __name__ == "__main__":
    add_example(Administration(service_settings()))
