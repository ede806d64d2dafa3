"""model.toml: what people say about a model that its estimator cannot."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from model.errors import ArtifactRejected
from model.signature import Feature

DECLARATION_FILE = "model.toml"

_FEATURE_KEYS = ("name", "description", "unit", "minimum", "maximum", "nullable")

ExampleRow = Sequence[float] | Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Declaration:
    """The content of a model.toml, each part on its own checked; an absent file is the default.

    Rows of `example_rows` are lists in feature order, or tables by feature name. nan, or a name
    that a table leaves out, is a missing value.
    """

    description: str = ""
    features: tuple[Feature, ...] = ()
    example_rows: tuple[ExampleRow, ...] = ()


def parse_declaration(data: bytes) -> Declaration:
    """Read a model.toml.

    Raises:
        ArtifactRejected: not TOML, an unknown key, a wrong type or bounds that exclude each other.
    """
    try:
        document = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ArtifactRejected(f"{DECLARATION_FILE} is not valid TOML: {exc}.") from exc
    _only_keys("the top level", document, ("model", "features", "example"))
    model = _table("[model]", document.get("model", {}), ("description",))
    description = _text("[model] description", model.get("description", ""))
    example = _table("[example]", document.get("example", {}), ("rows",))
    return Declaration(
        description, _features(document.get("features", [])), _rows(example.get("rows", []))
    )


def reject(problem: str) -> NoReturn:
    """Refuse the model because of what its model.toml says."""
    raise ArtifactRejected(f"{DECLARATION_FILE}: {problem}.")


def _features(entries: Any) -> tuple[Feature, ...]:
    if not isinstance(entries, list):
        reject("[[features]] must be a list of tables")
    features = tuple(_feature(index, entry) for index, entry in enumerate(entries))
    seen: set[str] = set()
    for feature in features:
        if feature.name in seen:
            reject(f"feature {feature.name!r} appears twice")
        seen.add(feature.name)
    return features


def _feature(index: int, entry: Any) -> Feature:
    where = f"[[features]] number {index + 1}"
    table = _table(where, entry, _FEATURE_KEYS)
    name = _text(f"{where} name", table.get("name", ""))
    if not name:
        reject(f"{where} has no name")
    where = f"feature {name!r}"
    minimum, maximum = _bounds(where, table)
    return Feature(
        name,
        nullable=_flag(f"nullable of {where}", table.get("nullable", False)),
        minimum=minimum,
        maximum=maximum,
        unit=_text(f"unit of {where}", table.get("unit", "")),
        description=_text(f"description of {where}", table.get("description", "")),
    )


def _bounds(where: str, table: Mapping[str, Any]) -> tuple[float | None, float | None]:
    minimum = _bound(f"minimum of {where}", table.get("minimum"))
    maximum = _bound(f"maximum of {where}", table.get("maximum"))
    if minimum is not None and maximum is not None and minimum > maximum:
        reject(f"the minimum of {where} is above its maximum")
    return minimum, maximum


def _rows(rows: Any) -> tuple[ExampleRow, ...]:
    if not isinstance(rows, list):
        reject("rows of [example] must be a list of rows")
    for row in rows:
        values = row.values() if isinstance(row, dict) else row
        if not isinstance(row, (list, dict)) or not all(map(_is_number, values)):
            reject("each row of [example] must be a list of numbers or a table name = number")
    return tuple(rows)


def _table(where: str, value: Any, allowed: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        reject(f"{where} must be a table")
    _only_keys(where, value, allowed)
    return value


def _only_keys(where: str, table: Mapping[str, Any], allowed: Sequence[str]) -> None:
    unknown = sorted(set(table) - set(allowed))
    if unknown:
        reject(f"unknown key {unknown[0]!r} in {where} (known: {', '.join(allowed)})")


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str):
        reject(f"{where} must be text")
    return value


def _flag(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        reject(f"{where} must be true or false")
    return value


def _bound(where: str, value: Any) -> float | None:
    if value is None:
        return None
    if not _is_number(value) or not math.isfinite(value):
        reject(f"the {where} must be a finite number")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
