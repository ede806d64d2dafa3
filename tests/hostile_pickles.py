"""Pickles that would run code, or worse, if a reader let them.

Written as instructions, because no library writes them: what they name is never imported here.
"""

import bz2
import gzip
import io
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler


class Reduced:
    """Pickled as a call."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def named(module: str, name: str) -> bytes:
    """As protocol 4 names things; the only one that walks along dots."""
    return text(module) + text(name) + b"\x93"


def called(module: str, name: str, *arguments: str) -> bytes:
    return named(module, name) + b"(" + b"".join(map(text, arguments)) + b"tR"


def stream(*instructions: bytes) -> bytes:
    return b"\x80\x04" + b"".join(instructions) + b"."


def running(canary: Path) -> dict[str, bytes]:
    """Pickles that create the directory `canary`, one way or another."""
    path, make = str(canary), f"mkdir {canary}"
    code = f"import os; os.mkdir({path!r})"
    calls = {
        "os.mkdir": ("os", "mkdir", path),
        "os.system": ("os", "system", make),
        "posix.mkdir": ("posix", "mkdir", path),
        "posix.system": ("posix", "system", make),
        "nt.system": ("nt", "system", make),
        "eval": ("builtins", "eval", f"__import__('os').mkdir({path!r})"),
        "exec": ("builtins", "exec", code),
        "import": ("builtins", "__import__", "webbrowser"),
        "importlib": ("importlib", "import_module", "antigravity"),
        "runpy": ("runpy", "run_path", path),
        "subprocess": ("subprocess", "Popen", make),
        "subprocess output": ("subprocess", "getoutput", make),
        "pty": ("pty", "spawn", make),
        "webbrowser": ("webbrowser", "open", path),
        "numpy.f2py": ("numpy.f2py.crackfortran", "myeval", f"__import__('os').mkdir({path!r})"),
        "numpy builtins by dots": ("numpy", "__builtins__.eval", path),
        "sklearn os by dots": ("sklearn", "os.mkdir", path),
        "sklearn os": ("sklearn", "os", path),
        "listed module, other name": ("sklearn.pipeline", "clone", path),
        "listed class, its attribute": ("numpy", "ndarray.tofile", path),
        "sys by dots": ("sys", "modules.get", "os"),
        "sys.modules": ("sys", "modules.__getitem__", "os"),
        "attrgetter": ("operator", "attrgetter", "system"),
        "methodcaller": ("operator", "methodcaller", "mkdir", path),
        "partial": ("functools", "partial", path),
        "codec": ("codecs", "encode", path, "rot13"),
        "memory map": ("numpy", "memmap", path, "uint8", "w+"),
        "numpy.load": ("numpy", "load", path),
        "joblib.load": ("joblib", "load", path),
        "pickle in a pickle": ("pickle", "loads", path),
        "timeit": ("timeit", "timeit", code),
        "pdb": ("pdb", "run", code),
        "distutils": ("distutils.file_util", "write_file", path),
        "pathlib": ("pathlib", "Path.mkdir", path),
        "line break in a name": ("os\nsystem", "x", path),
    }
    streams = {name: stream(called(*call)) for name, call in calls.items()}
    return streams | _nested(canary) | _crooked(path)


def _nested(canary: Path) -> dict[str, bytes]:
    """The same where a reader may not look: packed, in an array, in a fitted pipeline."""
    mkdir = Reduced(os.mkdir, str(canary))
    plain = pickle.dumps(mkdir)
    array = np.array([mkdir], dtype=object)
    pipeline = make_pipeline(StandardScaler(), FunctionTransformer(), LogisticRegression())
    pipeline.fit([[0.0], [1.0]], [0, 1])
    pipeline[1].func = mkdir
    hidden: dict[str, Callable[[], bytes]] = {
        "protocol 0": lambda: pickle.dumps(mkdir, protocol=0),
        "gzip": lambda: gzip.compress(plain),
        "bz2": lambda: bz2.compress(plain),
        "object array": lambda: pickle.dumps(array),
        "joblib object array": lambda: dumped(array),
        "joblib array in an array": lambda: dumped(np.array([[1, array]], dtype=object)),
        "compressed joblib object array": lambda: dumped(array, compress=3),
        "pipeline": lambda: dumped(pipeline),
        "a key": lambda: pickle.dumps({("key",): {mkdir.__reduce__()[0]: mkdir}}),
    }
    return {name: write() for name, write in hidden.items()}


def _crooked(path: str) -> dict[str, bytes]:
    """Instructions instead of names: other ways to call, to name, and to change what is named."""
    code = f"import os; os.mkdir({path!r})"
    estimator = named("sklearn.linear_model._logistic", "LogisticRegression")
    log = named("numpy", "log")
    return {
        "runstring": stream(
            named("numpy.testing._private.utils", "runstring"), text(code), b"}\x86R"
        ),
        "python 2 names": b"\x80\x02c__builtin__\nexec\n" + text(code) + b"\x85R.",
        "old instance": b"(" + text(path) + b"ios\nmkdir\n.",
        "old object": stream(b"(", named("os", "mkdir"), text(path), b"o"),
        "persistent id": stream(text(path), b"Q"),
        "persistent line": b"Pmkdir\n.",
        "extension": stream(b"\x82\x01"),
        "new object of a function": stream(named("os", "mkdir"), text(path), b"\x85\x81"),
        "a constructor by another": stream(
            named("copyreg", "_reconstructor"),
            *(b"(", estimator, named("lightgbm.basic", "Booster"), text(path), b"tR"),
        ),
        "a call by a listed function": stream(
            named("numpy.random._pickle", "__randomstate_ctor"),
            *(b"(", text(path), named("numpy", "float64"), b"tR"),
        ),
        "state into a class": stream(estimator, b"N}", text("predict"), log, b"s\x86b"),
        "state into a function": stream(log, b"N}", text("x"), log, b"s\x86b"),
        "call of an instance": stream(estimator, b")\x81", b")R"),
        "call of a class that is only named": stream(estimator, b")R"),
        "call of a function that is only named": stream(log, b"K\x01\x85R"),
        "entry into an instance": stream(estimator, b")\x81", text("a"), text("b"), b"s"),
        "item into an instance": stream(estimator, b")\x81", text("a"), b"a"),
        "an instance's own state setter": stream(
            *(estimator, b")\x81", b"N}", text("__class__"), log, b"s\x86b")
        ),
        "source kept by a distribution": stream(
            *(named("scipy.stats._continuous_distns", "norm_gen"), b")\x81", b"}"),
            *(text("_parse_arg_template"), text(code), b"sb"),
        ),
    }


def damaging() -> dict[str, bytes]:
    """Pickles after which memory would be read that is not theirs, or set aside without end."""
    dtype = called("numpy", "dtype", "V8")
    objects = called("numpy", "dtype", "O8")
    huge = struct.pack("<Q", 1 << 40)
    return {
        "references that are not declared": stream(_described(dtype, objects, 0, 8)),
        "field beyond its element": stream(
            _described(dtype, called("numpy", "dtype", "f8"), 99, 8)
        ),
        "dtype that grows": stream(_described(dtype, called("numpy", "dtype", "f8"), 0, 1 << 20)),
        "1 TiB of bytes": stream(b"\x8e" + huge + b"x"),
        "1 TiB of bytearray": stream(b"\x96" + huge + b"x"),
        "1 TiB of text": stream(b"\x8d" + huge + b"x"),
        "1 TiB frame": stream(b"\x95" + huge + b"N"),
        "1 TiB array of joblib": resized(1 << 40),
        "array without size of joblib": resized(-1),
        "second state for an array": stream(
            *(_array(), b"q\x01", _array_state(16), b"b", _array_state(0), b"b")
        ),
        "memo out of nowhere": stream(b"j\xff\xff\xff\xff"),
        "stack below its end": stream(b"0000R"),
        "text that is no text": stream(b"X\x02\x00\x00\x00\xff\xfe"),
    }


def _described(dtype: bytes, field: bytes, offset: int, size: int) -> bytes:
    """A dtype, and a state that gives it one field "a"."""
    integer = b"J" + struct.pack("<i", offset)
    state = (
        b"(K\x03"
        + (text("|") + b"N" + text("a") + b"\x85")
        + (b"}" + text("a") + field + integer + b"\x86s")
        + (b"J" + struct.pack("<i", size) + b"K\x01K\x00t")
    )
    return dtype + state + b"b"


def _array() -> bytes:
    reconstruct = named("numpy._core.multiarray", "_reconstruct")
    return reconstruct + named("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"


def _array_state(size: int) -> bytes:
    count = b"K" + bytes([size])
    data = b"C" + bytes([size]) + bytes(size)
    return b"(K\x01" + count + b"\x85" + called("numpy", "dtype", "u1") + b"\x89" + data + b"t"


def resized(length: int) -> bytes:
    """A joblib file whose array claims another length."""
    whole = dumped(np.zeros(77, np.uint8), protocol=2)
    integer = b"\x8a\x06" + length.to_bytes(6, "little", signed=True)
    resized_file = whole.replace(b"K\x4d\x85", integer + b"\x85", 1)
    if resized_file == whole:
        raise AssertionError("joblib writes shapes otherwise")
    return resized_file


def dumped(value: object, compress: int = 0, protocol: int | None = None) -> bytes:
    file = io.BytesIO()
    joblib.dump(value, file, compress=compress, protocol=protocol)
    return file.getvalue()
