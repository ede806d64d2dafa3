"""The contract of a component, from what its class says and what model.toml adds."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from model.batch import Array
from model.component.answers import PREDICTIONS, Answer
from model.component.asking import require_callable
from model.component.calling import proving
from model.component.cells import datatype_of
from model.component.construction import Component
from model.component.features import find_features
from model.component.messages import MessageModel
from model.component.metadata import Metadata, read_metadata
from model.component.model import ComponentModel, first_answer
from model.contract import Contract
from model.declaration import Declaration, reject
from model.errors import ArtifactRejected, InvalidInput
from model.example import declared_rows, typical_rows
from model.message import kind_of, message_signature
from model.protocol import require_complete
from model.signature import Output


def derive_component(
    files: Mapping[str, bytes], module: str, name: str, version: str, declaration: Declaration
) -> ComponentModel | MessageModel:
    """The model of the class `module`.`module` in these files, its contract proved on its example.

    Args:
        files: verified bytes by path relative to the model's folder, with "/".
        module: "Model", or "package.Model".

    Raises:
        ArtifactRejected: it cannot be constructed, loaded or asked, does not tell its features,
            contradicts model.toml, or gives no table; or no message, where that has [messages].
    """
    component = Component(files, module, declaration.parameters)
    # Before its features: who has to write those down shall have a class that can be asked.
    require_callable(component)
    metadata = _metadata(component)
    if declaration.messages:
        return _of_messages(component, metadata, name, version, declaration)
    features, columns = find_features(component, metadata, declaration)
    if declaration.example_rows:
        rows = declared_rows(declaration.example_rows, features)
    else:
        rows = tuple(typical_rows(features, columns)[:1])
    draft = Contract(
        name,
        version,
        declaration.description or metadata.description,
        features,
        (),
        rows,
        declaration.limits,
        declaration.cost,
    )
    _check_example(draft)
    _, answer = first_answer(component, draft)
    names = component.class_names() or answer.names or metadata.output_names
    contract = dataclasses.replace(draft, outputs=_outputs(answer, names, declaration))
    model = ComponentModel.of(component, contract)
    _prove(component, model)
    return model


def _of_messages(
    component: Component, metadata: Metadata, name: str, version: str, declaration: Declaration
) -> MessageModel:
    kinds = tuple(dict.fromkeys(kind_of(text) for text in declaration.messages))
    feature, output = message_signature(kinds)
    contract = Contract(
        name,
        version,
        declaration.description or metadata.description,
        (feature,),
        (output,),
        tuple((text,) for text in declaration.messages),
        declaration.limits,
        declaration.cost,
        kinds,
    )
    model = MessageModel(component, contract)
    with proving(component):
        model.predict(contract.example_batch)
    return model


def _metadata(component: Component) -> Metadata:
    for hook in ("init_metadata", "metadata"):
        # Seldon's base class has an `init_metadata` that says it is not implemented.
        if (document := component.value(hook)) is not None:
            return read_metadata(document, f"{hook} of {component.name}")
    return Metadata()


def _check_example(contract: Contract) -> None:
    try:
        contract.check(contract.example_batch)
    except InvalidInput as exc:
        fault = exc.faults[0]
        subject = "it" if fault.feature is None else repr(fault.feature)
        reject(f"in the example, {subject} has {fault.found}, expected is {fault.expected}")


def _outputs(
    answer: Answer, names: tuple[str, ...], declaration: Declaration
) -> tuple[Output, ...]:
    unknown = sorted(declaration.outputs.keys() - answer.outputs.keys())
    if unknown:
        reject(f"the model has no output {unknown[0]!r}; it has {', '.join(answer.outputs)}")
    return tuple(
        _output(name, array, names if name == PREDICTIONS else (), declaration)
        for name, array in answer.outputs.items()
    )


def _output(name: str, array: Array, names: tuple[str, ...], declaration: Declaration) -> Output:
    description, unit, declared = declaration.outputs.get(name) or ("", "", None)
    columns = array.shape[1] if array.ndim == 2 else None
    if declared is not None and len(declared) != columns:
        reject(f"output {name!r} has {columns or 'no'} columns, names lists {len(declared)}")
    return Output(
        name,
        datatype_of(array),
        (-1, *array.shape[1:]),
        names=tuple(declared) if declared else names if len(names) == columns else None,
        unit=unit,
        description=description,
    )


def _prove(component: Component, model: ComponentModel) -> None:
    """Let it answer two rows, and a row without what may be missing."""
    contract = model.contract
    first = contract.example[0]
    with proving(component):
        _answer(model, (first, first))
    if not any(feature.nullable for feature in contract.features):
        return
    row = tuple(
        None if feature.nullable else value
        for feature, value in zip(contract.features, first, strict=True)
    )
    try:
        with proving(component):
            _answer(model, (row,))
    except ArtifactRejected as exc:
        raise ArtifactRejected(
            f"model.toml allows missing values (nullable), but {component.name} fails on them."
        ) from exc


def _answer(model: ComponentModel, rows: tuple[tuple[Any, ...], ...]) -> None:
    batch = dataclasses.replace(model.contract, example=rows).example_batch
    require_complete(model.predict(batch), batch.row_count)
