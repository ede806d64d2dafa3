"""What a class says beside its answers, and what it is told of them; all of it optional."""

from collections.abc import Mapping
from typing import Any

from model.batch import Array
from model.component.calling import optional, raise_refusal
from model.component.construction import Component
from model.component.extras import check_metrics, check_tags
from model.component.hooks import FEEDBACK, NOTHING
from model.component.message_answers import read_reply
from model.component.raised import is_not_implemented
from model.errors import ModelFailed


class Asides:
    """The hooks `tags`, `metrics`, `health_status` and `send_feedback` of a component."""

    def __init__(self, component: Component) -> None:
        """Raises: ArtifactRejected, where one of them cannot be called."""
        self._tags = component.hook("tags", NOTHING)
        self._metrics = component.hook("metrics", NOTHING)
        self._feedback = component.hook("send_feedback", FEEDBACK)
        self._health = component.hook("health_status", NOTHING)

    def tags(self, in_answer: Any) -> dict[str, Any]:
        """What `tags` says after an answer, and what the answer said itself, which wins.

        Raises: ModelFailed, where these are no tags; whatever the hook raises.
        """
        return check_tags(optional(self._tags)) | check_tags(in_answer)

    def metrics(self, in_answer: Any) -> list[dict[str, Any]]:
        """What `metrics` says after an answer, then what the answer said itself.

        Raises: ModelFailed, where these are no metrics; whatever the hook raises.
        """
        return check_metrics(optional(self._metrics)) + check_metrics(in_answer)

    def health(self) -> Mapping[str, Any] | None:
        """The payload of `health_status`; None where it is not there, or answers no payload.

        Raises: ModelFailed, where it says False or ends the process; whatever the hook raises.
        """
        try:
            said = optional(self._health)
        except SystemExit as exc:
            raise ModelFailed("health_status ends the process") from exc
        if said is False:
            raise ModelFailed("health_status says False")
        try:
            return read_reply(said, ()).payload
        except ModelFailed:
            # That it returned is what counts.
            return None

    @property
    def want_feedback(self) -> bool:
        return self._feedback is not None

    def send_feedback(
        self, features: Any, names: list[str], reward: float, truth: Array | None
    ) -> None:
        """Tell the class, if it wants to know, how good its answer to these features was.

        Raises: Refused, where the class says why to its caller; whatever else it raises.
        """
        try:
            if self._feedback is not None:
                self._feedback(features, names, reward, truth, None)
        except Exception as exc:
            if not is_not_implemented(exc):
                raise_refusal(exc)
                raise
