"""The files a version is made of, and the model they make."""

import importlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.artifact import (
    ARTIFACT_SUFFIXES,
    ONNX_SUFFIX,
    is_artifact,
    load_estimator,
    read_bytes,
    scan,
    sha256_hex,
)
from model.component import open_component
from model.contract import Contract
from model.declaration import DECLARATION_FILE, Declaration, parse_declaration, reject
from model.engines.opening import open_engines
from model.engines.record import EngineRecord
from model.errors import ArtifactRejected
from model.folders import entries, files_below
from model.protocol import Model
from model.remote import RemoteModel
from model.signing import SIGNATURE_FILE

if TYPE_CHECKING:
    from model.pickles import Scan

_MOST_FILES = 1_000
_MOST_BYTES = 4 << 30
_NOT_TAKEN = re.compile(r"(^|/)(\.|__pycache__/)")


@dataclass(frozen=True, slots=True)
class Contents:
    """The files of a version by their path, and the one that is opened.

    `artifact` is a saved estimator, the module of a class (`Model.py`), or a model.toml that
    names a remote engine.
    """

    artifact: str
    files: Mapping[str, bytes]

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of each file, in hex."""
        return {filename: sha256_hex(data) for filename, data in self.files.items()}

    @property
    def declaration(self) -> Declaration:
        return parse_declaration(self.files.get(DECLARATION_FILE, b""))

    @property
    def is_component(self) -> bool:
        return self.artifact.endswith(".py")

    @property
    def is_onnx(self) -> bool:
        return self.artifact.lower().endswith(ONNX_SUFFIX)

    @property
    def is_remote(self) -> bool:
        return self.artifact == DECLARATION_FILE


def read_contents(source: Path) -> Contents:
    """The files that make a model: an artifact, the folder of a class, or a [remote] model.toml.

    Raises: ArtifactRejected, where there is no such thing, or more than one.
    """
    if source.is_file() and source.suffix == ".py":
        return _component(source)
    classes = [] if source.is_file() else _classes_in(source)
    if len(classes) > 1:
        named = ", ".join(path.name for path in classes)
        raise ArtifactRejected(
            f"{source.name} has several classes ({named}); name the file itself."
        )
    if classes:
        return _component(classes[0])
    return _artifact_or_remote(source)


def scan_contents(contents: Contents) -> "Scan | None":
    """What a saved estimator names, and what of it is beyond the list; None for other models.

    Nothing of it is executed.

    Raises: ArtifactRejected, where it cannot be read.
    """
    if contents.is_component or contents.is_remote or contents.is_onnx:
        return None
    return scan(contents.files[contents.artifact], contents.artifact)


def derive_contents(
    contents: Contents, name: str, version: str, trusted: Collection[str] = ()
) -> Model:
    """The model that these files make, its contract derived and proved on its example.

    Runs the code of a class, and what the operator has answered for (`trusted`).

    Raises:
        ArtifactRejected: it cannot be loaded or served, or contradicts its model.toml.
    """
    # The description is read first: it costs nothing, and it runs nothing.
    declaration = contents.declaration
    if contents.is_component:
        derive_component = _found("model.component.derivation", "derive_component")
        component: Model = derive_component(
            contents.files, _module(contents), name, version, declaration
        )
        return component
    if declaration.parameters:
        reject(
            "[parameters] are for the constructor of a Model.py; this model has none, so take the"
            " section out"
        )
    if declaration.messages:
        reject("[messages] are for a Model.py; this model has none, so take the section out")
    if contents.is_remote:
        remote: Model = _found("model.remote_derivation", "derive_remote")(
            declaration, name, version
        )
        return remote
    if contents.is_onnx:
        derive_graph = _found("model.onnx_derivation", "derive_graph")
        graph: Model = derive_graph(
            _artifact(contents), contents.artifact, name, version, declaration
        )
        return graph
    estimator = load_estimator(_artifact(contents), contents.artifact, trusted)
    try:
        model: Model = _found("model.derivation", "derive_model")(
            estimator, name, version, declaration
        )
        return model
    except ArtifactRejected:
        raise
    except Exception as exc:
        raise ArtifactRejected(
            f"{contents.artifact} cannot be served ({type(exc).__name__})."
        ) from exc


def open_contents(
    contents: Contents,
    contract: Contract,
    trusted: Collection[str] = (),
    engines: EngineRecord | None = None,
) -> Model:
    """The model of files that were added before, with the contract and the engines it had then.

    Raises: ArtifactRejected.
    """
    declaration = contents.declaration
    if contents.is_component:
        parameters = declaration.parameters
        return open_component(contents.files, _module(contents), contract, parameters)
    if contents.is_remote:
        if declaration.remote is None:
            raise ArtifactRejected(f"{DECLARATION_FILE} names no remote engine.")
        return RemoteModel(declaration.remote, contract)
    original = partial(_open_original, contents, contract, trusted)
    return (
        original() if engines is None else open_engines(engines, contents.files, contract, original)
    )


def _open_original(contents: Contents, contract: Contract, trusted: Collection[str]) -> Model:
    if contents.is_onnx:
        open_graph: Model = _found("model.onnx_derivation", "open_graph")(
            _artifact(contents), contents.artifact, contract
        )
        return open_graph
    estimator = load_estimator(_artifact(contents), contents.artifact, trusted)
    try:
        model: Model = _found("model.estimator", "EstimatorModel")(estimator, contract)
        return model
    except ArtifactRejected:
        raise
    except Exception as exc:
        raise ArtifactRejected(
            f"{contents.artifact} cannot be served ({type(exc).__name__})."
        ) from exc


def _found(module: str, name: str) -> Any:
    """What needs a library of its own is imported when a model needs it: see `artifact`."""
    return getattr(importlib.import_module(module), name)


def _artifact(contents: Contents) -> bytes:
    return contents.files[contents.artifact]


def _module(contents: Contents) -> str:
    return contents.artifact.removesuffix(".py")


def _classes_in(folder: Path) -> list[Path]:
    """The modules of a folder that define a class of their own name; Model.py before all."""
    modules = [folder / entry for entry in entries(folder) if entry.endswith(".py")]
    found = [path for path in modules if _defines_its_class(path)]
    if any(path.name == "Model.py" for path in modules):
        # Model.py without the class is refused by name, not passed over.
        return [folder / "Model.py"]
    return found


def _defines_its_class(module: Path) -> bool:
    pattern = rf"^class {re.escape(module.stem)}\b".encode()
    return re.search(pattern, read_bytes(module), re.MULTILINE) is not None


def _component(module: Path) -> Contents:
    """A module and everything beside it, which its code may read or import."""
    if not _defines_its_class(module):
        raise ArtifactRejected(
            f"{module.name} has no class {module.stem}; name the class as its file."
        )
    paths = [path for path in files_below(module.parent) if not _NOT_TAKEN.search(path)]
    paths = [path for path in paths if path != SIGNATURE_FILE]
    size = sum((module.parent / path).stat().st_size for path in paths)
    if len(paths) > _MOST_FILES or size > _MOST_BYTES:
        raise ArtifactRejected(
            f"The folder of {module.name} has more than {_MOST_FILES} files or 4 GiB;"
            " move what is not the model's elsewhere."
        )
    return Contents(module.name, {path: read_bytes(module.parent / path) for path in paths})


def _artifact_or_remote(source: Path) -> Contents:
    candidates = [source] if source.is_file() else [source / entry for entry in entries(source)]
    artifacts = [path for path in candidates if is_artifact(path.name)]
    declaration = source if source.name == DECLARATION_FILE else source / DECLARATION_FILE
    if not artifacts and declaration.is_file():
        contents = Contents(DECLARATION_FILE, {DECLARATION_FILE: read_bytes(declaration)})
        if contents.declaration.remote is not None:
            return contents
    if not source.exists():
        raise ArtifactRejected(
            f"There is no {source}; give the path of a saved model, or of its folder."
        )
    if not artifacts:
        what = "is no model file" if source.is_file() else "has no model file"
        raise ArtifactRejected(
            f"{source.name} {what}: a Model.py with class Model, a model.toml with [remote], or one"
            f" of {', '.join(ARTIFACT_SUFFIXES)}."
        )
    if len(artifacts) > 1:
        raise ArtifactRejected(
            f"{source.name} has {len(artifacts)} model files where one is needed; name the file"
            " itself."
        )
    [artifact] = artifacts
    files = {artifact.name: read_bytes(artifact)}
    beside = artifact.with_name(DECLARATION_FILE)
    if beside.exists():
        files[DECLARATION_FILE] = read_bytes(beside)
    return Contents(artifact.name, files)
