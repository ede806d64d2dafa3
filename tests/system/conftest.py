"""Fixtures of the black-box tests: real nginx, Gunicorn, Redis and TLS, nothing imported.

With COMPOSITION_UNDER_TEST in the environment, the same tests run against containers that
`tests/container` has started; those that look into the stack's own processes are left out.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from compatibility import Matrix
from composition import Composition
from stack_process import Stack, running

pytest_plugins = ["example_models"]

COMPOSITION = os.environ.get("COMPOSITION_UNDER_TEST")
# Files whose tests know the stack by its door, its commands and its log only.
FROM_OUTSIDE = (
    *("test_error_shapes.py", "test_formats.py", "test_limits.py", "test_open_inference.py"),
    *("test_open_inference_aio.py", "test_operations.py", "test_partner_guide.py"),
    "test_partner_journey.py",
)
# Those in them that do not.
OF_ONE_MACHINE = {
    "test_pasted_commands_work": "`gateway stack` prints them; the README's are tested there",
    "test_worker_killed_and_workers_told_to_stop_lose_no_waiting_call": "signals to process ids",
    "test_forged_addresses_change_nothing": "the engine's network hides the caller's address",
}

_PLANS = """
[trial]
requests_per_second = 20
requests_per_minute = 600
rows_per_hour = 100_000
max_rows_per_call = 1_000
max_concurrent_calls = 4

[standard]
requests_per_second = 100
requests_per_minute = 3_000
rows_per_hour = 5_000_000
max_rows_per_call = 10_000
max_concurrent_calls = 16

[unlimited]
max_rows_per_call = 100_000
max_concurrent_calls = 64

[fifty_an_hour]
rows_per_hour = 50
max_rows_per_call = 50
max_concurrent_calls = 64
"""


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Files of other tests are not even read where containers are tested."""
    other = collection_path.suffix == ".py" and collection_path.name not in FROM_OUTSIDE
    return True if COMPOSITION and other else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What compares the matrix comes after all that fill it."""
    items.sort(key=lambda item: item.path.name == "test_compatibility.py")
    if COMPOSITION:
        kept = [item for item in items if _knows_the_door_only(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def _knows_the_door_only(item: pytest.Item) -> bool:
    name = getattr(item, "originalname", item.name)
    # The model of mixed types needs pandas, which the default image leaves out.
    needs_frames = "telephone" in getattr(item, "fixturenames", ())
    return name not in OF_ONE_MACHINE and not needs_frames


@pytest.fixture(scope="session")
def matrix() -> Matrix:
    """Where tests say which client made which call."""
    return Matrix()


@pytest.fixture(scope="session", autouse=True)
def _servers() -> None:
    if COMPOSITION:
        return
    missing = [name for name in ("nginx", "redis-server") if shutil.which(name) is None]
    if not missing or (os.geteuid() == 0 and shutil.which("apt-get")):
        return  # The stack itself installs what is missing.
    message = f"system tests need {', '.join(missing)} (Debian packages nginx, redis-server)"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A short path: unix sockets have room for 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="gw-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def plans(folder: Path) -> Path:
    """The shipped plans, and one with a number small enough to count to."""
    path = folder / "plans.toml"
    path.write_text(_PLANS)
    return path


@pytest.fixture(scope="session")
def stack(folder: Path, plans: Path) -> Iterator[Stack]:
    """One stack for all tests that leave it as they found it."""
    if COMPOSITION:
        yield Composition.attached(COMPOSITION)
        return
    home = folder / "shared"
    home.mkdir(mode=0o755)
    environment = {
        "GATEWAY_PLANS": str(plans),
        # Paths that name no model go on leading here when a test adds another.
        "GATEWAY_MODELS__DEFAULT": "breast-cancer",
        # Workers look four times a second whether something was decided: so tests wait less.
        "GATEWAY_CONTROL__POLL_S": "0.25",
        # Load with a dead token must see what the token is answered, not what the address is.
        "GATEWAY_LIMITS__FAILED_AUTHENTICATIONS_PER_ADDRESS": "1000000/minute",
    }
    yield from running(Stack(home, environment))


@pytest.fixture(scope="session")
def token(stack: Stack) -> str:
    """A token of a partner without rates."""
    return stack.token(stack.create_partner("steady"))
