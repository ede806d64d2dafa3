"""The kinds of models there are: how the files of each are looked into, derived and opened.

Each has a folder: `estimator`, `graph`, `component`, `remote`. What needs a library of its own is
imported when a model needs it: see `artifact`.
"""

import importlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from model.artifact import load_estimator, scan
from model.component import open_component
from model.contents import Contents
from model.contract import Contract
from model.declaration import DECLARATION_FILE, Declaration, reject
from model.engines.opening import open_engines
from model.engines.record import EngineRecord
from model.errors import ArtifactRejected
from model.protocol import Model
from model.remote.model import RemoteModel

if TYPE_CHECKING:
    from model.pickles.reading import Scan


def scan_contents(contents: Contents) -> "Scan | None":
    """What a saved estimator names, and what of it is beyond the list; None for other models.

    Nothing of it is executed.

    Raises: ArtifactRejected, where it cannot be read.
    """
    if contents.is_component or contents.is_remote or contents.is_onnx:
        return None
    return scan(contents.opened, contents.artifact)


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
        return derive_component(contents.files, _module(contents), name, version, declaration)
    _refuse_sections_of_classes(declaration)
    if contents.is_remote:
        return _found("model.remote.derivation", "derive_remote")(declaration, name, version)
    artifact = contents.artifact
    if contents.is_onnx:
        derive_graph = _found("model.graph.derivation", "derive_graph")
        return derive_graph(contents.opened, artifact, name, version, declaration)
    estimator = load_estimator(contents.opened, artifact, trusted)
    with _serving(artifact):
        derive_model = _found("model.estimator.derivation", "derive_model")
        return derive_model(estimator, name, version, declaration)


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
        return open_component(contents.files, _module(contents), contract, declaration.parameters)
    if contents.is_remote:
        if declaration.remote is None:
            raise ArtifactRejected(f"{DECLARATION_FILE} names no remote engine.")
        return RemoteModel(declaration.remote, contract)
    original = partial(_open_original, contents, contract, trusted)
    if engines is None:
        return original()
    return open_engines(engines, contents.files, contract, original)


def _open_original(contents: Contents, contract: Contract, trusted: Collection[str]) -> Model:
    if contents.is_onnx:
        open_graph = _found("model.graph.derivation", "open_graph")
        return open_graph(contents.opened, contents.artifact, contract)
    estimator = load_estimator(contents.opened, contents.artifact, trusted)
    with _serving(contents.artifact):
        return _found("model.estimator.model", "EstimatorModel")(estimator, contract)


@contextmanager
def _serving(artifact: str) -> Iterator[None]:
    """Whatever an estimator raises that was looked into means that it cannot be served."""
    try:
        yield
    except ArtifactRejected:
        raise
    except Exception as exc:
        raise ArtifactRejected(f"{artifact} cannot be served ({type(exc).__name__}).") from exc


def _refuse_sections_of_classes(declaration: Declaration) -> None:
    if declaration.parameters:
        reject(
            "[parameters] are for the constructor of a Model.py; this model has none, so take the"
            " section out"
        )
    if declaration.messages:
        reject("[messages] are for a Model.py; this model has none, so take the section out")


def _found(module: str, name: str) -> Callable[..., Model]:
    made: Callable[..., Model] = getattr(importlib.import_module(module), name)
    return made


def _module(contents: Contents) -> str:
    return contents.artifact.removesuffix(".py")
