"""The stack machine that a pickle drives, with everything taken out that no estimator needs.

The only module that imports `pickle` to read. joblib's files are read by it too: pickles in which
each array's bytes follow its header. What a name, a call or a new object means is decided by two
subclasses: one only looks (`pickle_scanner`), one builds (`pickle_loader`).
"""

import io
import math
import pickle  # This module exists to read pickles safely.
import struct
from collections.abc import Callable
from typing import Any, ClassVar

ARRAY_HEADER = "joblib.numpy_pickle:NumpyArrayWrapper"

# Object arrays inside object arrays; estimators have one level.
_MAX_DEPTH = 8

_REFUSED = (
    *(pickle.PERSID, pickle.BINPERSID, pickle.EXT1, pickle.EXT2, pickle.EXT4),
    *(pickle.INST, pickle.OBJ, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER),
)


class BadPickle(Exception):
    """The pickle asks for something that no estimator needs, or ends too early."""


class Unlisted(Exception):
    """The pickle names, or calls, something it may not. `key` is "module:name"."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class ArrayHeader:
    """Stands for joblib's NumpyArrayWrapper: what is known of an array before its bytes."""

    shape: Any = None
    dtype: Any = None
    order: Any = "C"
    # Files of joblib before 1.2 have neither this nor the padding.
    numpy_array_alignment_bytes: Any = None


# The reader written in C can be told what a name means, but not what a call or a state may be.
class PickleMachine(pickle._Unpickler):
    """Reads one stream. Subclasses say what `resolve`, `call`, `create`, `build` and others do."""

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)
    stack: list[Any]
    metastack: list[list[Any]]
    memo: dict[int, Any]
    proto: int
    read: Callable[[int], bytes]
    readinto: Callable[[bytearray], int]
    _unframer: Any
    pop_mark: Callable[[], list[Any]]

    def __init__(self, file: io.BytesIO, depth: int = 0) -> None:
        super().__init__(file)
        if depth > _MAX_DEPTH:
            raise BadPickle("arrays of objects are nested too deeply")
        self._file = file
        start = file.tell()
        self._size = file.seek(0, io.SEEK_END)
        file.seek(start)
        self._depth = depth

    # What a subclass decides.

    def resolve(self, key: str) -> Any:
        raise NotImplementedError

    def call(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        raise NotImplementedError

    def create(self, cls: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        raise NotImplementedError

    def build(self, instance: Any, state: Any) -> None:
        raise NotImplementedError

    def take_array(self, header: ArrayHeader, byte_count: int) -> Any:
        raise NotImplementedError

    def nested(self, depth: int) -> "PickleMachine":
        """A machine of the same kind, for the stream that goes on where this one stands."""
        raise NotImplementedError

    def fill_dict(self, target: Any, items: list[Any]) -> None:
        raise NotImplementedError

    def fill_set(self, target: Any, items: list[Any]) -> None:
        raise NotImplementedError

    def freeze(self, items: list[Any]) -> Any:
        raise NotImplementedError

    def fill_list(self, target: Any, items: list[Any]) -> None:
        raise NotImplementedError

    # What is the same for all.

    def find_class(self, module: Any, name: Any) -> Any:
        """The meaning of a name, looked up by what Python 3 and numpy 2 call it."""
        if self.proto < 3:
            module, name = pickle._compat_pickle.NAME_MAPPING.get(  # type: ignore[attr-defined]
                (module, name), (module, name)
            )
            module = pickle._compat_pickle.IMPORT_MAPPING.get(  # type: ignore[attr-defined]
                module, module
            )
        if module.startswith("numpy.core."):
            module = module.replace("core", "_core", 1)
        # A dotted name walks through attributes to whatever a module has imported.
        if "." in name or not f"{module}.{name}".isprintable():
            raise Unlisted(f"{module}:{name}")
        return self.resolve(f"{module}:{name}")

    def load_reduce(self) -> None:
        arguments = self.stack.pop()
        if type(arguments) is not tuple:
            raise BadPickle("a call without a tuple of arguments")
        self.stack[-1] = self.call(self.stack[-1], arguments)

    def load_newobj(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self.create(self.stack[-1], arguments, {})

    def load_newobj_ex(self) -> None:
        keywords, arguments = self.stack.pop(), self.stack.pop()
        self.stack[-1] = self.create(self.stack[-1], arguments, keywords)

    def load_build(self) -> None:
        state = self.stack.pop()
        instance = self.stack[-1]
        if isinstance(instance, ArrayHeader):
            self.stack[-1] = self._array(instance, state)
        else:
            self.build(instance, state)

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.stack.append({})
        self.fill_dict(self.stack[-1], items)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.fill_dict(self.stack[-1], [key, value])

    def load_setitems(self) -> None:
        items = self.pop_mark()
        self.fill_dict(self.stack[-1], items)

    def load_append(self) -> None:
        value = self.stack.pop()
        self.fill_list(self.stack[-1], [value])

    def load_appends(self) -> None:
        items = self.pop_mark()
        self.fill_list(self.stack[-1], items)

    def load_additems(self) -> None:
        items = self.pop_mark()
        self.fill_set(self.stack[-1], items)

    def load_frozenset(self) -> None:
        items = self.pop_mark()
        self.stack.append(self.freeze(items))

    def load_frame(self) -> None:
        self._unframer.load_frame(self._length())

    def load_bytearray8(self) -> None:
        data = bytearray(self._length())
        self.readinto(data)
        self.stack.append(data)

    def _length(self) -> int:
        """A length is only a claim; nothing is set aside for what cannot be there."""
        length: int = struct.unpack("<Q", self.read(8))[0]
        if length > self._size:
            raise BadPickle("a length beyond the end of the file")
        return length

    def refuse(self) -> None:
        raise BadPickle("an instruction that no estimator needs")

    def _array(self, header: ArrayHeader, state: Any) -> Any:
        """The array whose bytes, or whose own pickle, follow its header."""
        if type(state) is not dict:
            raise BadPickle("an array without a description")
        for name in ("shape", "dtype", "order", "numpy_array_alignment_bytes"):
            if name in state:
                setattr(header, name, state[name])
        if header.dtype.hasobject:
            return self.nested(self._depth + 1).load()
        if header.numpy_array_alignment_bytes is not None:
            self._file.seek(self._file.read(1)[0], io.SEEK_CUR)
        byte_count = _element_count(header.shape) * header.dtype.itemsize
        if byte_count > self._size - self._file.tell():
            raise BadPickle("an array beyond the end of the file")
        return self.take_array(header, byte_count)

    dispatch.update(
        {
            pickle.REDUCE[0]: load_reduce,
            pickle.NEWOBJ[0]: load_newobj,
            pickle.NEWOBJ_EX[0]: load_newobj_ex,
            pickle.BUILD[0]: load_build,
            pickle.DICT[0]: load_dict,
            pickle.SETITEM[0]: load_setitem,
            pickle.SETITEMS[0]: load_setitems,
            pickle.APPEND[0]: load_append,
            pickle.APPENDS[0]: load_appends,
            pickle.ADDITEMS[0]: load_additems,
            pickle.FROZENSET[0]: load_frozenset,
            pickle.BYTEARRAY8[0]: load_bytearray8,
            pickle.FRAME[0]: load_frame,
        }
    )
    dispatch.update(dict.fromkeys((opcode[0] for opcode in _REFUSED), refuse))


def _element_count(shape: Any) -> int:
    if type(shape) is not tuple or not all(type(size) is int and size >= 0 for size in shape):
        raise BadPickle("an array without a shape")
    # Without this, a zero among huge sizes would count as nothing.
    if any(size > 2**48 for size in shape):
        raise BadPickle("an array beyond the end of the file")
    return math.prod(shape)
