"""The first load of a model: in a child that can do no harm, or, of what is our own, here."""

import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model.confinement.parent import run_confined
from model.contents import Contents
from model.contract import Contract
from model.engines.choosing import engines_for
from model.engines.record import AUTO, EngineChoice, EngineWish, native_because
from model.errors import ArtifactRejected
from model.first_load_files import (
    RESULT_FILE,
    read_engines,
    read_result,
    write_order,
)
from model.kinds import derive_contents
from model.manifest import golden_of
from model.protocol import Model

_MEMORY_BYTES = 8 << 30
_CPU_S = 300

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class FirstLoad:
    """What loading a model for the first time told.

    `golden` is its answer to the contract's example; `engines` is None where nobody wished for
    any; `protections` were in force meanwhile.
    """

    contract: Contract
    golden: Mapping[str, list[Any]]
    engines: EngineChoice | None = None
    protections: tuple[str, ...] = ()


# Given the files, the model's name and version, and what the operator has answered for.
Load = Callable[[Contents, str, str, Collection[str]], FirstLoad]


def _silent(_: str) -> None:
    """For whoever waits for no news."""


def ask(
    contents: Contents, name: str, version: str, trusted: Collection[str]
) -> tuple[Model, FirstLoad]:
    """The model, loaded in this process, and what it told. Raises: ArtifactRejected."""
    model = derive_contents(contents, name, version, trusted)
    golden = golden_of(model.predict(model.contract.example_batch))
    return model, FirstLoad(model.contract, golden)


def load_here(  # noqa: PLR0913  # As `Load`, and what is wished for.
    contents: Contents,
    name: str,
    version: str,
    trusted: Collection[str] = (),
    *,
    wish: EngineWish | None = None,
    progress: Progress = _silent,
) -> FirstLoad:
    """Load it, ask it, and choose its engines in this process. Raises: ArtifactRejected."""
    model, told = ask(contents, name, version, trusted)
    if wish is None:
        return told
    return replace(told, engines=engines_for(model, contents, wish, progress))


def load_confined(  # noqa: PLR0913  # As `Load`, and what is wished for.
    contents: Contents,
    name: str,
    version: str,
    trusted: Collection[str] = (),
    *,
    wish: EngineWish | None = None,
    progress: Progress = _silent,
) -> FirstLoad:
    """The same where it can reach no network, no key, no process and no other file.

    A model on another engine runs no code here, and needs the network: it is asked from here.

    Raises: ArtifactRejected.
    """
    if contents.is_remote:
        return load_here(contents, name, version, trusted, wish=wish, progress=progress)
    with tempfile.TemporaryDirectory(prefix="first-load-") as place:
        folder = Path(place)
        write_order(folder, contents, name, version, trusted, wish)
        try:
            return _confined(folder, wish, progress)
        except ArtifactRejected as exc:
            if wish is None or wish.engine != AUTO or not (folder / RESULT_FILE).exists():
                raise
            reason = exc.reason
    # The model itself is good. Compiling it took the child down, and is not tried again.
    progress("loading again, without compiling")
    told = load_confined(contents, name, version, trusted)
    return replace(told, engines=EngineChoice(native_because(f"Compiling it failed: {reason}")))


def _confined(folder: Path, wish: EngineWish | None, progress: Progress) -> FirstLoad:
    protections = run_confined(
        "model.first_load_child",
        folder,
        memory_bytes=_MEMORY_BYTES,
        cpu_s=_CPU_S,
        progress=progress,
    )
    contract, golden = read_result(folder)
    engines = None if wish is None else read_engines(folder)
    return FirstLoad(contract, golden, engines, protections)
