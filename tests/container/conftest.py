"""The image and the compositions, each made once for all tests of this folder."""

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from composition import Composition, new_composition
from engine import IMAGE, Engine, NoEngine
from engines import find_engine
from mounted_certificate import mount_certificate

PLANS = (Path(__file__).parents[1] / "system" / "conftest.py").read_text().split('"""')[3]


@contextmanager
def _one_process_at_a_time(factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Files of this folder run beside each other: one process makes what all use."""
    folder = factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield shared


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    try:
        with _one_process_at_a_time(tmp_path_factory):
            return find_engine()
    except NoEngine as exc:
        if os.environ.get("CI") == "true":
            pytest.fail(f"the image cannot be tested: {exc}")
        pytest.skip(f"NOT TESTED: {exc}")


@pytest.fixture(scope="session")
def image(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The real Dockerfile's image."""
    with _one_process_at_a_time(tmp_path_factory) as shared:
        if not (shared / "built").exists():
            began = time.monotonic()
            engine.build(IMAGE)
            sys.stderr.write(f"\nimage built in {time.monotonic() - began:.0f} s\n")
            (shared / "built").touch()
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
    made = new_composition(engine, tmp_path_factory.mktemp("composition"), PLANS)
    yield from _running(made)


@pytest.fixture(scope="session")
def with_postgres(
    engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Composition]:
    """The same with the profile `postgres` and a certificate of the operator's, beside it."""
    folder = tmp_path_factory.mktemp("postgres")
    # Only root can give the key to nginx's group.
    own = mount_certificate(folder / "own-certificate") if os.geteuid() == 0 else None
    made = new_composition(engine, folder, PLANS, "postgres", own)
    yield from _running(made)


def _running(composition: Composition) -> Iterator[Composition]:
    if composition.left_over():
        composition.down(volumes=True)
    try:
        yield composition.up()
    finally:
        composition.down(volumes=True)
    assert composition.left_over() == []
