"""Which names and versions models may have. They become folder names and parts of paths."""

import re

from model.errors import ArtifactRejected

_MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_MODEL_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,31}")


def is_model_name(name: str) -> bool:
    return _MODEL_NAME.fullmatch(name) is not None


def is_model_version(version: str) -> bool:
    return _MODEL_VERSION.fullmatch(version) is not None


def require_names(name: str, version: str) -> None:
    """Raise ArtifactRejected unless both may be used as folder names.

    Neither pattern allows a separator or a leading dot, so no path leaves the store's folder.
    """
    if not is_model_name(name):
        raise ArtifactRejected(f"The model name must match {_MODEL_NAME.pattern}.")
    if not is_model_version(version):
        raise ArtifactRejected(f"The model version must match {_MODEL_VERSION.pattern}.")
