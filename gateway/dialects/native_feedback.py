"""The gateway's own shape of feedback: the rows that were asked about, and what became of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.errors import BadRequest
from gateway.wire.json_document import JsonDocument
from gateway.wire.json_shapes import batch_from_document
from model import Batch, Contract

_SAID = ("reward", "truth")
_SHAPE = (
    'Send {"data": [[…]], "reward": number, "truth": […]}; one of the last two may be left out.'
)


@dataclass(frozen=True, slots=True, eq=False)
class Feedback:
    """`truth` has an entry for each row: a value, or a list of values. None was not said."""

    batch: Batch
    reward: float
    truth: Sequence[Any] | None


def parse(document: JsonDocument, contract: Contract) -> Feedback:
    """The rows, in the shapes of `gateway.wire.json_shapes`, with "reward" and "truth" beside them.

    Raises:
        BadRequest: neither of the two, or not of the right kind.
        InvalidInput (model's): rows that do not keep the contract.
    """
    names = document.member_names()
    if names is None or not set(_SAID) & set(names):
        document.refuse()
        raise BadRequest(f"The feedback has neither reward nor truth. {_SHAPE}")
    root = document.root()
    reward = read_reward(root["reward"]) if "reward" in names else 0.0
    truth = read_truth(root["truth"]) if "truth" in names else None
    batch = batch_from_document(document, contract, beside=_SAID)
    if truth is not None and len(truth) != batch.row_count:
        raise BadRequest(f"truth has {len(truth)} entries for {batch.row_count} rows.")
    return Feedback(batch, reward, truth)


def read_reward(value: Any) -> float:
    """A finite number. Raises: BadRequest."""
    if type(value) not in {int, float} or not math.isfinite(value):
        raise BadRequest("reward is not a number.")
    return float(value)


def read_truth(value: Any) -> list[Any]:
    """An entry for each row: a value, or a list of them. Raises: BadRequest."""
    truth = value.as_list() if hasattr(value, "as_list") else value
    if not isinstance(truth, list):
        raise BadRequest("truth is not an array with one entry for each row.")
    widths = {len(entry) if isinstance(entry, list) else None for entry in truth}
    cells = [cell for entry in truth for cell in (entry if isinstance(entry, list) else [entry])]
    if len(widths) > 1 or not all(isinstance(cell, (str, int, float)) for cell in cells):
        raise BadRequest("The entries of truth are not all numbers, texts or lists of one length.")
    return truth
