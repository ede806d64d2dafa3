"""Which features a class takes: from what it says, its model.toml, or an estimator it holds."""

from collections.abc import Mapping, Sequence
from typing import Any

from model.component.construction import Component
from model.component.metadata import Metadata
from model.declaration import Declaration, reject
from model.errors import ArtifactRejected
from model.estimator.columns import Column, learn_columns
from model.estimator.fitted import feature_count, feature_names
from model.signature import Feature

_WORDS: Mapping[type, str] = {bool: "BOOL", int: "FP64", float: "FP64", str: "BYTES"}


def find_features(
    component: Component, metadata: Metadata, declaration: Declaration
) -> tuple[tuple[Feature, ...], list[Column]]:
    """The features, and what is known of a typical value of each.

    `feature_names` decides names and order; then model.toml, the metadata, an estimator that the
    instance holds, the example.

    Raises:
        ArtifactRejected: nothing of these says it, or two of them contradict each other.
    """
    declared = declaration.features
    said = _said(component)
    if said:
        return _by_name(component, said, metadata, declared), [Column() for _ in said]
    held, columns = _held(component)
    if metadata.features and _all_in(declared, metadata.features):
        return _sharpened(metadata.features, declared), [Column() for _ in metadata.features]
    if held and _all_in(declared, held):
        return _sharpened(held, declared), columns
    # The class may make other columns of its rows than those its estimator takes.
    features = declared or _of_example(declaration.example_rows)
    if not features:
        raise ArtifactRejected(
            f"{component.name} does not tell its features; list them in model.toml, or give rows"
            " in its [example]."
        )
    return features, [Column() for _ in features]


def _by_name(
    component: Component, said: Sequence[str], metadata: Metadata, declared: Sequence[Feature]
) -> tuple[Feature, ...]:
    known = {feature.name: feature for feature in metadata.features}
    unknown = sorted({feature.name for feature in declared} - set(said))
    if unknown:
        reject(f"feature_names of {component.name} does not have {unknown[0]!r}")
    return _sharpened([known.get(name, Feature(name)) for name in said], declared)


def _all_in(declared: Sequence[Feature], known: Sequence[Feature]) -> bool:
    return {feature.name for feature in declared} <= {feature.name for feature in known}


def _said(component: Component) -> list[str]:
    names = component.value("feature_names")
    if names is None:
        return []
    names = names.tolist() if hasattr(names, "tolist") else names
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ArtifactRejected(f"feature_names of {component.name} does not give a list of text.")
    if len(set(names)) < len(names):
        raise ArtifactRejected(f"feature_names of {component.name} gives a name twice.")
    return list(names)


def _sharpened(derived: Sequence[Feature], declared: Sequence[Feature]) -> tuple[Feature, ...]:
    by_name = {feature.name: feature for feature in declared}
    return tuple(by_name.get(feature.name, feature) for feature in derived)


def _held(component: Component) -> tuple[list[Feature], list[Column]]:
    """The features of the fitted estimator among the attributes, if they point to one number."""
    values = list(getattr(component.instance, "__dict__", {}).values())
    estimators = [value for value in values if _is_fitted(value)]
    named = [estimator for estimator in estimators if feature_names(estimator)]
    if not named and len({feature_count(estimator) for estimator in estimators}) != 1:
        return [], []
    estimator = (named or estimators)[0]
    count = feature_count(estimator) or 0
    names = feature_names(estimator) or [f"x{index}" for index in range(count)]
    try:
        columns = learn_columns(estimator, len(names))
    except Exception:  # Only for a nicer example, and estimators of any library get here.
        columns = [Column() for _ in names]
    features = [
        Feature(name, "BYTES" if column.datatype == "BYTES" else "FP64")
        for name, column in zip(names, columns, strict=True)
    ]
    return features, columns


def _is_fitted(value: Any) -> bool:
    if isinstance(value, type) or not callable(getattr(value, "fit", None)):
        return False
    try:
        return bool(feature_count(value))
    except Exception:  # Properties of unfitted estimators may raise anything.
        return False


def _of_example(rows: Sequence[Any]) -> tuple[Feature, ...]:
    """Features as the first row of the example shows them."""
    if not rows:
        return ()
    first = rows[0]
    named = isinstance(first, Mapping)
    names = list(first) if named else [f"x{index}" for index in range(len(first))]
    cells = first.values() if named else first
    return tuple(
        Feature(name, _WORDS.get(type(cell), "FP64"))
        for name, cell in zip(names, cells, strict=True)
    )
