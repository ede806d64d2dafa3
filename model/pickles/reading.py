"""From the bytes of a pickle to an object, by an exact list of what it may name and call.

`scan_pickle` looks and runs nothing; `unpickle` obeys. Both follow joblib's files into the arrays
of objects. The list is data beside this module; see `allowed_globals` for how it is made.
"""

import functools
import io
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn.exceptions import InconsistentVersionWarning

from model.compressed import inflate
from model.errors import ArtifactRejected
from model.needed_code import missing_module
from model.pickles.loader import PickleLoader
from model.pickles.machine import BadPickle, Unlisted
from model.pickles.scanner import PickleScanner

ALLOWED_GLOBALS_FILE = "allowed_globals.txt"

# Loaded as a plain array, without the file that a real one would open.
_MEMORY_MAP = "numpy:memmap"


@dataclass(frozen=True, slots=True)
class Scan:
    """What a pickle names, as "module:name", sorted; and what of it needs the operator's trust."""

    globals: tuple[str, ...]
    unlisted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AllowedGlobals:
    """Names a pickle may look up and create without a call; those it may call are in both."""

    named: frozenset[str]
    called: frozenset[str]


@functools.cache
def allowed_globals() -> AllowedGlobals:
    """The list: a line "module:name", with "call " before it if a pickle may also call it."""
    text = Path(__file__).with_name(ALLOWED_GLOBALS_FILE).read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    called = frozenset(line.removeprefix("call ") for line in lines if line.startswith("call "))
    return AllowedGlobals(frozenset(line.removeprefix("call ") for line in lines), called)


def scan_pickle(data: bytes, filename: str) -> Scan:
    """What unpickling these bytes would name. Executes and imports nothing.

    Raises:
        ArtifactRejected: it is no pickle, is cut short, or does what no estimator needs.
    """
    scanner = PickleScanner(io.BytesIO(inflate(data, filename)))
    try:
        scanner.load()
    except Unlisted as exc:
        raise ArtifactRejected(_unlisted(filename, exc)) from exc
    except BadPickle as exc:
        raise ArtifactRejected(_unusable(filename, exc)) from exc
    except Exception as exc:
        raise ArtifactRejected(_damaged(filename, exc)) from exc
    allowed = allowed_globals()
    unlisted = scanner.named - allowed.named - {_MEMORY_MAP} | scanner.called - allowed.called
    return Scan(tuple(sorted(scanner.named)), tuple(sorted(unlisted)))


def unpickle(data: bytes, filename: str, trusted: Collection[str] = ()) -> Any:
    """The object in these bytes. Whoever calls this has verified them first.

    `trusted` are further names, "module:name", that an operator has answered for. Any failure, also
    one that a hostile file asks for, is ArtifactRejected.
    """
    allowed = allowed_globals()
    file = io.BytesIO(inflate(data, filename))
    loader = PickleLoader(file, allowed.named.union(trusted), allowed.called.union(trusted))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            return loader.load()
    except Unlisted as exc:
        raise ArtifactRejected(_unlisted(filename, exc)) from exc
    except BadPickle as exc:
        raise ArtifactRejected(_unusable(filename, exc)) from exc
    except InconsistentVersionWarning as exc:
        raise ArtifactRejected(version_skew(filename, exc)) from exc
    except ModuleNotFoundError as exc:
        raise ArtifactRejected(missing_module(filename, str(exc.name))) from exc
    except (Exception, SystemExit) as exc:
        raise ArtifactRejected(_damaged(filename, exc)) from exc


def _unlisted(filename: str, refusal: Unlisted) -> str:
    return (
        f"{filename} asks for {ascii(refusal.key)[1:-1][:200]}, which no pickle may use unasked;"
        " if you know where the file comes from, add it with --trust."
    )


def _unusable(filename: str, cause: BadPickle) -> str:
    return (
        f"{filename} cannot be loaded: it has {cause}. If the file is whole (copy it again), save"
        " the fitted estimator alone."
    )


def _damaged(filename: str, cause: BaseException) -> str:
    return (
        f"{filename} cannot be loaded ({type(cause).__name__}); it is damaged, cut short or not a"
        " pickle: copy it again, or save it anew with joblib.dump."
    )


def version_skew(filename: str, warning: InconsistentVersionWarning) -> str:
    """The refusal of a file that another version of scikit-learn saved."""
    saved_by, here = warning.original_sklearn_version, warning.current_sklearn_version
    return (
        f"{filename} was saved by scikit-learn {saved_by}, this is {here}; "
        f"train it again with {here}, or install {saved_by}."
    )
