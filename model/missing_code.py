"""Code that a saved estimator needs and that cannot be here, however much it is trusted."""

import importlib.util
from collections.abc import Iterable

from model.errors import ArtifactRejected

_SCRIPT = "__main__"


def require_code(filename: str, names: Iterable[str]) -> None:
    """Look for what a file names ("module:name") without importing any of it.

    Raises: ArtifactRejected, where nobody could load the file on this system.
    """
    for key in names:
        module, _, name = key.partition(":")
        package = module.partition(".")[0]
        if package == _SCRIPT:
            raise ArtifactRejected(
                f"{filename} needs {ascii(name)[1:-1][:100]}, which was defined in the script or"
                " notebook that saved it; move it into a module that is installed here, or write"
                " a Model.py (docs/components.md)."
            )
        if package.isidentifier() and importlib.util.find_spec(package) is None:
            raise ArtifactRejected(missing_module(filename, package))


def missing_module(filename: str, module: str) -> str:
    return (
        f"{filename} needs the Python module {ascii(module)[:100]}, which is not installed here;"
        " install it, and add the model again."
    )
