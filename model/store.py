"""Versions of models on disk: <directory>/<name>/<version>/ with a manifest that pins each file.

What is active is decided elsewhere, and comes with the digest of the manifest it means.
"""

import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from model.artifact import read_bytes, read_verified
from model.contents import Contents, read_contents
from model.contract import Contract
from model.engines.record import PACKAGES
from model.engines.routed import engines_of
from model.errors import ArtifactRejected, ModelFailed, VersionExists
from model.first_load import FirstLoad, Load, load_here
from model.folders import entries, files_below, rename_durably, replace_durably, write_durably
from model.kinds import open_contents, scan_contents
from model.manifest import (
    MANIFEST_FILE,
    Manifest,
    check_golden,
    check_libraries,
    library_versions,
)
from model.names import is_model_name, is_model_version, require_names
from model.needed_code import packages_of, require_code
from model.protocol import Model
from model.signing import SIGNATURE_FILE, SignaturePolicy, read_signature


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model in memory, and the manifest of the version it is."""

    model: Model
    manifest: Manifest


@dataclass(frozen=True, slots=True, eq=False)
class ProvenVersion:
    """The files of a model that has answered its example, and the manifest they will have."""

    contents: Contents
    manifest: Manifest


class ModelStore:
    """Adds versions to a folder and reads them back, each as it was added or not at all.

    Args:
        now: what `added_at` of a new version says.
        signatures: which versions are opened; by default those unsigned, too.
    """

    def __init__(
        self,
        directory: Path,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        signatures: SignaturePolicy | None = None,
    ) -> None:
        self._directory = directory
        self._now = now
        self._signatures = signatures or SignaturePolicy(None, required=False)

    def add(  # noqa: PLR0913  # Each is a decision of who adds it.
        self,
        source: Path,
        name: str,
        version: str | None,
        added_by: str,
        *,
        trust: bool = False,
        load: Load = load_here,
    ) -> Manifest:
        """Copy a model in as a new version: `prove` it, then `place` it."""
        return self.place(self.prove(source, name, version, added_by, trust=trust, load=load))

    def prove(  # noqa: PLR0913  # Each is a decision of who adds it.
        self,
        source: Path,
        name: str,
        version: str | None,
        added_by: str,
        *,
        trust: bool = False,
        load: Load = load_here,
    ) -> ProvenVersion:
        """Load a model and let it answer its example. Nothing is kept.

        Args:
            source: an artifact, or the folder of one or of a class.
            version: None is the next whole number, from 1.
            trust: whether the operator answers for what the artifact names beyond the list, or
                for the file whose content a remote model sends.
            load: how it is loaded for the first time.

        Raises:
            ArtifactRejected: it cannot be loaded or served.
            VersionExists: versions never change; choose the next one.
        """
        if version is None:
            version = self.next_version(name)
        require_names(name, version)
        if self._folder(name, version).exists():
            raise VersionExists(f"{name} {version} exists already; choose another version.")
        contents = read_contents(source)
        # What a trainer signed is checked before any of it is opened, here as in a worker.
        signature = read_signature(source if source.is_dir() else source.parent)
        self._signatures.check(signature, contents.digests)
        found = scan_contents(contents)
        trusted = () if found is None else found.unlisted
        require_code(contents.artifact, trusted)
        if not trust:
            _refuse_unanswered(contents, trusted)
        loaded = load(contents, name, version, trusted)
        if loaded.engines is not None:
            # What was made of it is pinned like what was brought.
            contents = replace(contents, files={**contents.files, **loaded.engines.files})
        packages = [] if found is None else packages_of(found.globals)
        return ProvenVersion(
            contents, self._describe(contents, loaded, trusted, packages, added_by)
        )

    def place(self, proven: ProvenVersion) -> Manifest:
        """Keep a proven version. It appears complete, or after a crash not at all.

        Raises:
            VersionExists: somebody added one of the same name and number meanwhile.
        """
        manifest = proven.manifest
        files = {**proven.contents.files, MANIFEST_FILE: manifest.to_bytes()}
        self._place(manifest.name, manifest.version, files)
        return manifest

    def next_version(self, name: str, taken: Collection[str] = ()) -> str:
        """The whole number after the greatest one there is here, or that is taken elsewhere."""
        versions = {*self.versions(name), *taken}
        numbers = [int(version) for version in versions if version.isdecimal()]
        return str(max(numbers, default=0) + 1)

    def load(self, name: str, version: str, manifest_digest: str) -> LoadedModel:
        """Bring one version into memory, after all of its bytes are known to be the right ones.

        Raises:
            ArtifactRejected: something differs from what was added, or cannot be used here.
        """
        manifest, contents = self.read(name, version, manifest_digest)
        check_libraries(manifest.libraries)
        files = Contents(manifest.artifact, contents)
        contract = Contract.from_json(manifest.contract)
        model = open_contents(files, contract, manifest.trusted, manifest.engines)
        # An engine that is away must not keep a version from coming into service.
        if not files.is_remote:
            _check_example(model, manifest)
        return LoadedModel(model, manifest)

    def read(
        self, name: str, version: str, manifest_digest: str
    ) -> tuple[Manifest, dict[str, bytes]]:
        """The manifest and the files of a version, known to be the right ones. Opens none.

        Raises:
            ArtifactRejected: something differs from what was added, or is not signed as it must.
        """
        require_names(name, version)
        folder = self._folder(name, version)
        manifest = Manifest.from_bytes(read_verified(folder / MANIFEST_FILE, manifest_digest))
        if (manifest.name, manifest.version) != (name, version):
            raise ArtifactRejected(f"The manifest is that of {manifest.name} {manifest.version}.")
        _check_files(folder, manifest)
        self._signatures.check(
            read_signature(folder), {MANIFEST_FILE: manifest_digest, **manifest.files}
        )
        contents = {
            filename: read_verified(folder / filename, digest)
            for filename, digest in manifest.files.items()
        }
        return manifest, contents

    def place_signature(self, name: str, version: str, signature: bytes) -> None:
        """Keep a signature with its version, in the place of an earlier one."""
        require_names(name, version)
        unfinished = Path(tempfile.mkdtemp(prefix=".signing-", dir=self._directory))
        try:
            write_durably(unfinished, {SIGNATURE_FILE: signature})
            target = self._folder(name, version) / SIGNATURE_FILE
            replace_durably(unfinished / SIGNATURE_FILE, target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def manifest(self, name: str, version: str) -> Manifest:
        """What was recorded when the version was added."""
        require_names(name, version)
        return Manifest.from_bytes(read_bytes(self._folder(name, version) / MANIFEST_FILE))

    def names(self) -> list[str]:
        """The models with at least one version."""
        return [n for n in entries(self._directory) if is_model_name(n) and self.versions(n)]

    def versions(self, name: str) -> list[str]:
        """The versions of a model, the one added last at the end."""
        if not is_model_name(name):
            return []
        versions = filter(is_model_version, entries(self._directory / name))
        return sorted(versions, key=lambda version: (self._added_at(name, version), version))

    def _added_at(self, name: str, version: str) -> str:
        try:
            return self.manifest(name, version).added_at
        except ArtifactRejected:
            return ""

    def _folder(self, name: str, version: str) -> Path:
        return self._directory / name / version

    def _describe(
        self,
        contents: Contents,
        loaded: FirstLoad,
        trusted: Sequence[str],
        packages: Sequence[str],
        added_by: str,
    ) -> Manifest:
        engines = None if loaded.engines is None else loaded.engines.record
        compiled = () if engines is None else engines.engines
        packages = [*packages, *(PACKAGES[engine] for engine in compiled if engine in PACKAGES)]
        return Manifest(
            name=loaded.contract.model_name,
            version=loaded.contract.model_version,
            artifact=contents.artifact,
            files=contents.digests,
            libraries=library_versions(packages),
            golden=loaded.golden,
            contract=loaded.contract.to_json(),
            trusted=list(trusted),
            protections=list(loaded.protections),
            added_at=self._now().isoformat(timespec="microseconds").replace("+00:00", "Z"),
            added_by=added_by,
            engine=None if engines is None else engines.to_json(),
        )

    def _place(self, name: str, version: str, contents: Mapping[str, bytes]) -> None:
        parent = self._directory / name
        parent.mkdir(parents=True, exist_ok=True)
        # No model's name begins with a dot, so what a crash leaves behind is never taken for one.
        unfinished = Path(tempfile.mkdtemp(prefix=".adding-", dir=self._directory))
        try:
            write_durably(unfinished, contents)
            rename_durably(unfinished, parent / version)
        except FileExistsError as exc:
            raise VersionExists(f"{name} {version} was added by someone else just now.") from exc
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _refuse_unanswered(contents: Contents, unlisted: Sequence[str]) -> None:
    """Raise ArtifactRejected where only an operator can say that it may be opened."""
    if unlisted:
        named = ", ".join(unlisted[:5])
        raise ArtifactRejected(
            f"{contents.artifact} names {named}, which no known estimator needs;"
            " look at it, and add it with --trust if you answer for it."
        )
    remote = contents.declaration.remote if contents.is_remote else None
    if remote is not None and remote.token_file:
        # Whoever wrote it may have meant a file of ours, and a server of theirs.
        raise ArtifactRejected(
            f"model.toml sends what is in {remote.token_file} to {remote.url};"
            " look at both, and add it with --trust if you answer for them."
        )


def _check_example(model: Model, manifest: Manifest) -> None:
    try:
        for _, engine in engines_of(model):
            check_golden(manifest.golden, engine.predict(model.contract.example_batch))
    except Exception as exc:
        detail = str(exc) if isinstance(exc, ModelFailed) else type(exc).__name__
        raise ArtifactRejected(f"The model does not answer its example ({detail}).") from exc


def _check_files(folder: Path, manifest: Manifest) -> None:
    """The folder must hold what was added and nothing else; so no listed path leaves it either."""
    present, listed = set(files_below(folder)) - {SIGNATURE_FILE}, {*manifest.files, MANIFEST_FILE}
    for filename in sorted(present - listed):
        raise ArtifactRejected(f"The version's folder has a file nobody added: {filename!r}.")
    for filename in sorted(listed - present):
        raise ArtifactRejected(
            f"The version's folder has lost {filename!r}; put the original back."
        )
