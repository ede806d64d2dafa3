"""One difference between two versions of a contract."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """A difference that callers could see.

    Attributes:
        kind: a stable word, such as `feature_added`.
        subject: the name of the feature or output; empty for the model as a whole.
        breaks: whether calls or programs that work with the old version may stop working.
        sentence: what changed, for people.
    """

    kind: str
    subject: str
    breaks: bool
    sentence: str


def word_changes(subject: str, where: str, old: str, new: str) -> Iterator[Change]:
    """A changed description: nothing relies on it."""
    if old != new:
        sentence = f"The description of {where} changed."
        yield Change("description_changed", subject, False, sentence)


def unit_changes(subject: str, where: str, old: str, new: str) -> Iterator[Change]:
    """A changed unit: the same number now means something else. To name one breaks nothing."""
    if old != new:
        was, now = (repr(unit) if unit else "not said" for unit in (old, new))
        sentence = f"The unit of {where} was {was} and is {now}."
        yield Change("unit_changed", subject, bool(old and new), sentence)
