"""A model file: its bytes, read once and compared, and which reader its name asks for.

Bytes are compared with the expected SHA-256 and loaded from that same buffer: a file exchanged
between the check and the load changes nothing (SEC-63). The readers are imported when a file needs
one, so that a worker with compiled models only holds no scikit-learn.
"""

import hashlib
import importlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.errors import ArtifactRejected
from model.source_files import read_file

if TYPE_CHECKING:
    from model.pickles.reading import Scan

_PICKLE_SUFFIXES = (".joblib", ".pkl", ".pickle")
_COMPRESSION_SUFFIXES = (".gz", ".bz2", ".xz", ".lzma")
ONNX_SUFFIX = ".onnx"

ARTIFACT_SUFFIXES = (
    *_PICKLE_SUFFIXES,
    *(kind + packed for kind in _PICKLE_SUFFIXES for packed in _COMPRESSION_SUFFIXES),
    ".skops",
    ONNX_SUFFIX,
)

# Module and functions (to look, to load) by the kind of file.
_READERS = {
    "pickle": ("model.pickles.reading", "scan_pickle", "unpickle"),
    "skops": ("model.skops_artifact", "scan_skops", "load_skops"),
}


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read_bytes(path: Path) -> bytes:
    """The whole of an ordinary file, or ArtifactRejected naming it."""
    return read_file(path)


def read_verified(path: Path, sha256: str) -> bytes:
    """The file's bytes, once they are known to have this SHA-256."""
    data = read_bytes(path)
    if sha256_hex(data) != sha256:
        raise ArtifactRejected(
            f"{path.name} is not the file that was added (its SHA-256 differs);"
            " put the original back."
        )
    return data


def is_artifact(filename: str) -> bool:
    """Whether the name is that of a model file: `model.pkl.gz` as well as `model.pkl`."""
    return filename.lower().endswith(ARTIFACT_SUFFIXES)


def artifact_stem(filename: str) -> str:
    """The name without what makes it a model file: `churn` of `churn.pkl.gz`."""
    longest_first = sorted(ARTIFACT_SUFFIXES, key=len, reverse=True)
    found = next((s for s in longest_first if filename.lower().endswith(s)), "")
    return filename[: len(filename) - len(found)]


def scan(data: bytes, filename: str) -> "Scan":
    """What loading this estimator's file would name. Executes nothing of it.

    Raises:
        ArtifactRejected: it is not what its name says, or is damaged.
    """
    module, look, _ = _READERS[_kind(filename)]
    found: Scan = getattr(importlib.import_module(module), look)(data, filename)
    return found


def load_estimator(data: bytes, filename: str, trusted: Collection[str] = ()) -> Any:
    """The estimator in these bytes, which must have been verified before.

    `trusted` are names beyond the list, "module:name", that an operator has answered for.

    Raises:
        ArtifactRejected: anything, also what a hostile file asks for.
    """
    module, _, load = _READERS[_kind(filename)]
    return getattr(importlib.import_module(module), load)(data, filename, trusted)


def unpickle(data: bytes, filename: str, trusted: Collection[str] = ()) -> Any:
    """The same for a pickle, whatever its name."""
    return importlib.import_module("model.pickles.reading").unpickle(data, filename, trusted)


def _kind(filename: str) -> str:
    if filename.lower().endswith(".skops"):
        return "skops"
    if is_artifact(filename) and not filename.lower().endswith(ONNX_SUFFIX):
        return "pickle"
    raise ArtifactRejected(
        f"{filename} is no file of an estimator; its name should end in"
        f" {', '.join((*_PICKLE_SUFFIXES, '.skops'))}."
    )
