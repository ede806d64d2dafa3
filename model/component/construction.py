"""From the files of a component to an instance of its class that is ready to answer."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from model.component.files import PlacedFiles
from model.component.hooks import NOTHING, Hook, Offered, find_hook
from model.component.raised import is_not_implemented
from model.errors import ArtifactRejected

_T = TypeVar("_T")


class Component:
    """An instance of a model class, at home in its folder.

    Attributes:
        name: of its class.
    """

    def __init__(self, files: Mapping[str, bytes], module: str, parameters: Mapping[str, Any]):
        """Import `module` (without ".py"), construct the class of the same name, and load it.

        Raises:
            ArtifactRejected: one line that says which part of this failed, and where.
        """
        self.placed = PlacedFiles(files)
        self.name = module.rpartition(".")[2]
        with self.placed.at_home():
            self.instance = self._construct(self._class(module), parameters)
            self.ask("load")
            self.ask("health_status")

    def ask(self, name: str) -> Any:
        """What a hook without arguments says while it is brought up; None where it is not there.

        Raises: ArtifactRejected, naming the line of the model's code that raised.
        """
        hook = self.hook(name, NOTHING)
        return None if hook is None else self._attempt(name, hook)

    def value(self, name: str) -> Any:
        """As `ask`, where a plain attribute will do as well."""
        found = getattr(self.instance, name, None)
        return self.ask(name) if callable(found) else found

    def class_names(self) -> tuple[str, ...]:
        """The names of the columns of its answers, where it says any. Raises: ArtifactRejected."""
        names = self.value("class_names")
        if names is None:
            return ()
        names = names.tolist() if hasattr(names, "tolist") else names
        if not isinstance(names, (list, tuple)):
            raise ArtifactRejected(f"class_names of {self.name} does not give a list.")
        return tuple(map(str, names))

    def hook(self, name: str, offered: Offered) -> Hook | None:
        """A hook by name. Raises: ArtifactRejected, for a signature that cannot be called."""
        return find_hook(self.instance, name, offered)

    def origin(self, exc: BaseException) -> str:
        """What was raised and in which line of the model's code, without its text."""
        return self.placed.origin(exc)

    def _class(self, module: str) -> type:
        filename = f"{module.replace('.', '/')}.py"
        if module not in self.placed.modules:
            raise ArtifactRejected(f"The model's folder has no {filename}.")
        found = getattr(self._import(module, filename), self.name, None)
        if not inspect.isclass(found):
            raise ArtifactRejected(
                f"{filename} has no class {self.name}; name the class as its file."
            )
        return found

    def _import(self, module: str, filename: str) -> Any:
        try:
            return self.placed.modules.import_module(module)
        except SyntaxError as exc:
            place = (exc.filename or filename).rpartition("/")[2]
            raise ArtifactRejected(f"{place} is no valid Python in line {exc.lineno}.") from exc
        except ModuleNotFoundError as exc:
            raise ArtifactRejected(
                f"{filename} needs the Python module {exc.name!r}, which is not installed here."
            ) from exc
        except (Exception, SystemExit) as exc:
            raise ArtifactRejected(
                f"{filename} cannot be imported ({self.origin(exc)}); correct it."
            ) from exc

    def _construct(self, kind: type, parameters: Mapping[str, Any]) -> Any:
        try:
            inspect.signature(kind).bind(**parameters)
        except TypeError as exc:
            # The text is of `inspect`: "missing a required argument: 'threshold'".
            raise ArtifactRejected(
                f"{self.name}.__init__ and [parameters] of model.toml disagree: {exc}."
            ) from exc
        except ValueError:
            pass  # Compiled classes may not tell.
        return self._attempt("__init__", lambda: kind(**parameters))

    def _attempt(self, name: str, function: Callable[[], _T]) -> _T | None:
        try:
            return function()
        except (Exception, SystemExit) as exc:
            if name != "__init__" and is_not_implemented(exc):
                return None
            raise ArtifactRejected(
                f"{self.name}.{name} failed ({self.origin(exc)});"
                " correct it, or the files it needs."
            ) from exc
