"""A row on each line."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidJson, Problem
from gateway.wire.formats import FORMATS
from gateway.wire.formats.format import Reading
from gateway.wire.json_document import JsonParser
from gateway.wire.table import Table
from model import Batch, Contract, Feature, InvalidInput

PARSER = JsonParser(max_depth=32, max_elements=1000)
AB = Contract("m", "1", "", (Feature("a"), Feature("b", nullable=True)), (), ())


def read(body: bytes, max_rows: int | None = None) -> Batch:
    return FORMATS["ndjson"].decode(body, Reading(AB, PARSER, max_rows))


def faults_of(body: bytes, max_rows: int | None = None):
    with pytest.raises(InvalidInput) as caught:
        read(body, max_rows)
    return [(fault.row, fault.feature, fault.code) for fault in caught.value.faults]


@pytest.mark.parametrize(
    "body",
    [
        b"[1,2]\n[3,4.5]\n",
        b"[1,2]\n[3,4.5]",
        b"[1,2]\r\n[3,4.5]\r\n",
        b" [1, 2] \n\t[3,4.5]\n\n",
        b'{"a":1,"b":2}\n{"b":4.5,"a":3}\n',
        b'{"a":1,"b":2} \n {"b":4.5,"a":3}',
    ],
)
def test_lines_are_rows(body: bytes) -> None:
    """Arrays in the order of the features, or objects by their names."""
    assert read(body).values.tolist() == [[1.0, 2.0], [3.0, 4.5]]


def test_a_missing_value_is_null_or_left_out() -> None:
    """As in JSON."""
    for body in (b"[1,null]\n", b'{"a":1}\n', b'{"a":1,"b":null}\n'):
        [[one, missing]] = read(body).values.tolist()
        assert (one, math.isnan(missing)) == (1.0, True)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b"[1,2]\n[3", 2),
        (b"[1\n2]\n", 1),
        (b"[1\n,2]\n", 1),
        (b"[1\n2],[3,4]\n", 1),
        (b"[1,2],[3,4]\n", 1),
        (b"[1,2]\n\n[3,4]\n", 2),
        (b"[1,2]\n[3,4],[5,6]\n[7,8]\n", 2),
        (b'{"a":1}\n{"a":[{}\n{}]}\n', 2),
        (b"\n", 1),
        (b"[1,NaN]\n", 1),
        (b"[1,\xff]\n", 1),
        (b"[1,2]\n\xef\xbb\xbf[1,2]\n", 2),
    ],
)
def test_a_line_that_is_no_json_is_named(body: bytes, line: int) -> None:
    """Each line is a document of its own: no row goes over two, no line has two."""
    with pytest.raises(InvalidJson, match=f"Line {line} "):
        read(body)


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        (b"[1]\n[2]\n", [(None, None, "wrong_feature_count")]),
        (b"[1,2]\n[3]\n", [(1, None, "ragged_rows")]),
        (b'[1,2]\n{"a":1}\n', [(1, None, "not_a_row")]),
        (b'{"a":1}\n[1,2]\n', [(1, None, "not_a_row")]),
        (b"1\n2\n", [(0, None, "not_a_row"), (1, None, "not_a_row")]),
        (b"[[1],2]\n[3,4]\n", [(0, "a", "nested_value")]),
        (b"[[1,2]\n[3,4]]\n", None),
        (b'{"a":1}\n{"c":1}\n', [(1, "c", "unknown_feature"), (1, "a", "missing_feature")]),
        (b'{"a":1,"a":2}\n', [(0, "a", "duplicate_feature")]),
        (b'["x",2]\n', [(0, "a", "string_value")]),
    ],
)
def test_what_is_wrong_is_said_with_its_row(body: bytes, faults) -> None:
    """The first line is row 0."""
    if faults is None:
        with pytest.raises(InvalidJson):
            read(body)
    else:
        assert faults_of(body) == faults


def test_the_cap_of_rows_holds_on_both_sides() -> None:
    """For arrays and objects."""
    for line in (b"[1,2]\n", b'{"a":1}\n'):
        assert read(line * 3, 3).row_count == 3
        assert faults_of(line * 4, 3) == [(None, None, "too_many_rows")]


_PAIRS = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2)


@given(st.lists(_PAIRS, min_size=1, max_size=20))
def test_any_matrix_comes_back(matrix: list[list[float]]) -> None:
    """Bit for bit, as arrays and as objects."""
    arrays = "".join(json.dumps(row) + "\n" for row in matrix).encode()
    objects = "".join(json.dumps(dict(zip("ab", row, strict=True))) + "\n" for row in matrix)
    expected = np.array(matrix, dtype=np.float64).tobytes()

    assert read(arrays).values.tobytes() == read(objects.encode()).values.tobytes() == expected


@given(st.binary() | st.text('[]{}",:012.eE-+\n ab').map(str.encode))
def test_arbitrary_bytes_are_read_as_line_by_line(body: bytes) -> None:
    """Nothing but problems and faults comes out, and what is read is one row for each line."""
    try:
        batch = read(body)
    except (Problem, InvalidInput):
        return
    assert batch.row_count == len(body.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n"))


def test_an_answer_is_a_line_for_each_row() -> None:
    """An object with a member for each output; what the shape cannot hold is not said."""
    table = Table(
        {
            "predictions": np.array(["a,\n", 'b"'], dtype=object),
            "probabilities": np.array([[0.1, 0.9], [1.0, 0.0]]),
            "50%": np.array([1, 2], dtype=">i4"),
            "names": np.array([["x", "y,"], ["], [", "z"]]),
        },
        about={"model": "m"},
    )
    lines = FORMATS["ndjson"].encode(table, {}).split(b"\n")

    assert [json.loads(line) for line in lines[:-1]] == [
        {"predictions": "a,\n", "probabilities": [0.1, 0.9], "50%": 1, "names": ["x", "y,"]},
        {"predictions": 'b"', "probabilities": [1.0, 0.0], "50%": 2, "names": ["], [", "z"]},
    ]
    assert lines[-1] == b""
