"""Seldon's Feedback: a request that was answered, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import simdjson

from gateway.dialects.native_feedback import read_reward, read_truth
from gateway.dialects.seldon_message import Reader
from gateway.dialects.seldon_meta import Meta
from gateway.errors import BadRequest
from gateway.wire.json_document import JsonDocument
from gateway.wire.tensor_proto import from_tensor_proto
from model import Batch

_MEMBERS = frozenset({"request", "response", "reward", "truth"})
_SHAPE = 'Send {"request": message, "reward": number, "truth": message}; one of the last two.'


@dataclass(frozen=True, slots=True, eq=False)
class Feedback:
    """`truth` has an entry for each row, or is None; `meta` is that of the request."""

    batch: Batch
    reward: float
    truth: Sequence[Any] | None
    meta: Meta


def read_feedback(document: JsonDocument, reader: Reader) -> Feedback:
    """The feedback in a document; its `response` is not looked at.

    Raises: BadRequest; InvalidInput (the model's), for rows that do not keep the contract.
    """
    members = document.member_names()
    if members is None or not set(members) <= _MEMBERS or "request" not in members:
        raise BadRequest(f"The feedback has no request, or members unknown here. {_SHAPE}")
    root = document.root()
    reward, truth = root.get("reward"), _truth(root.get("truth"))
    if reward is None and truth is None:
        raise BadRequest(f"The feedback has neither reward nor truth. {_SHAPE}")
    request = reader.read(document.part("request", arrays_beside=0), whole=False)
    batch = request.batch
    if truth is not None and len(truth) != batch.row_count:
        raise BadRequest(f"truth has {len(truth)} rows for {batch.row_count} of the request.")
    return Feedback(batch, 0.0 if reward is None else read_reward(reward), truth, request.meta)


def _truth(message: Any) -> Sequence[Any] | None:
    if message is not None and not isinstance(message, simdjson.Object):
        raise BadRequest("truth is no message.")
    data = None if message is None else message.get("data")
    if data is None:
        return None
    rows = _rows(data.as_dict()) if isinstance(data, simdjson.Object) else None
    if not isinstance(rows, list):
        raise BadRequest("truth has no data with ndarray, tensor or tftensor.")
    return read_truth([row[0] if isinstance(row, list) and len(row) == 1 else row for row in rows])


def _rows(data: dict[str, Any]) -> Any:
    if "tftensor" in data:
        return from_tensor_proto(data["tftensor"]).tolist()
    if "tensor" not in data:
        return data.get("ndarray")
    try:
        return np.reshape(data["tensor"]["values"], data["tensor"]["shape"]).tolist()
    except (TypeError, KeyError, ValueError, OverflowError) as exc:
        raise BadRequest("The tensor of truth does not have the shape it names.") from exc
