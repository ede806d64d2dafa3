"""The image and the composition, made once for all tests of this folder."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from composition import Composition, new_composition
from engine import IMAGE, Engine, NoEngine, find_engine

PLANS = (Path(__file__).parents[1] / "system" / "conftest.py").read_text().split('"""')[3]


@pytest.fixture(scope="session")
def engine() -> Engine:
    try:
        return find_engine()
    except NoEngine as exc:
        if os.environ.get("CI") == "true":
            pytest.fail(f"the image cannot be tested: {exc}")
        pytest.skip(f"NOT TESTED: {exc}")


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """The real Dockerfile's image."""
    began = time.monotonic()
    engine.build(IMAGE)
    sys.stderr.write(f"\nimage built in {time.monotonic() - began:.0f} s\n")
    return IMAGE


@pytest.fixture(scope="session")
def root(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything the image holds, unpacked."""
    if os.geteuid() != 0:
        pytest.skip(
            "NOT TESTED: owners and modes of the image's files can be unpacked by root only"
        )
    folder = tmp_path_factory.mktemp("image")
    engine.export(image, folder)
    return folder


@pytest.fixture(scope="session")
def composition(
    engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Composition]:
    """`docker compose up` on a host without any volume of it; all is removed at the end."""
    composition = new_composition(engine, tmp_path_factory.mktemp("composition"), PLANS)
    composition.down(volumes=True)
    try:
        yield composition.up()
    finally:
        composition.down(volumes=True)
