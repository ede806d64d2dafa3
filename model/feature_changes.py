"""How the features of two contracts differ."""

from collections.abc import Iterator

from model.change import Change, unit_changes, word_changes
from model.contract import Contract
from model.feature_words import expected_value, number_words
from model.signature import Feature


def feature_changes(old: Contract, new: Contract) -> Iterator[Change]:
    """In the order of the old contract's features, then what is added, then their order."""
    before = {feature.name: feature for feature in old.features}
    after = {feature.name: feature for feature in new.features}
    for name, feature in before.items():
        if name in after:
            yield from _changes(feature, after[name])
        else:
            sentence = f"Feature {name!r} is gone: rows that name it are refused."
            yield Change("feature_removed", name, True, sentence)
    for name, feature in after.items():
        if name not in before:
            yield _added(feature)
    if [name for name in before if name in after] != [name for name in after if name in before]:
        sentence = "The features have another order: rows sent as arrays are read wrongly."
        yield Change("order_changed", "", True, sentence)


def _added(feature: Feature) -> Change:
    which = "rows sent as arrays" if feature.nullable else "rows"
    sentence = f"Feature {feature.name!r} ({expected_value(feature)}) is new: {which} without it"
    return Change("feature_added", feature.name, True, f"{sentence} are refused.")


def _changes(old: Feature, new: Feature) -> Iterator[Change]:
    name, where = old.name, f"feature {old.name!r}"
    if old.datatype != new.datatype:
        # Every integer is a number; no other kind of value is taken for another.
        widened = (old.datatype, new.datatype) == ("INT64", "FP64")
        kind = "datatype_widened" if widened else "datatype_changed"
        sentence = f"The datatype of {where} was {old.datatype} and is {new.datatype}."
        yield Change(kind, name, not widened, sentence)
    yield from _nullable_changes(old, new)
    yield from _bound_changes("minimum", old, new, old.minimum, new.minimum)
    yield from _bound_changes("maximum", old, new, old.maximum, new.maximum)
    yield from _category_changes(old, new)
    yield from unit_changes(name, where, old.unit, new.unit)
    yield from word_changes(name, where, old.description, new.description)


def _nullable_changes(old: Feature, new: Feature) -> Iterator[Change]:
    if old.nullable and not new.nullable:
        sentence = f"Feature {old.name!r} may no longer be missing."
        yield Change("no_longer_nullable", old.name, True, sentence)
    if new.nullable and not old.nullable:
        yield Change("became_nullable", old.name, False, f"Feature {old.name!r} may be missing.")


def _bound_changes(
    which: str, old: Feature, new: Feature, before: float | None, after: float | None
) -> Iterator[Change]:
    if before == after:
        return
    narrowed = before is None or (
        after is not None and (after > before if which == "minimum" else after < before)
    )
    was, now = number_words(before), number_words(after)
    kind = "range_narrowed" if narrowed else "range_widened"
    sentence = f"The {which} of feature {new.name!r} was {was} and is {now}."
    yield Change(kind, old.name, narrowed, sentence)


def _category_changes(old: Feature, new: Feature) -> Iterator[Change]:
    name = old.name
    if old.categories == new.categories:
        return
    if new.categories is None:
        yield Change("categories_dropped", name, False, f"Feature {name!r} takes any value.")
        return
    if old.categories is None:
        sentence = f"Feature {name!r} took any value and now takes {expected_value(new)}."
        yield Change("categories_imposed", name, True, sentence)
        return
    removed = [category for category in old.categories if category not in new.categories]
    added = [category for category in new.categories if category not in old.categories]
    if removed:
        sentence = f"Feature {name!r} no longer takes {_some(removed)}."
        yield Change("category_removed", name, True, sentence)
    if added:
        yield Change("category_added", name, False, f"Feature {name!r} also takes {_some(added)}.")


def _some(categories: list[object]) -> str:
    shown = ", ".join(map(repr, categories[:5]))
    return shown if len(categories) <= 5 else f"{shown} and {len(categories) - 5} more"
