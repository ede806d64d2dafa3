"""The code that a saved estimator needs, by what it names: whether it is here, and whose it is."""

import importlib.util
import sys
from collections.abc import Iterable
from importlib.metadata import packages_distributions

from model.errors import ArtifactRejected

_SCRIPT = "__main__"

# In every manifest anyway.
_ALWAYS_RECORDED = {"sklearn", "numpy", "scipy", "joblib"}


def require_code(filename: str, names: Iterable[str]) -> None:
    """Look for what a file names ("module:name") without importing any of it.

    Raises: ArtifactRejected, where nobody could load the file on this system.
    """
    for key in names:
        package, name = _package(key), key.partition(":")[2]
        if package == _SCRIPT:
            raise ArtifactRejected(
                f"{filename} needs {ascii(name)[1:-1][:100]}, which was defined in the script or"
                " notebook that saved it; move it into a module that is installed here, or write"
                " a Model.py (docs/components.md)."
            )
        if package.isidentifier() and importlib.util.find_spec(package) is None:
            raise ArtifactRejected(missing_module(filename, package))


def packages_of(names: Iterable[str]) -> list[str]:
    """The installed packages, by the names that pip knows, beyond those in every manifest."""
    modules = {_package(key) for key in names} - _ALWAYS_RECORDED - sys.stdlib_module_names
    # Looking through all that is installed takes half a second: mostly there is no need to.
    owners = packages_distributions() if modules - {_SCRIPT} else {}
    return sorted({owner for module in modules for owner in owners.get(module, ())})


def _package(key: str) -> str:
    return key.partition(":")[0].partition(".")[0]


def missing_module(filename: str, module: str) -> str:
    """The refusal of a file that names a module which is not here."""
    return (
        f"{filename} needs the Python module {ascii(module)[:100]}, which is not installed here;"
        " install it, and add the model again."
    )
