"""The first load of a model: in a child that can do no harm, or, in tests, in this process."""

import json
import os
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.confinement import run_confined
from model.contents import Contents, derive_contents
from model.contract import Contract
from model.errors import ArtifactRejected
from model.folders import write_durably
from model.manifest import golden_of

ORDER_FILE, RESULT_FILE, FILES_FOLDER = "order.json", "result.json", "files"

_MEMORY_BYTES = 8 << 30
_CPU_S = 300
_MOST_RESULT_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class FirstLoad:
    """What loading a model for the first time told.

    `golden` is its answer to the contract's example; `protections` were in force meanwhile.
    """

    contract: Contract
    golden: Mapping[str, list[Any]]
    protections: tuple[str, ...] = ()


# Given the files, the model's name and version, and what the operator has answered for.
Load = Callable[[Contents, str, str, Collection[str]], FirstLoad]


def load_here(
    contents: Contents, name: str, version: str, trusted: Collection[str] = ()
) -> FirstLoad:
    """Load and ask it in this process. Raises: ArtifactRejected."""
    model = derive_contents(contents, name, version, trusted)
    return FirstLoad(model.contract, golden_of(model.predict(model.contract.example_batch)))


def load_confined(
    contents: Contents, name: str, version: str, trusted: Collection[str] = ()
) -> FirstLoad:
    """Load and ask it where it can reach no network, no key, no process and no other file.

    A model on another engine runs no code here, and needs the network: it is asked from here.

    Raises: ArtifactRejected.
    """
    if contents.is_remote:
        return load_here(contents, name, version, trusted)
    order = {
        "artifact": contents.artifact,
        "name": name,
        "version": version,
        "trusted": list(trusted),
    }
    with tempfile.TemporaryDirectory(prefix="first-load-") as place:
        folder = Path(place)
        files = {f"{FILES_FOLDER}/{path}": data for path, data in contents.files.items()}
        write_durably(folder, {**files, ORDER_FILE: json.dumps(order).encode()})
        protections = run_confined(
            "model.first_load_child",
            folder,
            memory_bytes=_MEMORY_BYTES,
            cpu_s=_CPU_S,
            progress=lambda _text: None,
        )
        return _result(folder / RESULT_FILE, protections)


def _result(path: Path, protections: tuple[str, ...]) -> FirstLoad:
    # The child may have turned hostile: what it left is only data, of a bounded size.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            document = json.loads(file.read(_MOST_RESULT_BYTES))
        return FirstLoad(
            Contract.from_json(document["contract"]), dict(document["golden"]), protections
        )
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ArtifactRejected("Loading the model ended without a result.") from exc
