"""SeldonMessage: one of several payloads, and a `meta` beside it.

Source: Seldon Core v1, proto/prediction.proto and its wrapper's behaviour.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson

from gateway.dialects.seldon_meta import Meta, read_meta
from gateway.dialects.seldon_rows import rows_of_array, rows_of_list, tensor
from gateway.errors import BadRequest
from gateway.wire.json_document import JsonDocument
from gateway.wire.tensor_proto import from_tensor_proto
from model import Batch, Contract
from model.message import KINDS, is_payload, message_batch

_PAYLOADS = ("data", *KINDS, "customData")
_MEMBERS = frozenset({*_PAYLOADS, "meta", "status"})
_TABLES = ("ndarray", "tensor", "tftensor")
# It is echoed in the answer, and each tag takes a hundred bytes of memory.
MOST_META_BYTES = 1 << 20
# Where the number of other arrays is not known, no array passes as what the fast way takes.
_UNKNOWN = -1
_SHAPES = 'Send {"data": {"names": […], "ndarray": [[…]]}}, or tensor or tftensor in its place.'


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """A message that was read.

    Attributes:
        kind: ndarray, tensor or tftensor; or strData, binData or jsonData.
        batch: the rows of the table; or, for a model of messages, the message as its one row.
    """

    kind: str
    meta: Meta
    batch: Batch


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the messages of one call.

    Args:
        puid, request_id: as for `read_meta`.
        max_rows: what the caller's plan allows.
    """

    contract: Contract
    puid: str
    request_id: str
    max_rows: int | None

    def read(self, document: JsonDocument, *, whole: bool = True) -> Message:
        """The message in a document.

        Args:
            whole: whether the document is all of the body, and its arrays can be counted there, so
                that the fast way is open.

        Raises:
            BadRequest: no such message; says what is wrong.
            InvalidInput (the model's): rows that do not keep the contract.
        """
        names = document.member_names()
        if names is None:
            raise BadRequest(f"The message is no object. {_SHAPES}")
        unknown = sorted(set(names) - _MEMBERS)
        if unknown:
            raise BadRequest(f"A SeldonMessage has no member {unknown[0][:64]!r}. {_SHAPES}")
        # null stands for a member that is not there, as in all of protobuf's JSON.
        given = [name for name in names if name in _PAYLOADS and document.has(name)]
        if len(given) != 1:
            raise BadRequest(f"A message has one of {', '.join(_PAYLOADS)}. {_SHAPES}")
        meta = document.aside("meta", MOST_META_BYTES) if "meta" in names else None
        said = read_meta(meta, self.puid, self.request_id)
        if given[0] == "data":
            if self.contract.messages:
                self._refuse_kind("data")
            kind, batch = self._table(document, _arrays_in(meta) if whole else None)
            return Message(kind, said, batch)
        sent = {**(meta or {}), "puid": said.puid}
        return Message(given[0], said, self._raw(given[0], document.value(given[0]), sent))

    def _raw(self, kind: str, value: Any, meta: Mapping[str, Any]) -> Batch:
        if not self.contract.messages:
            raise BadRequest(f"This model takes data, not {kind}. {_SHAPES}")
        if kind not in self.contract.messages:
            self._refuse_kind(kind)
        if not is_payload(kind, value, self.contract.messages):
            wanted = {"strData": "text", "binData": "text in base64"}.get(kind, "less deep")
            raise BadRequest(f"{kind} must be {wanted}.")
        try:
            return message_batch({kind: value, "meta": meta})
        except TypeError as exc:
            raise BadRequest(f"{kind} or meta has a number that is too large.") from exc

    def _refuse_kind(self, kind: str) -> NoReturn:
        raise BadRequest(f"This model takes {' or '.join(self.contract.messages)}, not {kind}.")

    def _table(self, document: JsonDocument, arrays_in_meta: int | None) -> tuple[str, Batch]:
        data = document.part("data", arrays_beside=_UNKNOWN)
        members = data.member_names()
        if members is None:
            raise BadRequest(f"data is no object. {_SHAPES}")
        kinds = [name for name in members if name in _TABLES and data.has(name)]
        if len(kinds) != 1 or not set(members) <= {"names", *_TABLES}:
            raise BadRequest(f"data has names, and one of {', '.join(_TABLES)}. {_SHAPES}")
        names = _names(data.aside("names")) if "names" in members else []
        if arrays_in_meta is not None:
            beside = arrays_in_meta + (_arrays_in(names) if "names" in members else 0)
        else:
            beside = _UNKNOWN
        data = document.part("data", arrays_beside=beside)
        return kinds[0], self._rows(data, kinds[0], names, beside)

    def _rows(self, data: JsonDocument, kind: str, names: Sequence[str], beside: int) -> Batch:
        if kind == "ndarray":
            return rows_of_list(data, kind, names, self.contract, self.max_rows)
        if not data.is_object(kind):
            raise BadRequest(f"{kind} is no object. {_SHAPES}")
        if kind == "tensor":
            # Its shape is one array more.
            array = tensor(data.part(kind, arrays_beside=beside + 1 if beside >= 0 else beside))
        else:
            array = from_tensor_proto(data.aside(kind))
        return rows_of_array(array, names, self.contract, self.max_rows)


def _names(names: Any) -> list[str]:
    if names is None:
        return []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadRequest("names of data must be an array of texts.")
    return names


def _arrays_in(value: Any) -> int:
    """How many `[` this has in the body, if it was written without escapes there."""
    return 0 if value is None else orjson.dumps(value).count(b"[")
