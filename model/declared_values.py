"""Values of model.toml, each read strictly: another kind of value is refused in one sentence."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from model.errors import ArtifactRejected

DECLARATION_FILE = "model.toml"

_MOST = sys.float_info.max


def reject(problem: str) -> NoReturn:
    """Refuse the model because of what its model.toml says."""
    raise ArtifactRejected(f"{DECLARATION_FILE}: {problem}.")


def table(where: str, value: Any, allowed: Sequence[str]) -> dict[str, Any]:
    """A table with no other keys than those."""
    if not isinstance(value, dict):
        reject(f"{where} must be a table")
    only_keys(where, value, allowed)
    return value


def tables(where: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        reject(f"{where} must be a list of tables")
    return value


def only_keys(where: str, value: Mapping[str, Any], allowed: Sequence[str]) -> None:
    unknown = sorted(set(value) - set(allowed))
    if unknown:
        reject(f"unknown key {unknown[0]!r} in {where} (known: {', '.join(allowed)})")


def text(where: str, value: Any) -> str:
    if not isinstance(value, str):
        reject(f"{where} must be text")
    return value


def flag(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        reject(f"{where} must be true or false")
    return value


def finite_number(where: str, value: Any) -> float:
    if not is_number(value) or not abs(value) <= _MOST:
        reject(f"the {where} must be a finite number")
    return float(value)


def positive_number(where: str, value: Any) -> float:
    if not is_number(value) or not 0 < value <= _MOST:
        reject(f"{where} must be a number above 0")
    return float(value)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
