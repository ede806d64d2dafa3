"""The columns a model takes and the arrays it gives."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Feature:
    """One input column. `minimum` and `maximum` are inclusive; None is no bound."""

    name: str
    datatype: str = "FP64"
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """One named output array. In `shape`, -1 is the number of rows.

    `datatype` is a word of the Open Inference Protocol (FP64, INT64, BOOL, BYTES for text).
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    classes: tuple[Any, ...] | None = None
