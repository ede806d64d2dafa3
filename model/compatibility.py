"""Whether a new version of a model keeps what its callers rely on."""

from collections.abc import Iterator
from typing import Any

from model.change import Change, unit_changes, word_changes
from model.contract import Contract
from model.feature_changes import feature_changes
from model.signature import Output

__all__ = ["Change", "compare"]


def compare(old: Contract, new: Contract) -> tuple[Change, ...]:
    """Every difference that a caller could see: features, outputs, then the model as a whole."""
    return (
        *feature_changes(old, new),
        *_output_changes(old, new),
        *_message_changes(old, new),
        *_limit_changes(old, new),
        *word_changes("", "the model", old.description, new.description),
    )


def _message_changes(old: Contract, new: Contract) -> Iterator[Change]:
    for kind in sorted({*old.messages} - {*new.messages}):
        yield Change("message_removed", "", True, f"Messages with {kind} are no longer taken.")
    for kind in sorted({*new.messages} - {*old.messages}):
        yield Change("message_added", "", False, f"Messages with {kind} are taken, too.")


def _output_changes(old: Contract, new: Contract) -> Iterator[Change]:
    before = {output.name: output for output in old.outputs}
    after = {output.name: output for output in new.outputs}
    for name, output in before.items():
        if name in after:
            yield from _changes(output, after[name])
        else:
            yield Change("output_removed", name, True, f"Answers have no output {name!r} any more.")
    for name in after:
        if name not in before:
            yield Change("output_added", name, False, f"Answers have a new output {name!r}.")


def _changes(old: Output, new: Output) -> Iterator[Change]:
    where = f"output {old.name!r}"
    facts: dict[str, tuple[Any, Any]] = {
        "datatype": (old.datatype, new.datatype),
        "shape": (list(old.shape), list(new.shape)),
        "classes": (old.classes, new.classes),
    }
    for fact, (before, after) in facts.items():
        # True equals 1 in Python, and not for those who read JSON.
        if repr(before) != repr(after):
            sentence = f"The {fact} of {where} changed{_from_to(before, after)}."
            yield Change(f"{fact}_changed", old.name, True, sentence)
    if old.names != new.names:
        sentence = f"The names of the columns of {where} changed{_from_to(old.names, new.names)}."
        yield Change("names_changed", old.name, old.names is not None, sentence)
    yield from unit_changes(old.name, where, old.unit, new.unit)
    yield from word_changes(old.name, where, old.description, new.description)


def _from_to(before: Any, after: Any) -> str:
    was, now = _words(before), _words(after)
    # A long list says less than its own contract does.
    return f" from {was} to {now}" if len(was) + len(now) <= 80 else ""


def _words(value: Any) -> str:
    if value is None:
        return "none"
    return ", ".join(map(repr, value)) if isinstance(value, tuple) else str(value)


def _limit_changes(old: Contract, new: Contract) -> Iterator[Change]:
    before, after = old.limits.max_rows, new.limits.max_rows
    if before != after:
        lowered = before is None or (after is not None and after < before)
        kind = "max_rows_lowered" if lowered else "max_rows_raised"
        sentence = (
            f"The largest number of rows in a call is {_limit(after)}; it was {_limit(before)}."
        )
        yield Change(kind, "", lowered, sentence)
    if old.limits.deadline_s != new.limits.deadline_s:
        now, was = (_limit(contract.limits.deadline_s) for contract in (new, old))
        yield Change(
            "deadline_changed", "", False, f"The deadline in seconds is {now}; it was {was}."
        )
    if old.cost != new.cost:
        sentence = f"A row costs {new.cost:g}; it was {old.cost:g}."
        yield Change("cost_changed", "", False, sentence)


def _limit(value: float | None) -> str:
    return "none of its own" if value is None else f"{value:g}"
