"""model.toml: what people say about a model that its estimator cannot."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from model.declared_features import declared_features
from model.declared_messages import declared_messages
from model.declared_values import (
    DECLARATION_FILE,
    only_keys,
    positive_number,
    reject,
    table,
    tables,
    text,
)
from model.errors import ArtifactRejected
from model.remote.address import RemoteAddress, parse_remote
from model.signature import CallLimits, Feature

__all__ = ["DECLARATION_FILE", "Declaration", "ExampleRow", "parse_declaration", "reject"]

_SECTIONS = (
    "model",
    "features",
    "outputs",
    "example",
    "parameters",
    "limits",
    "remote",
    "messages",
)
# A message is one feature and one output, and its examples stand beside it.
_NOT_WITH_MESSAGES = ("features", "outputs", "example", "remote")

ExampleRow = Sequence[Any] | Mapping[str, Any]
DeclaredOutput = tuple[str, str, tuple[str, ...] | None]


@dataclass(frozen=True, slots=True)
class Declaration:
    """The content of a model.toml, each part on its own checked; an absent file is the default.

    Attributes:
        features: a datatype of FP64 may be one that was not given.
        example_rows: lists in feature order, or tables by feature name, of numbers, text and true
            or false. nan, or a name that a table leaves out, is a missing value.
        outputs: by name, its description, its unit and the names of its columns or None.
        parameters: what the model's own class is made with, as TOML gives it.
        cost: as in `Contract`.
        remote: the engine that runs the model instead of an artifact.
        messages: examples, as JSON text, where the model's own class takes messages.
    """

    description: str = ""
    features: tuple[Feature, ...] = ()
    example_rows: tuple[ExampleRow, ...] = ()
    outputs: Mapping[str, DeclaredOutput] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    limits: CallLimits = field(default_factory=CallLimits)
    cost: float = 1.0
    remote: RemoteAddress | None = None
    messages: tuple[str, ...] = ()


def parse_declaration(data: bytes) -> Declaration:
    """Read a model.toml.

    Raises:
        ArtifactRejected: not TOML, an unknown key, a wrong type or bounds that exclude each other.
    """
    try:
        document = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ArtifactRejected(f"{DECLARATION_FILE} is not valid TOML: {exc}.") from exc
    only_keys("the top level", document, _SECTIONS)
    model = table("[model]", document.get("model", {}), ("description",))
    example = table("[example]", document.get("example", {}), ("rows",))
    limits = table("[limits]", document.get("limits", {}), ("max_rows", "deadline_s", "cost"))
    parameters = document.get("parameters", {})
    if not isinstance(parameters, dict):
        reject("[parameters] must be a table")
    both = [section for section in _NOT_WITH_MESSAGES if section in document]
    if "messages" in document and both:
        reject(f"a model that takes messages has no {both[0]}; take [messages] or that out")
    return Declaration(
        description=text("[model] description", model.get("description", "")),
        features=declared_features(document.get("features", [])),
        example_rows=_rows(example.get("rows", [])),
        outputs=_outputs(document.get("outputs", [])),
        parameters=parameters,
        limits=_limits(limits),
        cost=positive_number("cost of [limits]", limits.get("cost", 1.0)),
        remote=parse_remote(document["remote"]) if "remote" in document else None,
        messages=declared_messages(document["messages"]) if "messages" in document else (),
    )


def _rows(rows: Any) -> tuple[ExampleRow, ...]:
    if not isinstance(rows, list):
        reject("rows of [example] must be a list of rows")
    for row in rows:
        values = row.values() if isinstance(row, dict) else row
        if not isinstance(row, (list, dict)) or not all(map(_is_cell, values)):
            reject(
                "each row of [example] must be a list of values or a table name = value;"
                " a value is text, a number, true or false"
            )
    return tuple(rows)


def _is_cell(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool))


def _outputs(entries: Any) -> dict[str, DeclaredOutput]:
    outputs: dict[str, DeclaredOutput] = {}
    for number, entry in enumerate(tables("[[outputs]]", entries), start=1):
        where = f"[[outputs]] number {number}"
        facts = table(where, entry, ("name", "description", "unit", "names"))
        name = text(f"{where} name", facts.get("name", ""))
        if not name:
            reject(f"{where} has no name")
        if name in outputs:
            reject(f"output {name!r} appears twice")
        where = f"output {name!r}"
        outputs[name] = (
            text(f"description of {where}", facts.get("description", "")),
            text(f"unit of {where}", facts.get("unit", "")),
            _column_names(where, facts.get("names")),
        )
    return outputs


def _column_names(where: str, value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value:
        reject(f"names of {where} must be a list of text, one for each column")
    names = tuple(text(f"each of the names of {where}", name) for name in value)
    if len(set(names)) < len(names):
        reject(f"names of {where} has a name twice")
    return names


def _limits(limits: Mapping[str, Any]) -> CallLimits:
    max_rows, deadline_s = limits.get("max_rows"), limits.get("deadline_s")
    if max_rows is not None and (type(max_rows) is not int or max_rows < 1):
        reject("max_rows of [limits] must be a whole number of at least 1")
    if deadline_s is not None:
        deadline_s = positive_number("deadline_s of [limits]", deadline_s)
    return CallLimits(max_rows, deadline_s)
