"""Rows as npy, npz and bare elements: nothing a header says is believed."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gateway.errors import BadRequest, BodyTooLarge, InvalidBody, NotAcceptable, Problem
from gateway.wire.formats import FORMATS
from gateway.wire.formats.format import Reading
from gateway.wire.json_document import JsonParser
from gateway.wire.table import Table
from model import Batch, Contract, Feature, InvalidInput

PARSER = JsonParser(max_depth=32, max_elements=1000)
AB = Contract("m", "1", "", (Feature("a"), Feature("b")), (), ())
MIXED = Contract(
    "churn",
    "1",
    "",
    (
        Feature("age"),
        Feature("visits", "INT64"),
        Feature("member", "BOOL"),
        Feature("city", "BYTES"),
        Feature("since", "INT64", nullable=True),
        Feature("vip", "BOOL", nullable=True),
    ),
    (),
    (),
)
COLUMNS = {
    "city": np.array(["Bonn", "Kiel"]),
    "age": np.array([40, 41], dtype="<f4"),
    "visits": np.array([3, -2], dtype=">i2"),
    "member": np.array([True, False]),
    "since": np.array([7, 8], dtype=np.uint64),
    "vip": np.array([[True], [False]]),
}
MATRIX = np.array([[1.0, 2.0], [3.0, 4.5]])


def npy(array, **options) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npz(**columns) -> bytes:
    file = io.BytesIO()
    np.savez(file, **columns)
    return file.getvalue()


def zipped(entries, compression=zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return file.getvalue()


def with_header(header: str, data: bytes = b"", version: int = 1) -> bytes:
    text = header.encode()
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + data


def read(name: str, body: bytes, contract: Contract = AB, **given) -> Batch:
    return FORMATS[name].decode(body, Reading(contract, PARSER, **given))


def faults_of(name: str, body: bytes, contract: Contract = AB, **given):
    with pytest.raises(InvalidInput) as caught:
        read(name, body, contract, **given)
    return [(fault.row, fault.feature, fault.code) for fault in caught.value.faults]


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", "<f2", "i1", "<u2", "<i8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_matrix_of_any_numbers_is_read(dtype: str, order: str) -> None:
    """In each byte order and layout, as npy and as the only array of an npz."""
    array = np.array([[1, 2], [3, 4]], dtype=dtype, order=order)

    for name, body in (("npy", npy(array)), ("npz", npz(anything=array))):
        assert read(name, body).values.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_doubles_are_not_copied() -> None:
    """The batch is a view of the body."""
    body = npy(MATRIX)
    values = read("npy", body).values

    assert np.shares_memory(values, np.frombuffer(body, np.uint8))
    assert values.flags.aligned


@pytest.mark.parametrize("version", [1, 2, 3])
def test_each_version_of_the_header_is_read(version: int) -> None:
    """And members in any order, with any spaces."""
    header = "{'shape': ( 1,2 ),'fortran_order':False , 'descr': '<f8'}\n"

    values = read("npy", with_header(header, struct.pack("<2d", 1, 2), version)).values
    assert values.tolist() == [[1.0, 2.0]]


def test_named_arrays_keep_their_types() -> None:
    """Columns in any order; a nullable column may be left out."""
    for body in (npz(**COLUMNS), zipped([(f"{k}.npy", npy(v)) for k, v in COLUMNS.items()])):
        columns = read("npz", body, MIXED).columns
        assert {name: column.tolist() for name, column in columns.items()} == {
            "age": [40.0, 41.0],
            "visits": [3, -2],
            "member": [True, False],
            "city": ["Bonn", "Kiel"],
            "since": [7.0, 8.0],
            "vip": [True, False],
        }
        MIXED.check(Batch.of_columns(columns))
    named = read("npz", npz(b=MATRIX[:, 1], a=MATRIX[:, :1])).values
    assert named.tolist() == MATRIX.tolist()
    without = {name: column for name, column in COLUMNS.items() if name not in {"since", "vip"}}
    assert read("npz", npz(**without), MIXED).columns["vip"].tolist() == [None, None]


@pytest.mark.parametrize(
    ("columns", "faults"),
    [
        ({"city": np.array([1, 2])}, [(None, "city", "wrong_datatype")]),
        ({"city": np.array([b"x", b"y"])}, [(None, "city", "wrong_datatype")]),
        ({"visits": np.array([1.0, 2.0])}, [(None, "visits", "wrong_datatype")]),
        ({"age": np.array(["1", "2"])}, [(None, "age", "wrong_datatype")]),
        ({"member": np.array([1, 0])}, [(None, "member", "wrong_datatype")]),
        ({"age": np.array([[1.0, 2.0], [3.0, 4.0]])}, [(None, "age", "not_a_column")]),
        ({"age": np.array(1.0)}, [(None, "age", "not_a_column")]),
        ({"age": np.array([1.0])}, [(None, "visits", "ragged_columns")]),
        ({"more": np.array([1.0, 2.0])}, [(None, "more", "unknown_feature")]),
        ({"visits": np.array([1, 2**63], dtype="u8")}, [(1, "visits", "out_of_range")]),
        ({"since": np.array([1, 2**53 + 1])}, [(1, "since", "out_of_range")]),
        ({name: column[:0] for name, column in COLUMNS.items()}, [(None, None, "empty_batch")]),
    ],
)
def test_what_is_wrong_with_named_arrays_is_said(columns, faults) -> None:
    """Each type is the feature's own; nothing is converted but numbers to wider ones."""
    found = faults_of("npz", npz(**{**COLUMNS, **columns}), MIXED)

    assert found[: len(faults)] == faults


@pytest.mark.parametrize(
    ("array", "code"),
    [
        (np.ones((2, 3)), "wrong_feature_count"),
        (np.ones(2), "wrong_feature_count"),
        (np.ones((1, 2, 1)), "wrong_feature_count"),
        (np.array(1.0), "wrong_feature_count"),
        (np.array([["1", "2"]]), "wrong_datatype"),
        (np.array([[True, False]]), "wrong_datatype"),
    ],
)
def test_another_matrix_is_a_fault(array, code: str) -> None:
    """Of another shape or of other values; and an empty one when it is checked."""
    assert faults_of("npy", npy(array)) == [(None, None, code)]
    with pytest.raises(InvalidInput, match="1 fault"):
        AB.check(read("npy", npy(np.ones((0, 2)))))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00",
        b"\x93NUMPY\x01\x00\xff\xff",
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
        npy(MATRIX)[:-1],
        npy(MATRIX) + b"\0",
        npy(np.array([{}], dtype=object), allow_pickle=True),
        npy(np.array([(1, 2.0)], dtype="i4,f8")),
        npy(np.array(["2026-01-01"], dtype="M8[D]")),
        npy(np.ones((1, 2), dtype=np.complex128)),
        with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 2)}"),
        with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 2)}", b"\0" * 16),
        with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 9" + "9" * 99 + ")}"),
        with_header("{'descr': '<U0', 'fortran_order': False, 'shape': (99999999999,)}"),
        with_header("{'descr': '<U999999', 'fortran_order': False, 'shape': (1000000000,)}"),
        with_header("{'descr': '|O', 'fortran_order': False, 'shape': (1, 2)}", b"\0" * 16),
        with_header("{'descr': '<f8', 'shape': (1, 2)}", b"\0" * 16),
        with_header("{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (1, 2)}"),
        with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), 'x': 1}"),
        with_header("__import__('os')"),
        with_header("(" * 4000),
        with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2)}"),
        with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2)}", b"\0" * 16, 4),
    ],
)
def test_a_header_that_lies_is_refused(body: bytes) -> None:
    """Sizes, objects, structures and code; alone, and inside a zip. Nothing is allocated."""
    tracemalloc.start()
    for name, sent in (("npy", body), ("npz", zipped([("a.npy", body)]))):
        with pytest.raises(InvalidBody) as caught:
            read(name, sent)
        assert caught.value.detail.isascii()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 2_000_000


@pytest.mark.parametrize(
    "body",
    [
        b"PK",
        b"PK\x05\x06" + b"\0" * 18,
        npz(**COLUMNS)[:-30],
        npz(**COLUMNS)[50:],
        npz(**COLUMNS).replace(b"Bonn"[:1], b"X"),
        zipped([("a.npy", npy(MATRIX[:, 0])), ("a", npy(MATRIX[:, 0]))]),
        zipped([("a.npy", npy(MATRIX[:, 0]))], zipfile.ZIP_BZIP2),
        zipped([("a.npy", b"")]),
        zipped([(f"x{at}.npy", npy(MATRIX[:, 0])) for at in range(200)]),
    ],
)
def test_a_zip_that_is_none_is_refused(body: bytes) -> None:
    """Cut off, damaged, with entries twice, too many or packed in other ways."""
    with pytest.raises((InvalidBody, InvalidInput)):
        read("npz", body)


def test_a_zip_bomb_is_not_unpacked() -> None:
    """An entry that promises more than the cap, or more than it promised, costs no memory."""
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (12500000,)}"
    honest = zipped([("a.npy", with_header(header, b"\0" * 100_000_000))])
    small = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}"
    lying = zipped([("a.npy", with_header(small, b"\0" * 100_000_000))])
    tracemalloc.start()
    with pytest.raises(BodyTooLarge):
        read("npz", honest, max_bytes=10_000_000)
    with pytest.raises(InvalidInput):
        read("npz", honest, max_rows=1000)
    with pytest.raises(InvalidBody):
        read("npz", lying)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(honest) < 110_000
    assert peak < 2_000_000


def test_many_entries_share_the_cap() -> None:
    """What all promise together counts, on both sides of it."""
    body = npz(a=np.zeros(1000), b=np.zeros(1000))
    each = len(npy(np.zeros(1000)))

    assert read("npz", body, max_bytes=2 * each).row_count == 1000
    with pytest.raises(BodyTooLarge):
        read("npz", body, max_bytes=2 * each - 1)


@pytest.mark.parametrize("name", ["npy", "npz", "octets"])
def test_the_cap_of_rows_holds_on_both_sides(name: str) -> None:
    """Before the rows are looked at."""
    for rows in (3, 4):
        matrix = np.ones((rows, 2))
        body = {"npy": npy(matrix), "npz": npz(x=matrix), "octets": matrix.tobytes()}[name]
        if rows == 3:
            assert read(name, body, max_rows=3).row_count == 3
        else:
            assert faults_of(name, body, max_rows=3) == [(None, None, "too_many_rows")]


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32"])
def test_bare_elements_are_rows(dtype: str) -> None:
    """Little-endian, row by row; what is left over is refused."""
    body = np.array([[1, 2], [3, 4]]).astype(np.dtype(dtype).newbyteorder("<")).tobytes()
    values = read("octets", body, parameters={"dtype": dtype}).values

    assert values.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    with pytest.raises(InvalidBody):
        read("octets", body[:-1], parameters={"dtype": dtype})
    with pytest.raises(BadRequest):
        read("octets", body, parameters={"dtype": "object"})
    assert faults_of("octets", b"\0" * 48, MIXED) == [(None, None, "wrong_datatype")]


def test_answers_are_read_back_by_numpy() -> None:
    """One output as npy, all as npz; texts as numpy has them, and nothing pickled."""
    table = Table(
        {
            "predictions": np.array([1, 2]),
            "scores": np.array([[0.1, 0.2], [0.3, 0.4]]),
            "names": np.array(["a", "bcd"], dtype=object),
        }
    )
    one = np.load(io.BytesIO(FORMATS["npy"].encode(table, {})))
    other = np.load(io.BytesIO(FORMATS["npy"].encode(table, {"output": "scores"})))
    every = np.load(io.BytesIO(FORMATS["npz"].encode(table, {})))

    assert one.tolist() == [1, 2]
    assert other.tolist() == [[0.1, 0.2], [0.3, 0.4]]
    assert {name: every[name].tolist() for name in every} == {
        "predictions": [1, 2],
        "scores": [[0.1, 0.2], [0.3, 0.4]],
        "names": ["a", "bcd"],
    }
    with pytest.raises(NotAcceptable, match="scores"):
        FORMATS["npy"].encode(table, {"output": "other"})


@given(arrays.arrays(np.float64, arrays.array_shapes(min_dims=2, max_dims=2)))
def test_any_matrix_comes_back(array) -> None:
    """Bit for bit, in each binary format."""
    contract = Contract("m", "1", "", tuple(map(Feature, map(str, range(array.shape[1])))), (), ())
    for name, body in (("npy", npy(array)), ("npz", npz(x=array)), ("octets", array.tobytes())):
        assert read(name, body, contract).values.tobytes() == array.tobytes()


@given(st.data(), st.sampled_from(["npy", "npz", "octets"]))
def test_damaged_bodies_are_read_or_refused(data, name: str) -> None:
    """Nothing but problems and faults comes out of a body with some bytes changed."""
    body = bytearray({"npy": npy(MATRIX), "npz": npz(**COLUMNS), "octets": MATRIX.tobytes()}[name])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    for contract in (AB, MIXED):
        try:
            read(name, bytes(body), contract)
        except (Problem, InvalidInput):
            continue
