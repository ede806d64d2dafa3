"""Tables as Arrow and Parquet: typed columns, and no length that is believed."""

import io
import math
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BodyTooLarge, InvalidBody, Problem
from gateway.wire.formats import FORMATS
from gateway.wire.formats.format import Reading
from gateway.wire.json_document import JsonParser
from gateway.wire.table import Table
from model import Batch, Contract, Feature, InvalidInput

PARSER = JsonParser(max_depth=32, max_elements=1000)
AB = Contract("m", "1", "", (Feature("a"), Feature("b", nullable=True)), (), ())
MIXED = Contract(
    "churn",
    "1",
    "",
    (
        Feature("age"),
        Feature("visits", "INT64"),
        Feature("member", "BOOL"),
        Feature("city", "BYTES"),
        Feature("note", "BYTES", nullable=True),
        Feature("since", "INT64", nullable=True),
        Feature("vip", "BOOL", nullable=True),
        Feature("debt", nullable=True),
    ),
    (),
    (),
)
TABLE = pa.table(
    {
        "note": ["x", None, "ü"],
        "city": pa.array(["Bonn", "Kiel", "Bonn"]).dictionary_encode(),
        "age": pa.array([40, 41, 42], pa.float32()),
        "visits": pa.array([3, -2, 2**40]),
        "member": [True, False, True],
        "since": pa.array([7, None, 9], pa.uint16()),
        "vip": [None, False, True],
        "debt": pa.array([None, 1.5, None]),
    }
)
EXPECTED = {
    "age": [40.0, 41.0, 42.0],
    "visits": [3, -2, 2**40],
    "member": [True, False, True],
    "city": ["Bonn", "Kiel", "Bonn"],
    "note": ["x", None, "ü"],
    "since": [7.0, math.nan, 9.0],
    "vip": [None, False, True],
    "debt": [math.nan, 1.5, math.nan],
}
MATRIX = pa.table({"b": [2.0, None], "a": pa.array([1, 3], pa.int8())})


def stream(table, **options) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def file(table, **options) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def parquet(table, **options) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


WRITERS = {"arrow_stream": stream, "arrow_file": file, "parquet": parquet}
every = pytest.mark.parametrize("name", list(WRITERS))


def read(name: str, body: bytes, contract: Contract = AB, **given) -> Batch:
    return FORMATS[name].decode(body, Reading(contract, PARSER, **given))


def faults_of(name: str, body: bytes, contract: Contract = AB, **given):
    with pytest.raises(InvalidInput) as caught:
        read(name, body, contract, **given)
    return [(fault.row, fault.feature, fault.code) for fault in caught.value.faults]


def cells(batch: Batch) -> dict[str, list[object]]:
    return {name: column.tolist() for name, column in batch.columns.items()}


@every
def test_mixed_columns_keep_their_types(name: str) -> None:
    """In any order: text and dictionaries of it, integers, booleans, missing values."""
    batch = read(name, WRITERS[name](TABLE), MIXED)

    assert repr(cells(batch)) == repr(EXPECTED)
    assert [column.dtype.kind for column in batch.columns.values()] == list("fibOOfOf")
    MIXED.check(batch)


@every
def test_numbers_make_a_matrix(name: str) -> None:
    """Of any width; a missing one is NaN, and so is a nullable column that is left out."""
    [[one, two], [three, missing]] = read(name, WRITERS[name](MATRIX)).values.tolist()
    [[four, left_out]] = read(name, WRITERS[name](pa.table({"a": [4.0]}))).values.tolist()

    assert (one, two, three, four) == (1.0, 2.0, 3.0, 4.0)
    assert math.isnan(missing)
    assert math.isnan(left_out)


@every
@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_packed_columns_are_read(name: str, compression: str) -> None:
    """As Feather files are, and with texts and missing values among them."""
    body = WRITERS[name](TABLE, compression=compression)

    assert repr(cells(read(name, body, MIXED))) == repr(EXPECTED)


@every
def test_many_batches_are_one_table(name: str) -> None:
    """Each with a dictionary of its own."""
    part = TABLE.slice(1, 1)
    other = part.set_column(1, "city", pa.array(["Trier"]).dictionary_encode())
    whole = pa.concat_tables([part, other])
    body = parquet(whole, row_group_size=1) if name == "parquet" else None
    if body is None and name == "arrow_stream":
        body = stream(whole)
    if body is not None:
        assert read(name, body, MIXED).columns["city"].tolist() == ["Kiel", "Trier"]


@pytest.mark.parametrize("data_type", [pa.string_view(), pa.large_string()])
def test_each_kind_of_text_is_read(data_type) -> None:
    """Also views, unless they show more than the cap allows."""
    long = "x" * 1000
    table = TABLE.set_column(1, "city", pa.array(["Bonn", long, "Bonn"], data_type))

    assert read("arrow_stream", stream(table), MIXED).columns["city"].tolist()[1] == long


@every
@pytest.mark.parametrize(
    ("column", "values", "fault"),
    [
        ("city", pa.array([1, 2, 3]), (None, "city", "wrong_datatype")),
        ("city", pa.array([b"a", b"b", b"c"]), (None, "city", "wrong_datatype")),
        ("age", pa.array(["1", "2", "3"]), (None, "age", "wrong_datatype")),
        ("age", pa.array([[1.0], [2.0], [3.0]]), (None, "age", "wrong_datatype")),
        ("age", pa.array([{"x": 1}] * 3), (None, "age", "wrong_datatype")),
        ("age", pa.array([1, 2, 3], pa.timestamp("s")), (None, "age", "wrong_datatype")),
        ("age", pa.array([1, 2, 3], pa.decimal128(5)), (None, "age", "wrong_datatype")),
        ("visits", pa.array([1.0, 2.0, 3.0]), (None, "visits", "wrong_datatype")),
        ("visits", pa.array([1, None, 3]), (1, "visits", "missing_value")),
        ("visits", pa.array([1, 2, 2**63], pa.uint64()), (2, "visits", "out_of_range")),
        ("since", pa.array([1, 2**53 + 1, None]), (1, "since", "out_of_range")),
        ("member", pa.array([1, 0, 1]), (None, "member", "wrong_datatype")),
        ("member", pa.array([True, None, True]), (1, "member", "missing_value")),
        ("city", pa.array(["a", None, "b"]), (1, "city", "missing_value")),
        ("city", pa.array(["a", None, "b"]).dictionary_encode(), (1, "city", "missing_value")),
        ("city", pa.nulls(3), (0, "city", "missing_value")),
    ],
)
def test_another_type_is_a_fault_of_its_column(name: str, column, values, fault) -> None:
    """Nothing is converted but numbers to wider ones; a missing value is a fault of its cell."""
    at = TABLE.column_names.index(column)
    body = WRITERS[name](TABLE.set_column(at, column, values))

    assert faults_of(name, body, MIXED)[0] == fault


@every
def test_a_nullable_column_may_hold_nothing(name: str) -> None:
    """Whatever its feature's type."""
    table = TABLE
    for column in ("note", "since", "vip", "debt"):
        table = table.set_column(table.column_names.index(column), column, pa.nulls(3))
    columns = read(name, WRITERS[name](table), MIXED).columns

    assert columns["note"].tolist() == columns["vip"].tolist() == [None] * 3
    assert np.isnan(columns["since"]).all()
    assert np.isnan(columns["debt"]).all()


@every
def test_names_are_checked(name: str) -> None:
    """Unknown, missing and empty, as in the other formats."""
    assert faults_of(name, WRITERS[name](pa.table({"c": [1.0]}))) == [
        (None, "c", "unknown_feature"),
        (None, "a", "missing_feature"),
    ]
    assert faults_of(name, WRITERS[name](MATRIX.slice(0, 0))) == [(None, None, "empty_batch")]


@every
def test_the_cap_of_rows_holds_on_both_sides(name: str) -> None:
    """Before a column is looked at."""
    body = WRITERS[name](MATRIX)

    assert read(name, body, max_rows=2).row_count == 2
    assert faults_of(name, body, max_rows=1) == [(None, None, "too_many_rows")]


@every
def test_a_bomb_is_not_unpacked(name: str) -> None:
    """A hundred megabytes in some kilobytes are refused before they are allocated."""
    zeros = pa.table({"a": np.zeros(12_500_000)})
    options = {"use_dictionary": False} if name == "parquet" else {}
    body = WRITERS[name](zeros, compression="zstd", **options)
    del zeros
    pool = pa.default_memory_pool()
    before = pool.bytes_allocated()
    with pytest.raises(BodyTooLarge):
        read(name, body, max_bytes=1 << 20)

    assert len(body) < 200_000
    assert pool.bytes_allocated() - before < 2 << 20


def test_references_to_one_long_text_do_not_copy_it() -> None:
    """A million rows of a text of a megabyte are a terabyte, were they texts of their own."""
    rows = 200_000
    long = pa.array(["x" * 1_000_000])
    shown = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), long)
    contract = Contract("m", "1", "", (Feature("city", "BYTES"),), (), ())
    table = pa.table({"city": shown})
    views = np.zeros((rows, 4), np.int32)
    views[:, 0] = 1_000_000
    view_array = pa.Array.from_buffers(
        pa.string_view(), rows, [None, pa.py_buffer(views), pa.py_buffer(b"x" * 1_000_000)]
    )

    for name in ("arrow_stream", "parquet"):
        column = read(name, WRITERS[name](table), contract).columns["city"]
        assert (len(column), len(set(map(id, column.tolist())))) == (rows, 1)
    with pytest.raises((BodyTooLarge, InvalidBody)):
        read("arrow_stream", stream(pa.table({"city": view_array})), contract)


def test_an_encoding_that_repeats_texts_is_refused() -> None:
    """In DELTA_BYTE_ARRAY a few bytes stand for all of the text before them."""
    options = {"use_dictionary": False, "column_encoding": {"city": "DELTA_BYTE_ARRAY"}}
    contract = Contract("m", "1", "", (Feature("city", "BYTES"),), (), ())
    body = parquet(pa.table({"city": ["x"]}), **options)

    with pytest.raises(InvalidBody, match="encoding"):
        read("parquet", body, contract)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "brotli"])
def test_each_kind_of_page_is_read(version: str, compression: str) -> None:
    """Of both versions of pages, however they are packed."""
    body = parquet(TABLE, data_page_version=version, compression=compression)

    assert repr(cells(read("parquet", body, MIXED))) == repr(EXPECTED)


def lies(body: bytes) -> list[bytes]:
    """Bodies with one length, offset or count changed to something else."""
    changed: list[bytes] = []
    for number in (2**31 - 1, -1, 2**63 - 1, -(2**63)):
        form = "<q" if abs(number) > 2**31 else "<i"
        word = struct.pack(form, number)
        places = range(0, len(body) - len(word), 4)
        changed += [body[:at] + word + body[at + len(word) :] for at in places]
    return changed


@every
def test_lying_lengths_are_refused_or_read(name: str) -> None:
    """Whatever word of a body is made very large or negative: no crash, no memory."""
    pool = pa.default_memory_pool()
    refused = 0
    for body in lies(WRITERS[name](MATRIX)):
        try:
            read(name, body)
        except (Problem, InvalidInput):
            refused += 1

    assert refused > 100
    assert pool.bytes_allocated() < 64 << 20


@every
@pytest.mark.parametrize(
    "body", [b"", b"x", b"\xff" * 64, b"ARROW1\0\0", b"PAR1", b"PAR1PAR1", b"\0" * 64]
)
def test_what_is_no_table_is_refused(name: str, body: bytes) -> None:
    """With our own words; an empty stream has no rows."""
    with pytest.raises((InvalidBody, InvalidInput)):
        read(name, body)


@every
def test_a_table_that_is_cut_off_is_refused(name: str) -> None:
    """Wherever it is cut, but for the mark of its end and the footer, which are not needed."""
    body = WRITERS[name](TABLE)
    for at in range(0, len(body) * 2 // 3, 7):
        with pytest.raises((InvalidBody, InvalidInput)):
            read(name, body[:at], MIXED)


@every
@given(st.data())
def test_damaged_tables_are_read_or_refused(name: str, data) -> None:
    """Nothing but problems and faults comes out of a body with some bytes changed."""
    body = bytearray(WRITERS[name](TABLE))
    for _ in range(data.draw(st.integers(1, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(name, bytes(body), MIXED, max_bytes=1 << 20)
    except (Problem, InvalidInput):
        return


@pytest.mark.parametrize("name", ["arrow_stream", "arrow_file"])
def test_answers_are_read_back_by_arrow(name: str) -> None:
    """A column for each output, lists where it has several; what else there is as metadata."""
    table = Table(
        {
            "predictions": np.array([1, 2], dtype=">i4"),
            "probabilities": np.array([[0.1, 0.9], [0.2, 0.8]]),
            "names": np.array(["a", None], dtype=object),
            "any": np.array([1, "x"], dtype=object),
        },
        labels={"probabilities": ["no", "yes"]},
        about={"model": "m", "version": "1"},
    )
    body = FORMATS[name].encode(table, {})
    opened = pa.ipc.open_stream(body) if name == "arrow_stream" else pa.ipc.open_file(body)
    answer = opened.read_all()

    assert answer.to_pydict() == {
        "predictions": [1, 2],
        "probabilities": [[0.1, 0.9], [0.2, 0.8]],
        "names": ["a", None],
        "any": ["1", "x"],
    }
    assert answer.schema.metadata == {b"model": b"m", b"version": b"1"}
    assert answer.schema.field("probabilities").metadata == {b"labels": b"no\nyes"}
