"""Reading JSON that this package wrote itself: anything unexpected means that it was damaged."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from model.errors import ArtifactRejected

_T = TypeVar("_T")

_MOST = sys.float_info.max


def damaged(problem: str) -> NoReturn:
    """Refuse the version, as what it promises cannot be read."""
    raise ArtifactRejected(
        f"The contract of this version is damaged ({problem}): add the model again."
    )


def members(where: str, value: Any, names: Sequence[str]) -> dict[str, Any]:
    """An object with exactly these members."""
    if not isinstance(value, dict) or set(value) != set(names):
        damaged(f"{where} has other members than expected")
    return value


def listed(where: str, value: Any) -> list[Any]:
    """A list. This and the following refuse the version as `damaged` does, saying where."""
    if not isinstance(value, list):
        damaged(f"{where} is no list")
    return value


def text(where: str, value: Any) -> str:
    if not isinstance(value, str):
        damaged(f"{where} is no text")
    return value


def flag(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        damaged(f"{where} is neither true nor false")
    return value


def whole_number(where: str, value: Any) -> int:
    if type(value) is not int:
        damaged(f"{where} is no whole number")
    return value


def finite_number(where: str, value: Any) -> float:
    """A number that a double can hold; true and false are none."""
    # A whole number stays one, so that what was written comes back exactly.
    if type(value) not in {int, float} or not abs(value) <= _MOST:
        damaged(f"{where} is no finite number")
    number: float = value
    return number


def optional(read: Callable[[str, Any], _T], where: str, value: Any) -> _T | None:
    """What `read` makes of the value; None stays None."""
    return None if value is None else read(where, value)
