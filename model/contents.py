"""The files a version is made of, and which of them is opened."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model.artifact import ARTIFACT_SUFFIXES, ONNX_SUFFIX, is_artifact, read_bytes, sha256_hex
from model.declaration import DECLARATION_FILE, Declaration, parse_declaration
from model.errors import ArtifactRejected
from model.folders import entries
from model.signing import SIGNATURE_FILE
from model.source_files import read_folder


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
    def opened(self) -> bytes:
        """The bytes of the file that is opened."""
        return self.files[self.artifact]

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
    """A module and everything beside it, which its code may read or import.

    Of links only those within the folder are followed: its code would get to read what whoever
    adds it may read, a signing key for instance.
    """
    if not _defines_its_class(module):
        raise ArtifactRejected(
            f"{module.name} has no class {module.stem}; name the class as its file."
        )
    files = read_folder(module.parent)
    files.pop(SIGNATURE_FILE, None)
    return Contents(module.name, files)


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
