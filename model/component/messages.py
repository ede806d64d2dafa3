"""A class of Seldon's convention that answers messages: text, bytes, or any JSON."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from model.batch import Batch
from model.component.asides import Asides
from model.component.asking import choose
from model.component.calling import answered, proving
from model.component.construction import Component
from model.component.hooks import MESSAGE, ROWS
from model.component.message_answers import Reply, read_raw_reply, read_reply
from model.contract import Contract
from model.message import MESSAGE as COLUMN
from model.message import Message, message_text, read_message
from model.protocol import TaggedOutputs

_Ask = Callable[[Message], Reply]


class MessageModel:
    """Serves an instance of a user's class. Calls each of its hooks at most once for a message."""

    def __init__(self, component: Component, contract: Contract) -> None:
        """The example is answered once here, so that what the class loads lazily is loaded, too.

        Raises: ArtifactRejected, where it is not.
        """
        self.contract = contract
        self._component = component
        self._asides = Asides(component)
        self._class_names = component.class_names()
        with proving(component):
            first = self._messages(contract.example_batch)[0]
            self._ask, _ = choose(component, self._ask_by, first)

    def predict(self, batch: Batch) -> TaggedOutputs:
        """A message for each message, in one output; their tags and metrics together.

        Raises:
            Refused: one of them is no message of its kinds; or the class says why to its caller.
            ModelFailed: an answer is no message, or its extras are wrong.
            Exception: whatever else the class raises.
        """
        texts: list[str] = []
        tags: dict[str, Any] = {}
        metrics: list[dict[str, Any]] = []
        for message in self._messages(batch):
            reply = answered(self._component, self._ask, message)
            texts.append(message_text(reply.payload))
            tags |= self._asides.tags(reply.tags)
            metrics += self._asides.metrics(reply.metrics)
        return TaggedOutputs({COLUMN: np.array(texts, dtype=np.object_)}, tags, metrics)

    def health_status(self) -> Mapping[str, Any] | None:
        """What the class says of its health, as a payload. Raises: whatever it raises."""
        return self._asides.health()

    def send_feedback(self, batch: Batch, reward: float, truth: Sequence[Any] | None) -> None:
        """Tell the class, if it wants to know, what became of these messages.

        Raises: as `predict`.
        """
        if not self._asides.want_feedback:
            return
        for at, message in enumerate(self._messages(batch)):
            known = None if truth is None else np.asarray(truth[at : at + 1])
            self._asides.send_feedback(message.value, [], reward, known)

    def _messages(self, batch: Batch) -> list[Message]:
        """All are read before the first is answered."""
        [column] = batch.feature_columns()
        return [read_message(str(text), self.contract.messages) for text in column]

    def _ask_by(self, component: Component, name: str) -> _Ask | None:
        if name == "predict_raw":
            raw = component.hook(name, MESSAGE)
            return None if raw is None else lambda asked: read_raw_reply(raw(asked.as_dict()))
        hook = component.hook(name, ROWS)
        if hook is None:
            return None
        return lambda asked: read_reply(hook(asked.value, [], dict(asked.meta)), self._class_names)
