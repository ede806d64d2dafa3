"""A class of Seldon's convention that answers messages: text, bytes, or any JSON."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from model.batch import Batch
from model.component.asking import choose
from model.component.calling import optional, proving, raise_refusal
from model.component.construction import Component
from model.component.extras import check_metrics, check_tags
from model.component.health import ask_health
from model.component.hooks import FEEDBACK, MESSAGE, NOTHING, ROWS
from model.component.message_answers import Reply, read_raw_reply, read_reply
from model.component.raised import is_not_implemented
from model.contract import Contract
from model.errors import ModelFailed
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
        self._tags = component.hook("tags", NOTHING)
        self._metrics = component.hook("metrics", NOTHING)
        self._feedback = component.hook("send_feedback", FEEDBACK)
        self._health = component.hook("health_status", NOTHING)
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
            reply = self._asked(message)
            texts.append(message_text(reply.payload))
            tags |= check_tags(optional(self._tags)) | check_tags(reply.tags)
            metrics += check_metrics(optional(self._metrics)) + check_metrics(reply.metrics)
        return TaggedOutputs({COLUMN: np.array(texts, dtype=np.object_)}, tags, metrics)

    def health_status(self) -> Mapping[str, Any] | None:
        """What the class says of its health, as a payload. Raises: whatever it raises."""
        return ask_health(self._health)

    def send_feedback(self, batch: Batch, reward: float, truth: Sequence[Any] | None) -> None:
        """Tell the class, if it wants to know, what became of these messages.

        Raises: as `predict`.
        """
        if self._feedback is None:
            return
        for at, message in enumerate(self._messages(batch)):
            known = None if truth is None else np.asarray(truth[at : at + 1])
            try:
                self._feedback(message.value, [], reward, known, None)
            except Exception as exc:
                if not is_not_implemented(exc):
                    raise_refusal(exc)
                    raise

    def _messages(self, batch: Batch) -> list[Message]:
        """All are read before the first is answered."""
        [column] = batch.feature_columns()
        return [read_message(str(text), self.contract.messages) for text in column]

    def _asked(self, message: Message) -> Reply:
        try:
            return self._ask(message)
        except SystemExit as exc:
            # It would end the worker, and with it the calls of everybody else.
            raise ModelFailed(f"{self._component.name} ends the process") from exc
        except Exception as exc:
            raise_refusal(exc)
            raise

    def _ask_by(self, component: Component, name: str) -> _Ask | None:
        if name == "predict_raw":
            raw = component.hook(name, MESSAGE)
            return None if raw is None else lambda asked: read_raw_reply(raw(asked.as_dict()))
        hook = component.hook(name, ROWS)
        if hook is None:
            return None
        return lambda asked: read_reply(hook(asked.value, [], dict(asked.meta)), self._class_names)
