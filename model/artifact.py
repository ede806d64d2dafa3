"""From bytes on disk to an object in memory. The only module that touches pickle.

The bytes are read once, compared with the expected SHA-256, and unpickled from that same
buffer: a file exchanged between the check and the load changes nothing (SEC-63).
"""

import hashlib
import io
import warnings
from pathlib import Path
from typing import Any

import joblib
from sklearn.exceptions import InconsistentVersionWarning

from model.errors import ArtifactRejected

ARTIFACT_SUFFIXES = (".joblib", ".pkl", ".pickle")


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read_bytes(path: Path) -> bytes:
    """The whole file, or ArtifactRejected naming it."""
    try:
        return path.read_bytes()
    except OSError as exc:
        raise ArtifactRejected(f"{path.name} cannot be read: {exc.strerror}.") from exc


def read_verified(path: Path, sha256: str) -> bytes:
    """The file's bytes, once they are known to have this SHA-256."""
    data = read_bytes(path)
    if sha256_hex(data) != sha256:
        raise ArtifactRejected(
            f"{path.name} is not the file that was added (its SHA-256 differs);"
            " put the original back."
        )
    return data


def unpickle(data: bytes, filename: str) -> Any:
    """The object in these bytes. Whoever calls this has verified them first.

    joblib reads its own files, compressed or not, and plain pickles. Any failure, also one that a
    hostile file asks for, is ArtifactRejected.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            return joblib.load(io.BytesIO(data))
    except InconsistentVersionWarning as exc:
        raise ArtifactRejected(_version_skew(filename, exc)) from exc
    except ModuleNotFoundError as exc:
        raise ArtifactRejected(
            f"{filename} needs the Python module {exc.name!r}, which is not installed here."
        ) from exc
    except (Exception, SystemExit) as exc:
        raise ArtifactRejected(
            f"{filename} cannot be loaded ({type(exc).__name__}); it is damaged or not a pickle."
        ) from exc


def _version_skew(filename: str, warning: InconsistentVersionWarning) -> str:
    saved_by, here = warning.original_sklearn_version, warning.current_sklearn_version
    return (
        f"{filename} was saved by scikit-learn {saved_by}, this is {here}; "
        f"train it again with {here}, or install {saved_by}."
    )
