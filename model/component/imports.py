"""Modules of one component: compiled from the verified bytes, and seen by that component only.

Two versions may both have a `features.py`. So their modules stand in `sys.modules` only while code
of theirs is being constructed, loaded or imported; what they import later finds its own version.
"""

import builtins
import contextlib
import importlib
import importlib.util
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path, PurePosixPath
from types import CodeType, ModuleType
from typing import Any

from model.component.seldon_names import seldon_modules


class OwnModules:
    """Imports for one component.

    Its own files come before installed modules of the same name, as with the folder first on
    `sys.path`. `process` is the lock on what belongs to the whole process.
    """

    def __init__(self, files: Mapping[str, bytes], folder: Path, process: threading.RLock) -> None:
        self._folder = str(folder)
        self._process: Any = process
        self._sources = {
            _module_name(path): (str(folder / path), data)
            for path, data in files.items()
            if path.endswith(".py")
        }
        self._roots = {PurePosixPath(path).parts[0].partition(".")[0] for path in _code(files)}
        self._modules: dict[str, ModuleType] = {}
        if "seldon_core" not in self._roots:
            self._modules = seldon_modules()
            self._roots |= {name for name in self._modules if "." not in name}
        self._builtins = {**vars(builtins), "__import__": self._import}
        self._depth = 0
        self._finder = _Finder(self._sources, self._builtins)

    def import_module(self, name: str) -> ModuleType:
        """The module of this name; raises what its code raises."""
        with self.importable():
            return importlib.import_module(name)

    def __contains__(self, name: str) -> bool:
        return name in self._sources

    @contextlib.contextmanager
    def importable(self) -> Iterator[None]:
        """Within this, all ways of importing find this component's modules, unpickling too."""
        with self._process:
            shadowed = self._enter() if self._depth == 0 else {}
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._leave(shadowed)

    def _enter(self) -> dict[str, ModuleType]:
        shadowed = self._take_out()
        sys.modules.update(self._modules)
        sys.meta_path.insert(0, self._finder)
        sys.path.insert(0, self._folder)
        return shadowed

    def _leave(self, shadowed: Mapping[str, ModuleType]) -> None:
        with contextlib.suppress(ValueError):
            sys.path.remove(self._folder)
        sys.meta_path.remove(self._finder)
        sys.path_importer_cache.pop(self._folder, None)
        self._modules = self._take_out()
        sys.modules.update(shadowed)

    def _take_out(self) -> dict[str, ModuleType]:
        names = [name for name in list(sys.modules) if name.partition(".")[0] in self._roots]
        return {name: sys.modules.pop(name) for name in names}

    def _import(
        self,
        name: str,
        namespace: Mapping[str, Any] | None = None,
        local: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """What `import` means in this component's code."""
        full_name = _absolute(name, namespace, level)
        root = full_name.partition(".")[0]
        if root not in self._roots or self._depth:
            return builtins.__import__(name, namespace, local, fromlist or (), level)
        # A later import of what is there already must not wait for another component's load.
        found = self._modules.get(full_name)
        if found is not None and all(hasattr(found, wanted) for wanted in fromlist or ()):
            return found if fromlist else self._modules[root]
        with self.importable():
            return builtins.__import__(name, namespace, local, fromlist or (), level)


class _Finder(MetaPathFinder):
    """Finds the component's modules before anything else does."""

    def __init__(
        self, sources: Mapping[str, tuple[str, bytes]], own_builtins: dict[str, Any]
    ) -> None:
        self._sources = sources
        self._builtins = own_builtins

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._sources:
            return None
        filename, data = self._sources[fullname]
        loader = _VerifiedLoader(fullname, filename, data, self._builtins)
        return importlib.util.spec_from_file_location(fullname, filename, loader=loader)


class _VerifiedLoader(SourceFileLoader):
    """Compiles from the bytes that were verified; the file is only named in tracebacks."""

    def __init__(
        self, fullname: str, filename: str, data: bytes, own_builtins: dict[str, Any]
    ) -> None:
        super().__init__(fullname, filename)
        self._data = data
        self._builtins = own_builtins

    def get_code(self, fullname: str) -> CodeType | None:  # noqa: ARG002  # one loader, one module
        return compile(self._data, self.path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = self._builtins
        super().exec_module(module)


def _code(files: Mapping[str, bytes]) -> Iterator[str]:
    return (path for path in files if path.endswith((".py", ".so")))


def _module_name(path: str) -> str:
    parts = PurePosixPath(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and parts[:-1] else parts)


def _absolute(name: str, namespace: Mapping[str, Any] | None, level: int) -> str:
    if not level or namespace is None:
        return name
    return importlib.util.resolve_name("." * level + name, namespace.get("__package__") or "")
