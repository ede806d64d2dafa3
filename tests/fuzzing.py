"""A fuzzer for everything that reads a body: `make fuzz`, or `python tests/fuzzing.py --help`.

It changes good bodies a little, over and over, and gives them to the decoders. What comes out must
be a batch, a problem or faults; in time; and without the process dying, which is why it runs in a
child. The case in hand is kept in a file, so that one that kills the child is known. Found cases go
to tests/corpus, where `test_fuzzing` tries them again in every run.

Most of what is fuzzed is C and C++ of others, which a fuzzer guided by the coverage of Python code
sees nothing of. So this one is guided by the formats: it writes extreme numbers of each width where
numbers may be, and joins bodies of one format.
"""

import argparse
import hashlib
import io
import multiprocessing
import random
import resource
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import brotli
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from gateway.errors import Problem
from gateway.wire.formats import FORMATS
from gateway.wire.formats.format import Reading
from gateway.wire.inflation import InflationCaps, inflate
from gateway.wire.json_document import JsonParser
from gateway.wire.tensor_batch import batch_of_tensors
from gateway.wire.tensors import read_tensors
from model import Contract, Feature, InvalidInput

CORPUS = Path(__file__).parent / "corpus"
_SLOW_S = 2.0
_MOST_MEMORY_KB = 400 * 1024
_MAX_BYTES = 1 << 20
_PARSER = JsonParser(max_depth=32, max_elements=100_000)
_NUMBERS = Contract("m", "1", "", (Feature("a"), Feature("b", nullable=True)), (), ())
_MIXED = Contract(
    "m",
    "1",
    "",
    (
        Feature("age"),
        Feature("visits", "INT64", nullable=True),
        Feature("member", "BOOL"),
        Feature("city", "BYTES", nullable=True),
    ),
    (),
    (),
)
_TABLE = pa.table(
    {
        "age": [1.5, 2.5, 3.5],
        "visits": [1, None, 3],
        "member": [True, False, True],
        "city": pa.array(["Bonn", None, "Ulm"]).dictionary_encode(),
    }
)
_TEXTS = _TABLE.set_column(3, "city", pa.array(["Bonn", None, "Ulm"], pa.string_view()))
_MATRIX = np.array([[1.0, 2.0], [3.0, 4.5]])
_ROWS = b'[{"age":1.5,"visits":null,"member":true,"city":"Bonn"}]'
_TENSORS = (
    b'{"inputs":[{"name":"f","datatype":"FP64","shape":[1,2],"data":[1,2]}],"id":"x",'
    b'"parameters":{"binary_data_output":true},"outputs":[{"name":"predictions"}]}'
)
_BINARY = (
    b'{"inputs":[{"name":"f","datatype":"FP64","shape":[1,2],'
    b'"parameters":{"binary_data_size":16}}]}'
)
_TEXT = b'{"columns":{"a":[1,2],"b":[null,1e3]}}' * 100


def _saved(array: object, **columns: object) -> bytes:
    file = io.BytesIO()
    if columns:
        np.savez_compressed(file, **columns)
    else:
        np.save(file, array)
    return file.getvalue()


def _arrow(new: Callable, table: pa.Table, compression: str | None = None) -> bytes:
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with new(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=2)
    return sink.getvalue()


def _parquet(**options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(_TABLE, sink, **options)
    return sink.getvalue()


# Good bodies of everything that is read.
SEEDS: Mapping[str, list[bytes]] = {
    "json": [b"[[1,2],[3,4.5]]", b'{"data":[[1,null]]}', b'{"rows":%b}' % _ROWS, _TEXT[:38]],
    "ndjson": [b"[1,2]\n[3,4.5]\n", _ROWS[1:-1] + b"\n" + _ROWS[1:-1]],
    "csv": [
        b"a,b\n1,2\n3,\n",
        b"1,2\r\n3,4.5\r\n",
        b'city,age,member,visits\n"a ""b"",\n",.5,TRUE,\nx,1e3,false,3\n',
    ],
    "arrow_stream": [
        _arrow(pa.ipc.new_stream, _TABLE),
        _arrow(pa.ipc.new_stream, _TEXTS),
        _arrow(pa.ipc.new_stream, _TABLE, "zstd"),
        _arrow(pa.ipc.new_stream, _TABLE, "lz4"),
    ],
    "arrow_file": [
        _arrow(pa.ipc.new_file, _TABLE.unify_dictionaries()),
        _arrow(pa.ipc.new_file, _TEXTS, "zstd"),
    ],
    "parquet": [
        _parquet(),
        _parquet(data_page_version="2.0", compression="zstd"),
        _parquet(use_dictionary=False, compression="none"),
        _parquet(use_dictionary=False, column_encoding={"age": "BYTE_STREAM_SPLIT"}),
        _parquet(use_dictionary=False, column_encoding={"visits": "DELTA_BINARY_PACKED"}),
        _parquet(use_dictionary=False, column_encoding={"city": "DELTA_LENGTH_BYTE_ARRAY"}),
    ],
    "npy": [_saved(_MATRIX), _saved(np.asfortranarray(_MATRIX.astype(">f4")))],
    "npz": [_saved(None, x=_MATRIX), _saved(None, a=_MATRIX[:, 0], b=_MATRIX[:, 1])],
    "octets": [_MATRIX.tobytes()],
    "tensors": [_TENSORS, _BINARY + _MATRIX[0].tobytes()],
    "gzip": [zlib.compress(_TEXT, wbits=31), zlib.compress(_TEXT, wbits=31) * 2],
    "deflate": [zlib.compress(_TEXT), zlib.compress(_TEXT, wbits=-15)],
    "br": [brotli.compress(_TEXT)],
    "zstd": [zstandard.compress(_TEXT), zstandard.compress(_TEXT) * 2],
}
_TOKENS = [
    *(b"[", b"]", b"{", b"}", b'"', b",", b":", b"\n", b"\r", b"\\u0000", b"\\ud800", b"null"),
    *(b"true", b"1e400", b"-0", b"9" * 25, b"NaN", b"\xff", b"\0", b"\xef\xbb\xbf", b"a", b"PK"),
]
_EXTREMES = (0, 1, -1, 7, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, -(2**31), 2**32 - 1)
_WIDE_EXTREMES = (*_EXTREMES, 2**63 - 1, -(2**63), 2**40, 2**53 + 1)


def decode(name: str, body: bytes) -> None:
    """Have a body read for each kind of contract. Raises nothing but what a defect raises."""
    for contract in (_NUMBERS, _MIXED):
        try:
            _read(name, body, contract)
        except (Problem, InvalidInput):
            continue


def _read(name: str, body: bytes, contract: Contract) -> None:
    if name in {"gzip", "deflate", "br", "zstd"}:
        inflate(body, name, InflationCaps(_MAX_BYTES, 1000), lambda: 10.0)
    elif name == "tensors":
        split = body.find(b"}]}") + 3
        for length in ("", str(split)):
            request = read_tensors(body, length, _PARSER.parse)
            contract.check(batch_of_tensors(request.inputs, contract, 1000))
    elif body:
        reading = Reading(contract, _PARSER, 1000, _MAX_BYTES)
        contract.check(FORMATS[name].decode(body, reading))


def mutated(body: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """The body with one to four small changes."""
    changed = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) + 1)
        chance.choice(_CHANGES)(changed, at, others, chance)
    return bytes(changed)


def _set_byte(body: bytearray, at: int, _others: list[bytes], chance: random.Random) -> None:
    body[at : at + 1] = bytes([chance.randrange(256)])


def _flip_bit(body: bytearray, at: int, _others: list[bytes], chance: random.Random) -> None:
    if at < len(body):
        body[at] ^= 1 << chance.randrange(8)


def _put_number(body: bytearray, at: int, _others: list[bytes], chance: random.Random) -> None:
    width = chance.choice((1, 2, 4, 8))
    number = chance.choice(_WIDE_EXTREMES) & (2 ** (8 * width) - 1)
    order = chance.choice(("little", "big"))
    at -= at % chance.choice((1, width))
    body[at : at + width] = number.to_bytes(width, order)


def _put_token(body: bytearray, at: int, _others: list[bytes], chance: random.Random) -> None:
    body[at : at + chance.choice((0, 1))] = chance.choice(_TOKENS)


def _cut(body: bytearray, at: int, _others: list[bytes], chance: random.Random) -> None:
    del body[at : at + chance.choice((1, 4, 8, 64, len(body)))]


def _repeat(body: bytearray, at: int, _others: list[bytes], chance: random.Random) -> None:
    part = body[at : at + chance.choice((1, 8, 64))]
    body[at:at] = part * chance.choice((1, 2, 50))


def _join(body: bytearray, at: int, others: list[bytes], chance: random.Random) -> None:
    other = chance.choice(others)
    body[at:] = other[chance.randrange(len(other) + 1) :]


_CHANGES = (_set_byte, _flip_bit, _put_number, _put_number, _put_token, _cut, _repeat, _join)


def fuzz(names: list[str], *, seed: int, cases: int, seconds: float) -> list[Path]:
    """Fuzz some decoders, `cases` each or for `seconds` each; where the found cases were kept."""
    found, left = [], list(names)
    with tempfile.NamedTemporaryFile() as current:
        while left:
            arguments = (left, seed, cases, seconds, current.name)
            child = multiprocessing.get_context("spawn").Process(target=_run, args=arguments)
            child.start()
            child.join()
            if not child.exitcode:
                break
            name, _, body = Path(current.name).read_bytes().partition(b"\n")
            found.append(_keep(name.decode(), body))
            left = left[left.index(name.decode()) + 1 :]
    return found


def _run(names: list[str], seed: int, cases: int, seconds: float, current: str) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with Path(current).open("wb", buffering=0) as file:
        for name in names:
            # The same seed makes the same cases again.
            chance = random.Random(f"{seed} {name}")  # noqa: S311
            _fuzz_one(name, chance, cases, seconds, file)


def _fuzz_one(name: str, chance: random.Random, cases: int, seconds: float, file: Any) -> None:
    seeds = [*SEEDS[name], *(path.read_bytes() for path in sorted(CORPUS.glob(f"{name}-*")))]
    started, done, memory_kb = time.monotonic(), 0, _most_memory_kb()
    while done < cases or time.monotonic() - started < seconds:
        body = mutated(chance.choice(seeds), seeds, chance)
        file.seek(0)
        file.truncate()
        file.write(name.encode() + b"\n" + body)
        # Of the processor's time: on a busy machine anything may take long.
        began = time.process_time()
        decode(name, body)
        done += 1
        grown_kb = _most_memory_kb() - memory_kb
        if time.process_time() - began > _SLOW_S or grown_kb > _MOST_MEMORY_KB:
            sys.exit(f"{name}: slow, or {grown_kb} kB of memory")
    print(f"{name}: {done} cases", flush=True)  # noqa: T201


def _most_memory_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _keep(name: str, body: bytes) -> Path:
    CORPUS.mkdir(exist_ok=True)
    path = CORPUS / f"{name}-{hashlib.sha256(body).hexdigest()[:12]}"
    path.write_bytes(body)
    return path


def main() -> None:
    """What `make fuzz` runs."""
    parser = argparse.ArgumentParser(description="Fuzz the decoders of bodies.")
    parser.add_argument("names", nargs="*", default=list(SEEDS), help=", ".join(SEEDS))
    parser.add_argument("--seconds", type=float, default=0.0, help="for each decoder")
    parser.add_argument("--cases", type=int, default=0, help="at least, for each decoder")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)  # noqa: T201
    found = fuzz(given.names, seed=given.seed, cases=given.cases, seconds=given.seconds)
    if found:
        sys.exit("found " + ", ".join(str(path) for path in found))


if __name__ == "__main__":
    main()
