"""What the arrays of an answer promise, from one answer."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from model.batch import Array
from model.declaration import reject
from model.errors import ArtifactRejected
from model.estimator.answers import classes_of, column_names
from model.signature import Output

_NUMBERS = {"f": "FP", "i": "INT", "u": "UINT"}
_TARGETS = "For each target, the probability of the second of its two classes."

# As in `Declaration.outputs`: description, unit, names of columns.
Declared = tuple[str, str, tuple[str, ...] | None]


def describe_outputs(
    answer: Mapping[str, Array], final: Any, declared: Mapping[str, Declared]
) -> tuple[Output, ...]:
    """The outputs of the estimator whose last step answered this, in the words of model.toml.

    Raises:
        ArtifactRejected: model.toml names another output, or another number of columns.
    """
    return sharpen_outputs([_describe(*item, final) for item in answer.items()], declared)


def sharpen_outputs(
    derived: Sequence[Output], declared: Mapping[str, Declared]
) -> tuple[Output, ...]:
    """The outputs that an answer showed, with what only model.toml knows.

    Raises: ArtifactRejected, as `describe_outputs`.
    """
    names = [output.name for output in derived]
    unknown = sorted(declared.keys() - set(names))
    if unknown:
        reject(f"the model has no output {unknown[0]!r}; it has {', '.join(names)}")
    return tuple(
        _sharpened(output, declared[output.name]) if output.name in declared else output
        for output in derived
    )


def _sharpened(output: Output, declared: Declared) -> Output:
    description, unit, names = declared
    columns = output.shape[1] if len(output.shape) == 2 else None
    if names is not None and len(names) != columns:
        reject(f"output {output.name!r} has {columns or 'no'} columns, names lists {len(names)}")
    return dataclasses.replace(
        output,
        description=description or output.description,
        unit=unit,
        names=output.names if names is None else tuple(names),
    )


def _describe(name: str, array: Array, final: Any) -> Output:
    shape = (-1, *array.shape[1:])
    names = column_names(final, name, shape[1]) if len(shape) == 2 else None
    return Output(
        name,
        datatype_of(array),
        shape,
        classes=_classes(name, array, final),
        names=None if names is None else tuple(names),
        description=_TARGETS if name == "probabilities" and _of_targets(final) else "",
    )


def _classes(name: str, array: Array, final: Any) -> tuple[Any, ...] | None:
    """The labels that a prediction is one of, or that the columns of a table stand for."""
    if name.startswith("probabilities_") and _of_targets(final):
        target = int(name.removeprefix("probabilities_"))
        return tuple(final.classes_[target].tolist())
    classes = classes_of(final)
    if classes is None or name == "transformed":
        return None
    several = array.ndim > 1
    # Several predictions for one row are flags, each for one label.
    if several and (name == "predictions" or array.shape[1] != len(classes)):
        return None
    return classes


def _of_targets(final: Any) -> bool:
    return isinstance(getattr(final, "classes_", None), list)


def datatype_of(array: Array) -> str:
    """The Open Inference Protocol's word for what numpy holds; its word for text is BYTES."""
    kind = array.dtype.kind
    if kind in _NUMBERS:
        return f"{_NUMBERS[kind]}{array.dtype.itemsize * 8}"
    if kind == "b":
        return "BOOL"
    if kind == "U" or all(isinstance(label, str) for label in array.ravel()):
        return "BYTES"
    raise ArtifactRejected("The model's labels are neither text nor numbers nor true and false.")
