"""Builds what a pickle describes, out of listed names only.

A list of names is not enough. So besides: only what is listed as callable is called, and only
directly; states go into instances, never into classes, functions or finished arrays; and a dtype
must fit its own fields, for numpy believes what it is told and would read beyond its memory.
"""

import collections
import importlib
import io
import math
from collections.abc import Set as AbstractSet
from types import ModuleType
from typing import Any

import numpy as np

from model.pickles.machine import ARRAY_HEADER, ArrayHeader, BadPickle, PickleMachine, Unlisted
from model.pickles.tree_nodes import nodes_are_sound


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """Bytes as protocols 0 to 2 write them; in full, `codecs.encode` finds any codec."""
    if encoding != "latin1":
        raise BadPickle("a text in an unusual encoding")
    return text.encode("latin1")


def _reconstructor(cls: type, base: type, state: Any) -> Any:
    """Objects as protocols 0 and 1 write them; in full, any class's constructor is called."""
    if base is object:
        return object.__new__(cls)
    if base not in {dict, list, set, tuple, str, int, float}:
        raise BadPickle("an object of an unusual base")
    kind: Any = base
    instance = kind.__new__(cls, state)
    kind.__init__(instance, state)
    return instance


_CALLABLE = (_latin1, _reconstructor)

# They would call their second argument.
_ONE_ARGUMENT = frozenset(
    f"numpy.random._pickle:__{kind}_ctor" for kind in ("bit_generator", "generator", "randomstate")
)

# Harmless in this form only. numpy.memmap opens files; what was one is loaded as a plain array.
_REPLACED: dict[str, Any] = {
    ARRAY_HEADER: ArrayHeader,
    "_codecs:encode": _latin1,
    "copyreg:_reconstructor": _reconstructor,
    "numpy:memmap": np.ndarray,
}


class PickleLoader(PickleMachine):
    """`named` may be looked up, and be created without a call; `called` may be called as well."""

    def __init__(
        self,
        file: io.BytesIO,
        named: AbstractSet[str],
        called: AbstractSet[str],
        depth: int = 0,
    ) -> None:
        super().__init__(file, depth)
        self._named = named
        self._called = called
        # By identity, because what a pickle names need not be hashable. The objects are kept, so
        # that no other takes the place of one that is gone.
        self._names: dict[int, tuple[Any, bool, str]] = {}

    def nested(self, depth: int) -> "PickleLoader":
        return PickleLoader(self._file, self._named, self._called, depth)

    def resolve(self, key: str) -> Any:
        found = _REPLACED.get(key)
        if found is None:
            if key not in self._named:
                raise Unlisted(key)
            module, name = key.split(":", 1)
            found = getattr(importlib.import_module(module), name)
        callable_before = self._names.get(id(found), (found, False, key))[1]
        may_call = callable_before or key in self._called or any(found is one for one in _CALLABLE)
        self._names[id(found)] = (found, may_call, key)
        return found

    def call(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        may_call, key = self._use_of(function)
        if not may_call:
            raise Unlisted(key)
        if key in _ONE_ARGUMENT and len(arguments) != 1:
            raise BadPickle("a call with unusual arguments")
        return function(*arguments)

    def create(self, cls: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        self._use_of(cls)
        if not isinstance(cls, type):
            raise BadPickle("an object of something that is no class")
        return cls.__new__(cls, *arguments, **keywords)

    def build(self, instance: Any, state: Any) -> None:
        self._check_target(instance, state)
        if not nodes_are_sound(instance, state):
            raise BadPickle("a tree whose nodes lead astray")
        # Of the class: what a state has put into the instance under this name is not asked.
        set_state = getattr(type(instance), "__setstate__", None)
        if set_state is not None:
            set_state(instance, state)
            return
        attributes, slots = state if type(state) is tuple and len(state) == 2 else (state, None)
        if attributes:
            instance.__dict__.update(attributes)
        for name, value in (slots or {}).items():
            if name.startswith("__"):
                raise BadPickle("a change of an object's class")
            setattr(instance, name, value)

    def take_array(self, header: ArrayHeader, byte_count: int) -> Any:
        if not byte_count and 0 not in header.shape:
            raise BadPickle("an array of nothing")
        _check_dtype(header.dtype)
        data = np.empty(byte_count, np.uint8)
        self._file.readinto(data.data)
        # numpy itself refuses this view for every type that holds references.
        array = data.view(header.dtype) if byte_count else np.empty(0, header.dtype)
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        return native.reshape(header.shape, order="F" if header.order == "F" else "C")

    def fill_dict(self, target: Any, items: list[Any]) -> None:
        if not isinstance(target, dict):
            raise BadPickle("entries in something that is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[key] = value

    def fill_list(self, target: Any, items: list[Any]) -> None:
        if not isinstance(target, list | collections.deque):
            raise BadPickle("entries in something that is no list")
        target.extend(items)

    def fill_set(self, target: Any, items: list[Any]) -> None:
        if type(target) is not set:
            raise BadPickle("entries in something that is no set")
        target.update(items)

    def freeze(self, items: list[Any]) -> Any:
        return frozenset(items)

    def _use_of(self, found: Any) -> tuple[bool, str]:
        """Whether it may be called, and its name, if it came from a name at all."""
        if id(found) not in self._names:
            raise BadPickle("a call of something it made itself")
        return self._names[id(found)][1:]

    def _check_target(self, instance: Any, state: Any) -> None:
        if id(instance) in self._names or isinstance(instance, type | ModuleType):
            raise BadPickle("a change of something it only names")
        # An array that is in use would leave its views pointing into memory that is gone.
        if isinstance(instance, np.ndarray) and instance.size:
            raise BadPickle("a second state for an array")
        if isinstance(instance, np.dtype):
            _check_new_dtype(instance, state)


def _check_new_dtype(dtype: np.dtype[Any], state: Any) -> None:
    """The state must leave the size as it is: arrays of this dtype may exist already."""
    trial = np.dtype(dtype.str, copy=True)
    trial.__setstate__(state)  # type: ignore[attr-defined]
    if (trial.itemsize, trial.hasobject) != (dtype.itemsize, dtype.hasobject):
        raise BadPickle("a dtype that contradicts itself")
    _check_dtype(trial)


def _check_dtype(dtype: Any) -> None:
    """Fields lie inside the element, and references to objects are declared as such."""
    if not isinstance(dtype, np.dtype) or dtype.kind not in "biufcmMSUVO":
        raise BadPickle("an array of unknown type")
    inner = [(field[0], field[1]) for field in (dtype.fields or {}).values()]
    if dtype.subdtype:
        base, shape = dtype.subdtype
        inner.append((base, dtype.itemsize - base.itemsize * math.prod(shape)))
    for part, offset in inner:
        _check_dtype(part)
        beyond = offset < 0 or offset + part.itemsize > dtype.itemsize
        if beyond or (part.hasobject and not dtype.hasobject):
            raise BadPickle("a dtype that contradicts itself")
