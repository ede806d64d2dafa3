"""The contract of a component, from what its class says and what model.toml adds."""

import dataclasses
from collections.abc import Mapping
from functools import partial

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
from model.declaration import Declaration
from model.draft import check_example, draft_contract, require_nullable
from model.example import example_candidates
from model.message import kind_of, message_signature
from model.outputs import sharpen_outputs
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
    example, *_ = example_candidates(declaration.example_rows, features, columns)
    draft = draft_contract(name, version, features, declaration, metadata.description)
    draft = dataclasses.replace(draft, example=example)
    check_example(draft)
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
    contract = dataclasses.replace(
        draft_contract(name, version, (feature,), declaration, metadata.description),
        outputs=(output,),
        example=tuple((text,) for text in declaration.messages),
        messages=kinds,
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


def _outputs(
    answer: Answer, names: tuple[str, ...], declaration: Declaration
) -> tuple[Output, ...]:
    derived = [
        _output(name, array, names if name == PREDICTIONS else ())
        for name, array in answer.outputs.items()
    ]
    return sharpen_outputs(derived, declaration.outputs)


def _output(name: str, array: Array, names: tuple[str, ...]) -> Output:
    columns = array.shape[1] if array.ndim == 2 else None
    return Output(
        name,
        datatype_of(array),
        (-1, *array.shape[1:]),
        names=names if len(names) == columns else None,
    )


def _prove(component: Component, model: ComponentModel) -> None:
    """Let it answer two rows, and a row without what may be missing."""
    first = model.contract.example[0]
    ask = partial(_answer, component, model)
    ask(dataclasses.replace(model.contract, example=(first, first)))
    require_nullable(model.contract, ask)


def _answer(component: Component, model: ComponentModel, contract: Contract) -> Mapping[str, Array]:
    batch = contract.example_batch
    with proving(component):
        answer = model.predict(batch)
        require_complete(answer, batch.row_count)
    return answer
