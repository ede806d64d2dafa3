"""The columns a model takes and the arrays it gives."""

from dataclasses import dataclass
from typing import Any

# What a feature may be, in words of the Open Inference Protocol; BYTES is text.
DATATYPES = ("FP64", "INT64", "BOOL", "BYTES")


@dataclass(frozen=True, slots=True)
class Feature:
    """One input column.

    `datatype` is a word of the Open Inference Protocol: FP64, INT64, BOOL, or BYTES for text.
    `minimum` and `maximum` are inclusive; None is no bound. `categories` are the only values
    accepted; None is any.
    """

    name: str
    datatype: str = "FP64"
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[Any, ...] | None = None
    unit: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """One named output array. In `shape`, -1 is the number of rows.

    `datatype` is a word of the Open Inference Protocol (FP64, INT64, BOOL, BYTES for text).
    `names` are those of the columns of an output of shape (-1, k).
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    classes: tuple[Any, ...] | None = None
    names: tuple[str, ...] | None = None
    unit: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What one call may ask of the model; None leaves it to the caller's plan and the server."""

    max_rows: int | None = None
    deadline_s: float | None = None
