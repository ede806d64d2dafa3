"""What a feature accepts, in words for the people who call."""

from typing import Any

from model.signature import Feature

_SHOWN_CATEGORIES = 5
_SHOWN_CHARACTERS = 40
_NAMES = {"FP64": "finite number", "INT64": "integer", "BOOL": "true or false", "BYTES": "string"}
_NOT_LISTED = {"BOOL": "a boolean not listed", "BYTES": "a string not listed"}


def expected_value(feature: Feature) -> str:
    """What the feature accepts: "number of at least 0 or null", "one of 'a', 'b' (2 in all)"."""
    text = _listing(feature.categories) if feature.categories is not None else _range(feature)
    return f"{text} or null" if feature.nullable else text


def category_words(feature: Feature) -> str:
    """What a value outside the categories is, without the value."""
    return _NOT_LISTED.get(feature.datatype, "a number not listed")


def number_words(bound: float | None) -> str:
    """A bound without a needless fraction."""
    if bound is None:
        return "none"
    return str(int(bound)) if abs(bound) < 1e15 and bound == int(bound) else repr(bound)


def _listing(categories: tuple[Any, ...]) -> str:
    shown = ", ".join(_quoted(category) for category in categories[:_SHOWN_CATEGORIES])
    if len(categories) <= _SHOWN_CATEGORIES:
        return f"one of {shown}"
    return f"one of {shown}, ... ({len(categories)} in all)"


def _quoted(category: Any) -> str:
    if isinstance(category, bool):
        return str(category).lower()
    if not isinstance(category, str):
        return number_words(category)
    if len(category) > _SHOWN_CHARACTERS:
        category = category[:_SHOWN_CHARACTERS] + "..."
    return repr(category)


def _range(feature: Feature) -> str:
    if feature.datatype not in {"FP64", "INT64"}:
        return _NAMES[feature.datatype]
    noun = "number" if feature.datatype == "FP64" else "integer"
    low = None if feature.minimum is None else number_words(feature.minimum)
    high = None if feature.maximum is None else number_words(feature.maximum)
    if low is not None and high is not None:
        return f"{noun} from {low} to {high}"
    if low is not None:
        return f"{noun} of at least {low}"
    return _NAMES[feature.datatype] if high is None else f"{noun} of at most {high}"
