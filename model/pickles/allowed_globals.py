"""Makes the list of what a pickle may name and call: `python -m model.pickles.allowed_globals`.

It writes what `pickle_examples` has fitted as pickle and joblib, in every protocol, and notes what
these files name and call. The result is data that a person reads: what is new in a run is looked at
before it is committed, by the rules in the decision on exact lists.
"""

import importlib
import inspect
import io
import pickle  # Writes only.
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import joblib

from model.pickles.examples import examples
from model.pickles.reading import ALLOWED_GLOBALS_FILE
from model.pickles.scanner import PickleScanner

_HEADER = """\
# What a pickle may name, and create without a call. After "call" it may be called, too.
# Exact names only, by `python -m model.pickles.allowed_globals`. Read each new line first.
"""

# No estimator's file needs these, whatever some version of a library may write: they call what they
# are given, reach any attribute, open files, or keep text that is run later.
_NEVER_MODULES = (
    *("os", "posix", "nt", "sys", "subprocess", "importlib", "runpy", "pty", "socket"),
    *("functools", "operator", "itertools", "inspect", "types", "codecs", "shutil", "pathlib"),
    *("pickle", "dill", "cloudpickle", "joblib.memory", "numpy.testing", "numpy.f2py", "pdb"),
    # A distribution keeps source text in its state, and runs it when it is loaded.
    *("scipy.stats", "ctypes", "multiprocessing", "threading", "webbrowser", "__main__"),
)
_BUILTINS = frozenset(
    (
        *("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list"),
        *("object", "range", "set", "slice", "str", "tuple"),
    )
)

# Modules whose classes are all of one kind, of which the estimators here use some.
_WHOLE_MODULES = (
    "sklearn._loss.link",
    "sklearn._loss.loss",
    "sklearn.gaussian_process.kernels",
    "sklearn.linear_model._sgd_fast",
    "sklearn.metrics._dist_metrics",
    "sklearn.model_selection._split",
    "sklearn.neural_network._stochastic_optimizers",
)


def main() -> None:
    """Write the list beside this module."""
    lines = sorted(collect(examples()), key=lambda line: line.removeprefix("call "))
    Path(__file__).with_name(ALLOWED_GLOBALS_FILE).write_text(_HEADER + "\n".join(lines) + "\n")


def collect(values: Iterable[Any]) -> set[str]:
    """The lines that the files of these values need."""
    named, called = set(_enumerated()), set[str]()
    for value in values:
        for data in files(value):
            scanner = PickleScanner(io.BytesIO(data), 0, named, called)
            scanner.load()
    called = {key for key in called if _is_fit_for_the_list(key)}
    return {f"call {key}" for key in called} | {
        key for key in named - called if _is_fit_for_the_list(key)
    }


def files(value: Any) -> Iterator[bytes]:
    """The value as each library writes it, in each protocol that can hold it."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for dump in (pickle.dump, joblib.dump):
            file = io.BytesIO()
            try:
                dump(value, file, protocol=protocol)
            except (TypeError, ValueError, AttributeError, pickle.PicklingError):
                continue
            yield file.getvalue()


def _enumerated() -> Iterator[str]:
    for name in _WHOLE_MODULES:
        for found in vars(importlib.import_module(name)).values():
            if inspect.isclass(found) and found.__module__ == name and _is_concrete(found):
                yield f"{name}:{found.__name__}"


def _is_concrete(found: type) -> bool:
    return not inspect.isabstract(found) and not found.__name__.startswith("_")


def _is_fit_for_the_list(key: str) -> bool:
    module, name = key.split(":")
    if module == "builtins":
        return name in _BUILTINS
    return not any(module == never or module.startswith(f"{never}.") for never in _NEVER_MODULES)


if __name__ == "__main__":
    main()
