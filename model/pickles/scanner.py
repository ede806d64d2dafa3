"""What a pickle would name and call, found by following its instructions and obeying none.

Names become marks, calls become blanks. Only what is needed to find the end of joblib's arrays is
worked out: the size of a dtype, from its description.
"""

import io
from typing import Any

from model.pickles.machine import ARRAY_HEADER, ArrayHeader, BadPickle, PickleMachine

_RECONSTRUCTORS = ("copyreg:_reconstructor", "copyreg:__newobj__")
_DTYPE = "numpy:dtype"
# In the flags of a dtype's state: there are references to objects in it.
_HAS_OBJECT = 1


class _Name:
    """A name the pickle uses; never what it stands for."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key = key


class _Blank:
    """Something the pickle makes."""

    __slots__ = ()


class _Dtype:
    """A dtype by its code ("f8", "U12", "V64") and, where that is not all, its state."""

    __slots__ = ("hasobject", "itemsize")

    def __init__(self, code: Any) -> None:
        if type(code) is not str or not code[1:].isdecimal() or len(code) > 20:
            raise BadPickle("an array of unknown type")
        self.hasobject = code[0] == "O"
        self.itemsize = int(code[1:]) * (4 if code[0] == "U" else 1)

    def describe(self, state: Any) -> None:
        """Source: numpy's dtype state (version, order, base, names, fields, size, …, flags)."""
        if type(state) is not tuple or len(state) < 8:
            raise BadPickle("an array of unknown type")
        self.hasobject = self.hasobject or bool(int(state[7]) & _HAS_OBJECT)
        if type(state[5]) is int and state[5] > 0:
            self.itemsize = state[5]


class PickleScanner(PickleMachine):
    """Collects `named` and `called`, as "module:name", over all nested streams."""

    def __init__(
        self,
        file: io.BytesIO,
        depth: int = 0,
        named: set[str] | None = None,
        called: set[str] | None = None,
    ) -> None:
        super().__init__(file, depth)
        self.named: set[str] = set() if named is None else named
        self.called: set[str] = set() if called is None else called

    def nested(self, depth: int) -> "PickleScanner":
        return PickleScanner(self._file, depth, self.named, self.called)

    def resolve(self, key: str) -> Any:
        self.named.add(key)
        return _Name(key)

    def call(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        if not isinstance(function, _Name):
            raise BadPickle("a call of something it made itself")
        self.called.add(function.key)
        if function.key == _DTYPE and arguments:
            return _Dtype(arguments[0])
        if function.key in _RECONSTRUCTORS and arguments:
            return self.create(arguments[0], (), {})
        return _Blank()

    def create(self, cls: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:  # noqa: ARG002
        if not isinstance(cls, _Name):
            raise BadPickle("an object of a class it made itself")
        return ArrayHeader() if cls.key == ARRAY_HEADER else _Blank()

    def build(self, instance: Any, state: Any) -> None:
        if isinstance(instance, _Name):
            raise BadPickle("a change of something it only names")
        if isinstance(instance, _Dtype):
            instance.describe(state)

    def take_array(self, header: ArrayHeader, byte_count: int) -> Any:  # noqa: ARG002
        self._file.seek(byte_count, io.SEEK_CUR)
        return _Blank()

    def fill_dict(self, target: Any, items: list[Any]) -> None:
        # Other keys are left out: to hash a deep tuple may take forever.
        if type(target) is dict:
            pairs = zip(items[::2], items[1::2], strict=True)
            target.update((key, value) for key, value in pairs if type(key) is str)

    def fill_list(self, target: Any, items: list[Any]) -> None:
        if type(target) is list:
            target.extend(items)

    def fill_set(self, target: Any, items: list[Any]) -> None:
        pass

    def freeze(self, items: list[Any]) -> Any:  # noqa: ARG002
        return _Blank()
