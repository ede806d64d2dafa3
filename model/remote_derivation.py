"""The contract of a model on another server, from what that says and model.toml adds."""

import dataclasses
from collections.abc import Mapping, Sequence

from model.batch import Array
from model.columns import Column
from model.contract import Contract
from model.declaration import Declaration, reject
from model.errors import ArtifactRejected, InvalidInput, ModelError, ModelUnavailable
from model.example import Row, declared_rows, typical_rows
from model.protocol import require_complete
from model.remote import RemoteEngine, RemoteModel
from model.remote_address import RemoteAddress
from model.remote_layout import features_of
from model.signature import Feature, Output
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
    draft = Contract(
        name,
        version,
        declaration.description,
        features,
        (),
        (),
        declaration.limits,
        declaration.cost,
    )
    contract, answer = _first_answered(address, draft, _examples(declaration, features))
    _check_nullable(address, contract)
    outputs = tuple(_output(*item, declaration) for item in answer.items())
    return RemoteModel(address, dataclasses.replace(contract, outputs=outputs))


def _refused(address: RemoteAddress, exc: ModelError) -> str:
    where = f"{address.url} for model {address.model!r}"
    remedy = "start it, or correct [remote] in model.toml"
    if not isinstance(exc, ModelUnavailable):
        remedy = "see the engine's own log"
    return f"The engine at {where}: {exc}; {remedy}."


def _examples(declaration: Declaration, features: Sequence[Feature]) -> list[tuple[Row, ...]]:
    if declaration.example_rows:
        return [declared_rows(declaration.example_rows, features)]
    return [(row,) for row in typical_rows(features, [Column() for _ in features])]


def _first_answered(
    address: RemoteAddress, draft: Contract, examples: Sequence[tuple[Row, ...]]
) -> tuple[Contract, Mapping[str, Array]]:
    """The contract with the first example that the engine answers, and that answer."""
    failure: ModelError | None = None
    for example in examples:
        contract = dataclasses.replace(draft, example=example)
        try:
            return contract, _ask(address, contract)
        except ModelError as exc:
            failure = failure or exc
    raise ArtifactRejected(
        f"The engine fails on the example ({failure}); give another in model.toml, or see the"
        " engine's own log."
    ) from failure


def _ask(address: RemoteAddress, contract: Contract) -> Mapping[str, Array]:
    batch = contract.example_batch
    try:
        contract.check(batch)
    except InvalidInput as exc:
        fault = exc.faults[0]
        subject = "it" if fault.feature is None else repr(fault.feature)
        reject(f"in the example, {subject} has {fault.found}, expected is {fault.expected}")
    answer = RemoteModel(address, contract).predict(batch)
    require_complete(answer, batch.row_count)
    return answer


def _check_nullable(address: RemoteAddress, contract: Contract) -> None:
    """Missing values are promised only if the engine answers a row that misses them all."""
    if not any(feature.nullable for feature in contract.features):
        return
    first = contract.example[0]
    row = tuple(
        None if feature.nullable else value
        for feature, value in zip(contract.features, first, strict=True)
    )
    try:
        _ask(address, dataclasses.replace(contract, example=(row,)))
    except ModelError as exc:
        raise ArtifactRejected(
            f"model.toml allows missing values (nullable), but the engine fails on them ({exc})."
        ) from exc


def _output(name: str, array: Array, declaration: Declaration) -> Output:
    described = declaration.outputs.get(name)
    description, unit, names = described or ("", "", None)
    return Output(
        name,
        datatype_of(array),
        (-1, *array.shape[1:]),
        names=names,
        unit=unit,
        description=description,
    )
