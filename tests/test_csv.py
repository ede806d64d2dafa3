"""Rows as CSV, in and out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest, BodyTooLarge, InvalidBody, Problem
from gateway.wire.formats import FORMATS
from gateway.wire.formats.csv_rows import first_line, is_header
from gateway.wire.formats.format import Reading
from gateway.wire.json_document import JsonParser
from gateway.wire.table import Table
from model import Batch, Contract, Feature, InvalidInput
from model.signature import CallLimits

PARSER = JsonParser(max_depth=32, max_elements=1000)
AB = Contract("m", "1", "", (Feature("a"), Feature("b")), (), ())
NULLABLE = Contract("m", "1", "", (Feature("a"), Feature("b", nullable=True)), (), ())
NUMBERED = Contract("m", "1", "", (Feature("0"), Feature("1")), (), ())
ONE = Contract("m", "1", "", (Feature("a", nullable=True),), (), ())
MIXED = Contract(
    "churn",
    "1",
    "",
    (
        Feature("age", minimum=0.0),
        Feature("visits", "INT64"),
        Feature("member", "BOOL"),
        Feature("city", "BYTES"),
        Feature("note", "BYTES", nullable=True),
        Feature("since", "INT64", nullable=True),
    ),
    (),
    (),
)


def read(body: bytes, contract: Contract = AB, max_rows: int | None = None, **parameters) -> Batch:
    return FORMATS["csv"].decode(body, Reading(contract, PARSER, max_rows, parameters=parameters))


def faults_of(body: bytes, contract: Contract = AB, max_rows: int | None = None, **parameters):
    with pytest.raises(InvalidInput) as caught:
        read(body, contract, max_rows, **parameters)
    return [(fault.row, fault.feature, fault.code) for fault in caught.value.faults]


@pytest.mark.parametrize(
    "body",
    [
        b"1,2\n3,4.5\n",
        b"1,2\n3,4.5",
        b"1,2\r\n3,4.5\r\n",
        b"1,2\r3,4.5\r",
        b"a,b\n1,2\n3,4.5\n",
        b"a,b\r\n1,2\r\n3,4.5",
        b"b,a\n2,1\n4.5,3\n",
        b'"b","a"\n"2","1"\n"4.5","3"\n',
        b"\xef\xbb\xbfa,b\n1,2\n3,4.5\n",
        b"\xef\xbb\xbf1,2\n3,4.5\n",
        b" 1 , 2\n 3,45e-1\n",
        b"+1,2.\n03,4.50\n",
        b"b,a\n2,+1\n4.5,3\n",
    ],
)
def test_each_way_of_writing_gives_the_same_batch(body: bytes) -> None:
    """With a header in any order or without one, either end of line, quoted or not."""
    assert read(body).values.tolist() == [[1.0, 2.0], [3.0, 4.5]]


def test_types_are_those_of_the_features() -> None:
    """Mixed columns keep their types; an empty cell is missing where it may be, else empty text."""
    body = (
        b"note,city,member,visits,age,since\r\n"
        b'"a ""b"",\nc",24103,TRUE,-3,40.5,7\r\n'
        b',"",false,9223372036854775807,.5,\r\n'
    )
    columns = read(body, MIXED).columns

    assert {name: column.dtype.kind for name, column in columns.items()} == {
        "age": "f", "visits": "i", "member": "b", "city": "O", "note": "O", "since": "f",
    }  # fmt: skip
    assert columns["age"].tolist() == [40.5, 0.5]
    assert columns["visits"].tolist() == [-3, 2**63 - 1]
    assert columns["member"].tolist() == [True, False]
    assert columns["city"].tolist() == ["24103", ""]
    assert columns["note"].tolist() == ['a "b",\nc', None]
    assert columns["since"][0] == 7.0
    assert math.isnan(columns["since"][1])


@pytest.mark.parametrize("body", [b"1,\n3,4\n", b"a,b\n1,\n3,4\n", b"b,a\n,1\n4,3\n"])
def test_an_empty_number_is_a_missing_value(body: bytes) -> None:
    """NaN where the contract allows it, else a fault of that cell."""
    [[one, missing], other] = read(body, NULLABLE).values.tolist()

    assert (one, math.isnan(missing), other) == (1.0, True, [3.0, 4.0])
    assert faults_of(body) == [(0, "b", "missing_value")]


def test_a_nullable_column_may_be_left_out() -> None:
    """With a header, as in the other formats."""
    [[one, missing]] = read(b"a\n1\n", NULLABLE).values.tolist()

    assert (one, math.isnan(missing)) == (1.0, True)


def test_lines_without_a_character_are_rows_of_one_column() -> None:
    """Where there is one feature, an empty line is an empty cell; elsewhere a row too short."""
    values = read(b"a\n1\n\n3\n", ONE).values

    assert np.isnan(values[:, 0]).tolist() == [False, True, False]
    assert faults_of(b"1,2\n\n3,4\n") == [(1, None, "ragged_rows")]


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        (b"1\n2\n", [(None, None, "wrong_feature_count")]),
        (b"1,2,3\n", [(None, None, "wrong_feature_count")]),
        (b"1,2\n3\n", [(1, None, "ragged_rows")]),
        (b"1,2,3\n4\n", [(0, None, "ragged_rows"), (1, None, "ragged_rows")]),
        (b"1,2],[3,4\n", [(None, None, "wrong_feature_count")]),
        (b"1,[2]\n", [(0, "b", "string_value")]),
        (b"1,true\n", [(0, "b", "string_value")]),
        (b"1,null\n", [(0, "b", "string_value")]),
        (b"1,nan\n", [(0, "b", "string_value")]),
        (b"1,inf\n", [(0, "b", "string_value")]),
        (b"1,1_000\n", [(0, "b", "string_value")]),
        ("1,\u0663\n".encode(), [(0, "b", "string_value")]),
        (b"1,0x10\n", [(0, "b", "string_value")]),
        (b"1;2\n", [(None, None, "wrong_feature_count")]),
        (b"a,c\n1,2\n", [(None, "c", "unknown_feature"), (None, "b", "missing_feature")]),
        (b"a,b,c\n1,2,3\n", [(None, "c", "unknown_feature")]),
        (b"a,b,a\n1,2,3\n", [(None, "a", "duplicate_feature")]),
        (b"a\n1\n", [(None, "b", "missing_feature")]),
        (b"a,b\n", [(None, None, "empty_batch")]),
        (b"a,b", [(None, None, "empty_batch")]),
        (b"a,b\n1,2\n3\n", [(1, None, "ragged_rows")]),
    ],
)
def test_what_is_wrong_is_said(
    body: bytes, faults: list[tuple[int | None, str | None, str]]
) -> None:
    """Rows are counted from 0, after the header."""
    assert faults_of(body) == faults


@pytest.mark.parametrize("body", [b"1,1e400\n", b"1,1e400\n2,\n"])
def test_numbers_beyond_doubles_are_infinite(body: bytes) -> None:
    """The contract refuses them."""
    batch = read(body, NULLABLE)
    with pytest.raises(InvalidInput) as caught:
        NULLABLE.check(batch)

    assert [fault.code for fault in caught.value.faults] == ["not_finite"]


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        (b"3.0", "not_integer"),
        (b"1e3", "not_integer"),
        (b"9223372036854775808", "out_of_range"),
        (b"-9223372036854775809", "out_of_range"),
        (b"1" * 5000, "out_of_range"),
        (b"x", "string_value"),
        (b"", "missing_value"),
    ],
)
def test_integers_are_strict(cell: bytes, code: str) -> None:
    """Whatever their length."""
    assert faults_of(b"1," + cell + b",true,x,,\n", MIXED) == [(0, "visits", code)]


@pytest.mark.parametrize("cell", [b"1", b"yes", b"t", b"0"])
def test_booleans_are_true_or_false(cell: bytes) -> None:
    """In any case of letters, and nothing else."""
    assert faults_of(b"1,2," + cell + b",x,,\n", MIXED) == [(0, "member", "string_value")]


def test_a_header_is_known_by_its_names() -> None:
    """One name makes a header; what could be either is asked, and the parameter decides."""
    assert is_header(["a", "zzz"], AB)
    assert not is_header(["1", "zzz"], AB)
    assert not is_header([], AB)
    assert not is_header(["0", "0"], NUMBERED)
    with pytest.raises(BadRequest, match="header=present"):
        is_header(["1", "0"], NUMBERED)
    assert read(b"1,0\n5,6\n", NUMBERED, header="present").values.tolist() == [[6.0, 5.0]]
    assert read(b"1,0\n5,6\n", NUMBERED, header="absent").values.tolist() == [[1, 0], [5, 6]]
    with pytest.raises(BadRequest, match="header"):
        read(b"1,2\n", header="maybe")


@pytest.mark.parametrize(
    ("body", "cells"),
    [(b"a,b\n1", ["a", "b"]), (b'"a\n",b\r\n1', ["a\n", "b"]), (b"", []), (b"a", ["a"])],
)
def test_the_first_line_can_be_asked_for(body: bytes, cells: list[str]) -> None:
    """For those who decide by it who is speaking."""
    assert first_line(body) == cells


@pytest.mark.parametrize(
    "body", [b'"a', b'1,"2"x\n', b'1,"2\n', b"1,\xff\n", b"1," + b"x" * 200_000]
)
def test_what_is_no_csv_is_refused(body: bytes) -> None:
    """Open quotes, text behind them, other encodings, cells without end."""
    with pytest.raises(InvalidBody) as caught:
        read(body)

    assert caught.value.detail.isascii()


def test_caps_hold_on_both_sides() -> None:
    """Of values and rows, the plan's and the model's, on the fast path and the other."""
    limited = Contract("m", "1", "", AB.features, (), (), CallLimits(max_rows=3))
    for line in (b"1,2\n", b'1,"2"\n'):
        assert read(line * 2, limited, 2).row_count == 2
        assert faults_of(line * 3, limited, 2) == [(None, None, "too_many_rows")]
        assert faults_of(line * 4, limited) == [(None, None, "too_many_rows")]
        assert read(line * 499).row_count == 499
        with pytest.raises(BodyTooLarge):
            read(line * 500)


@given(
    st.lists(
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2),
        min_size=1,
        max_size=20,
    )
)
def test_any_matrix_comes_back(matrix: list[list[float]]) -> None:
    """Bit for bit, on the fast path and on the other, and through an answer."""
    lines = "".join(f"{a!r},{b!r}\n" for a, b in matrix).encode()
    quoted = "".join(f'"{a!r}",{b!r}\n' for a, b in matrix).encode()
    expected = np.array(matrix, dtype=np.float64)
    answer = FORMATS["csv"].encode(Table({"x": expected}, {"x": ["a", "b"]}), {"header": "absent"})

    for body in (lines, quoted, answer):
        assert read(body).values.tobytes() == expected.tobytes()


@given(st.binary() | st.text('ab,"\r\n0123456789.eE-+[]{} nif').map(str.encode))
def test_arbitrary_bytes_are_read_or_refused(body: bytes) -> None:
    """Nothing but problems and faults comes out, and the fast path says what the other says."""
    for contract in (AB, NULLABLE, MIXED, NUMBERED, ONE):
        try:
            read(body, contract)
        except (Problem, InvalidInput):
            continue


_CELLS = st.sampled_from(["1", "2.5", "", "x", "-1", "1e5"])


@given(st.lists(st.lists(_CELLS, min_size=1), min_size=1))
def test_both_paths_agree(rows: list[list[str]]) -> None:
    """Quotes send a body down the slow path; what is read or said is the same."""
    outcomes = []
    for form in ("{}", '"{}"'):
        body = "".join(",".join(map(form.format, row)) + "\n" for row in rows).encode()
        try:
            outcomes.append(read(body, NULLABLE, header="absent").values.tobytes())
        except InvalidInput as exc:
            outcomes.append((exc.faults, exc.fault_count))

    assert outcomes[0] == outcomes[1]


def test_an_answer_is_a_table() -> None:
    """A header, a line for each row, text quoted where it must be, numbers at their shortest."""
    table = Table(
        {
            "predictions": np.array(['a "b"', "c,d", "e"]),
            "scores": np.array([[0.1, 1.0], [1e300, -0.0], [2.0, 3.0]]),
            "count": np.array([1, 2, 3], dtype=">i4"),
            "object": np.array([None, True, "x"], dtype=object),
        },
        labels={"scores": ["low", "high"]},
    )

    assert FORMATS["csv"].encode(table, {}).decode().split("\r\n") == [
        "predictions,scores_low,scores_high,count,object",
        '"a ""b""",0.1,1.0,1,',
        '"c,d",1e+300,-0.0,2,True',
        "e,2.0,3.0,3,x",
        "",
    ]
    assert FORMATS["csv"].encode(table, {"header": "absent"}).startswith(b'"a')
