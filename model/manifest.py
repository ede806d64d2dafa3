"""manifest.json: what was added, by whom, and what must still be true when it is loaded."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Self

import numpy as np

from model.artifact import sha256_hex
from model.batch import Array
from model.engines.record import FILES, EngineRecord
from model.errors import ArtifactRejected, ModelFailed
from model.message import MESSAGE, alike

MANIFEST_FILE = "manifest.json"

_DAMAGED = f"{MANIFEST_FILE} is damaged; add the version again."

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "joblib")

# The same libraries on another processor may round the last digits otherwise.
_GOLDEN_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Manifest:
    """One version of a model as it was when it was added. Its digest pins all of it.

    `files` maps each file of the version to its SHA-256; `golden` is the answer to the example;
    `contract` is what it promises (`Contract.to_json`); `engine` is how it is answered
    (`EngineRecord.to_json`), None where no engines were chosen; `trusted` is what the artifact
    names beyond the known list, which an operator has answered for; `protections` were in force
    when it was loaded for the first time.
    """

    name: str
    version: str
    artifact: str
    files: Mapping[str, str]
    libraries: Mapping[str, str]
    golden: Mapping[str, list[Any]]
    contract: Mapping[str, Any]
    trusted: Sequence[str]
    protections: Sequence[str]
    added_at: str
    added_by: str
    engine: Mapping[str, Any] | None = None

    def to_bytes(self) -> bytes:
        facts = asdict(self)
        if self.engine is None:
            del facts["engine"]
        return json.dumps(facts, indent=2, sort_keys=True, allow_nan=False).encode() + b"\n"

    @property
    def brought(self) -> dict[str, str]:
        """The SHA-256 of each file that was brought: of all but those that were made of them."""
        made = set(FILES.values()) if self.engine is not None else set()
        return {name: digest for name, digest in self.files.items() if name not in made}

    @property
    def engines(self) -> EngineRecord | None:
        """How it is answered. Raises ArtifactRejected where that cannot be read."""
        return None if self.engine is None else EngineRecord.from_json(self.engine)

    @property
    def digest(self) -> str:
        """SHA-256 of manifest.json, in hex."""
        return sha256_hex(self.to_bytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a manifest. Whether it is the right one is the caller's question."""
        try:
            manifest = cls(**json.loads(data))
        except (ValueError, TypeError) as exc:
            raise ArtifactRejected(_DAMAGED) from exc
        # One content has one spelling, so that `digest` is always that of the file.
        if manifest.to_bytes() != data:
            raise ArtifactRejected(_DAMAGED)
        return manifest


def library_versions(also: Iterable[str] = ()) -> dict[str, str]:
    """What decides how a pickle is read and what the model in it answers.

    `also` are packages that its file names, and those of engines that answer it.
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"python": python, **{library: _installed(library) for library in (*_LIBRARIES, *also)}}


def _installed(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"


def check_libraries(added_with: Mapping[str, str]) -> None:
    """Raise ArtifactRejected naming each library whose version is not the one at hand (SEC-66)."""
    here = library_versions(sorted(added_with.keys() - {"python"}))
    skewed = [
        f"{library} {added_with.get(library, 'unknown')} (here {here[library]})"
        for library in here
        if added_with.get(library) != here[library]
    ]
    if skewed:
        raise ArtifactRejected(
            f"The version was added with {', '.join(skewed)}; "
            "train and add it again with the versions here, or install those."
        )


def golden_of(outputs: Mapping[str, Array]) -> dict[str, list[Any]]:
    return {name: array.tolist() for name, array in outputs.items()}


def check_golden(golden: Mapping[str, list[Any]], outputs: Mapping[str, Array]) -> None:
    """Raise ModelFailed unless the outputs are those of the day the version was added."""
    if golden.keys() != outputs.keys():
        raise ModelFailed("the outputs are not those the version was added with")
    for name, array in outputs.items():
        same = _same_messages if name == MESSAGE and array.dtype.kind == "O" else _same
        if not same(array, golden[name]):
            raise ModelFailed(f"output {name} of the example is not what it was when added")


def _same_messages(array: Array, golden: list[Any]) -> bool:
    texts = array.tolist()
    try:
        return len(texts) == len(golden) and all(map(alike, texts, golden))
    except ValueError:
        # The output of a table that has this name.
        return False


def _same(array: Array, golden: list[Any]) -> bool:
    if array.dtype.kind != "f":
        return bool(array.tolist() == golden)
    expected = np.asarray(golden, dtype=np.float64)
    return expected.shape == array.shape and np.allclose(
        array.astype(np.float64), expected, rtol=_GOLDEN_TOLERANCE, atol=_GOLDEN_TOLERANCE
    )
