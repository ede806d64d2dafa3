"""The contract of a model on another server, from what that says and model.toml adds."""

import dataclasses
from collections.abc import Mapping
from functools import partial

from model.batch import Array
from model.contract import Contract
from model.declaration import Declaration, reject
from model.draft import draft_contract, first_answered, require_nullable
from model.errors import ArtifactRejected, ModelError, ModelUnavailable
from model.example import example_candidates
from model.outputs import sharpen_outputs
from model.remote.address import RemoteAddress
from model.remote.layout import features_of
from model.remote.model import RemoteEngine, RemoteModel
from model.signature import Output
from model.tensor_data import datatype_of


def derive_remote(declaration: Declaration, name: str, version: str) -> RemoteModel:
    """The model that [remote] names, its contract proved by letting it answer its example.

    Raises:
        ArtifactRejected: the engine is away or lacks the model, takes no rows, contradicts
            model.toml, or fails on the example.
    """
    address = declaration.remote
    if address is None:
        reject("it has no [remote]")
    try:
        features = features_of(RemoteEngine(address).model, declaration.features)
    except ModelError as exc:
        raise ArtifactRejected(_refused(address, exc)) from exc
    draft = draft_contract(name, version, features, declaration)
    examples = example_candidates(declaration.example_rows, features)
    ask = partial(_answer, address)
    contract, answer = first_answered(draft, examples, ask)
    require_nullable(contract, ask)
    derived = [
        Output(name, datatype_of(array), (-1, *array.shape[1:])) for name, array in answer.items()
    ]
    outputs = sharpen_outputs(derived, declaration.outputs)
    return RemoteModel(address, dataclasses.replace(contract, outputs=outputs))


def _refused(address: RemoteAddress, exc: ModelError) -> str:
    where = f"{address.url} for model {address.model!r}"
    remedy = "start it, or correct [remote] in model.toml"
    if not isinstance(exc, ModelUnavailable):
        remedy = "see the engine's own log"
    return f"The engine at {where}: {exc}; {remedy}."


def _answer(address: RemoteAddress, contract: Contract) -> Mapping[str, Array]:
    return RemoteModel(address, contract).predict(contract.example_batch)
