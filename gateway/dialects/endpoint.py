"""What a dialect is: the paths of a published protocol, and its shapes of request, reply and error.

A dialect knows no bytes of the wire and nothing of Flask. What an endpoint may use is its `Call`.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.dialects.operation import Body, Describe
from gateway.errors import Problem
from gateway.wire.formats.format import Format
from gateway.wire.json_document import JsonDocument
from gateway.wire.table import Table
from model import Batch, Contract, Prediction, ServedModel


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, ready to be sent."""

    body: bytes | Iterable[bytes]
    content_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Call(Protocol):
    """One authenticated, authorized request, as an endpoint sees it."""

    @property
    def args(self) -> Mapping[str, str]:
        """The variable parts of the path."""

    @property
    def request_id(self) -> str: ...

    @property
    def content_type(self) -> str:
        """As sent; empty where it was not."""

    @property
    def ready(self) -> bool:
        """Whether this worker can serve."""

    @property
    def max_rows(self) -> int | None:
        """What the caller's plan allows in one call."""

    def header(self, name: str) -> str:
        """A request header, empty where there is none."""

    def query(self, name: str) -> str:
        """A parameter of the URL's query, empty where there is none."""

    def body(self) -> bytes:
        """The body, without its content coding; empty where there is none.

        Raises: BodyTooLarge, CorruptBody, UnsupportedEncoding, BadRequest.
        """

    def parse_json(self, body: bytes) -> JsonDocument:
        """Strict JSON within the caps. Raises: InvalidJson, JsonTooDeep, JsonTooLarge."""

    def batch(self, model: ServedModel) -> Batch:
        """The rows in the body, in whichever format its Content-Type names; JSON in our own shapes.

        What the answer will be is chosen here as well, so that nothing is charged in vain.

        Raises: UnsupportedMediaType, NotAcceptable, EmptyBody, InvalidBody and what `body` and
            `parse_json` raise; InvalidInput (the model's).
        """

    def read(
        self,
        known: Format,
        body: bytes,
        contract: Contract,
        parameters: Mapping[str, str] = ...,
    ) -> Batch:
        """The rows in bytes of a given format, such as `FORMATS["csv"]`.

        Args:
            parameters: as a Content-Type could have, such as `{"header": "absent"}` for CSV.

        Raises: as `batch`.
        """

    def reply(self, model: ServedModel, prediction: Prediction) -> Reply:
        """The answer in the format that Accept likes most; JSON in our own shape."""

    def write(self, table: Table) -> Reply:
        """Any table in that format."""

    def model_names(self) -> list[str]:
        """The models that the caller may use."""

    def ready_version(self, model_name: str) -> str | None:
        """The version of a model that answers here; None where none does."""

    def model(self) -> ServedModel:
        """The model that the path names, in the version it names; or the default model.

        Raises: UnknownModel, UnknownVersion, ModelNotReady (all of them the model's).
        """

    def predict(self, model: ServedModel, batch: Batch) -> Prediction:
        """Check the batch, charge the call, ask the model within the request's time.

        Raises: InvalidInput (the model's), RateLimited, DeadlineExceeded, Overloaded, ModelFailed.
        """

    def health_status(self, model: ServedModel) -> Mapping[str, Any] | None:
        """What the model's own code says of how it is, as a payload of Seldon's; None for nothing.

        Raises: RateLimited, Overloaded, ModelUnavailable; ModelUnwell (the model's).
        """

    def take_feedback(
        self, model: ServedModel, batch: Batch, reward: float, truth: Sequence[Any] | None
    ) -> None:
        """Check the batch, charge one request, log what became of it, and tell the model.

        Raises: as `predict`.
        """

    def statistics(self, model_name: str) -> Mapping[str, Mapping[str, float]]:
        """Sums of what the caller, or for an administrator everybody, asked; by version.

        Raises: ModelUnavailable, where they cannot be read.
        """

    def note(self, **facts: object) -> None:
        """Add facts to the request's log event."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation of a protocol.

    Args:
        rules: its paths, in Werkzeug's form; `<model_name:model_name>` and `<version>` are the
            model's. HEAD and OPTIONS come by themselves.
        needs: PUBLIC, ANY_TOKEN, or the verb that the token must allow on the model.
        takes_rows: whether it predicts, so that the limits of rows apply.
        operation: what partners read of it.
        aliases: further paths at which it is the same; the document does not repeat it there.
    """

    name: str
    rules: tuple[str, ...]
    method: str
    needs: str
    answer: Callable[[Call], Reply]
    takes_rows: bool = False
    operation: Describe = field(kw_only=True)
    aliases: tuple[str, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True, slots=True)
class Dialect:
    """A published protocol.

    Args:
        paths: which request paths speak it, also those that lead nowhere.
        problem: the body and its content type that say a problem in the protocol's own shape,
            given the problem and the request id.
        error: what partners read of that body.
        token_header: a header that its clients send their token in, besides Authorization.
    """

    name: str
    paths: re.Pattern[str]
    endpoints: tuple[Endpoint, ...]
    problem: Callable[[Problem, str], tuple[bytes, str]]
    error: Body
    token_header: str = ""
