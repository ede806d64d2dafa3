"""skops files: no pickle, a tree of typed nodes. What is loaded is decided by a list all the same.

skops is an extra, and imported here only. It looks at a file without building anything from it; the
names it does not know itself must have been trusted by the caller, never by the file.
"""

import importlib
import io
import warnings
import zipfile
from collections.abc import Collection
from typing import Any

from sklearn.exceptions import InconsistentVersionWarning

from model.compressed import MAX_INFLATED_BYTES
from model.errors import ArtifactRejected
from model.pickles.reading import Scan, version_skew

_SCHEMA = "schema.json"


def scan_skops(data: bytes, filename: str, max_bytes: int = MAX_INFLATED_BYTES) -> Scan:
    """The types in this file that skops does not trust by itself, as "module:name".

    Raises:
        ArtifactRejected: it is no skops file, is damaged, or skops is not installed.
    """
    skops = _skops(filename)
    _check_archive(data, filename, max_bytes)
    try:
        unknown = skops.get_untrusted_types(data=data)
    except Exception as exc:
        raise ArtifactRejected(_damaged(filename, exc)) from exc
    names = tuple(sorted(_our_name(name) for name in unknown))
    return Scan(names, names)


def load_skops(data: bytes, filename: str, trusted: Collection[str] = ()) -> Any:
    """The object in these bytes. Whoever calls this has verified them first.

    Raises:
        ArtifactRejected: it needs a type that is not in `trusted`, or cannot be loaded.
    """
    skops = _skops(filename)
    missing = sorted(set(scan_skops(data, filename).unlisted).difference(trusted))
    if missing:
        raise ArtifactRejected(
            f"{filename} asks for {missing[0]}, which skops does not trust by itself;"
            " if you know where the file comes from, add it with --trust."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            return skops.loads(data, trusted=[name.replace(":", ".") for name in trusted])
    except InconsistentVersionWarning as exc:
        raise ArtifactRejected(version_skew(filename, exc)) from exc
    except (Exception, SystemExit) as exc:
        raise ArtifactRejected(_damaged(filename, exc)) from exc


def _skops(filename: str) -> Any:
    try:
        return importlib.import_module("skops.io")
    except ModuleNotFoundError as exc:
        raise ArtifactRejected(
            f"{filename} needs skops, which is not installed; `make extras` installs it."
        ) from exc


def _check_archive(data: bytes, filename: str, max_bytes: int) -> None:
    """The members are read to their declared sizes and no further, so these can be added up."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
            archive.getinfo(_SCHEMA)
    except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError) as exc:
        raise ArtifactRejected(_damaged(filename, exc)) from exc
    if size > max_bytes:
        raise ArtifactRejected(f"{filename} inflates to more than {max_bytes:,} bytes.")


def _our_name(name: str) -> str:
    """skops says "module.name"."""
    module, _, qualified = name.rpartition(".")
    return f"{module}:{qualified}"


def _damaged(filename: str, cause: BaseException) -> str:
    return (
        f"{filename} cannot be loaded ({type(cause).__name__}); it is damaged or not a skops file."
    )
