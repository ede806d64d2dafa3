"""A class of Seldon's convention as a model."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from model.batch import Array, Batch
from model.component.answers import Answer
from model.component.asides import Asides
from model.component.asking import Ask, ask_rows_by, choose, rows_of
from model.component.calling import answered, proving
from model.component.cells import to_datatype
from model.component.construction import Component
from model.contract import Contract
from model.errors import ModelFailed
from model.protocol import TaggedOutputs


class ComponentModel:
    """Serves an instance of a user's class. Calls each of its hooks at most once for a call."""

    contract: Contract

    def __init__(
        self,
        files: Mapping[str, bytes],
        module: str,
        contract: Contract,
        parameters: Mapping[str, Any],
    ) -> None:
        """Construct and load the class `module`.`module` of these verified files.

        The example is answered once here, so that what the class loads lazily is loaded, too.

        Raises:
            ArtifactRejected: it cannot be constructed, loaded, or asked.
        """
        self._settle(Component(files, module, parameters), contract)

    @classmethod
    def of(cls, component: Component, contract: Contract) -> "ComponentModel":
        """The model of a component that is loaded already."""
        model = cls.__new__(cls)
        model._settle(component, contract)
        return model

    def predict(self, batch: Batch) -> TaggedOutputs:
        """One array for each output of the contract, with the tags and metrics of this answer.

        Raises:
            Refused: the class will not answer, and says why to its caller.
            ModelFailed: the answer is no table, not the one promised, or its extras are wrong.
            Exception: whatever else the class raises.
        """
        answer = answered(self._component, self._ask, rows_of(batch), self._names)
        outputs = self._promised(answer)
        asides = self._asides
        return TaggedOutputs(outputs, asides.tags(answer.tags), asides.metrics(answer.metrics))

    def health_status(self) -> Mapping[str, Any] | None:
        """What the class says of its health, as a payload. Raises: whatever it raises."""
        return self._asides.health()

    def send_feedback(self, batch: Batch, reward: float, truth: Sequence[Any] | None) -> None:
        """Tell the class, if it wants to know, what became of these rows.

        Raises: as `predict`.
        """
        if self._asides.want_feedback:
            known = None if truth is None else np.asarray(truth)
            self._asides.send_feedback(rows_of(batch), list(self._names), reward, known)

    def _settle(self, component: Component, contract: Contract) -> None:
        self._component = component
        self.contract = contract
        self._names = list(contract.feature_names)
        self._asides = Asides(component)
        self._ask, _ = first_answer(component, contract)

    def _promised(self, answer: Answer) -> dict[str, Array]:
        outputs = self.contract.outputs
        if outputs and answer.outputs.keys() != {output.name for output in outputs}:
            raise ModelFailed("its answer has other outputs than the contract")
        for output in outputs:
            if answer.outputs[output.name].shape[1:] != output.shape[1:]:
                raise ModelFailed(f"{output.name} has another shape than the contract")
        datatypes = {output.name: output.datatype for output in outputs}
        return {
            name: to_datatype(array, datatypes.get(name), name)
            for name, array in answer.outputs.items()
        }


def first_answer(component: Component, contract: Contract) -> tuple[Ask, Answer]:
    """The hook that answers the contract's example, and its answer.

    Raises: ArtifactRejected.
    """
    with proving(component):
        rows = rows_of(contract.example_batch)
        return choose(component, ask_rows_by, rows, list(contract.feature_names))
