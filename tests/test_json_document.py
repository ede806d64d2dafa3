"""Strict JSON (SEC-56), and how it becomes a batch."""

import json
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest, DuplicateKey, InvalidJson, JsonTooDeep, JsonTooLarge, Problem
from gateway.wire.json_document import MOST_MEMBERS, JsonParser
from gateway.wire.json_shapes import batch_from_document
from model import Batch, Contract, Feature, InvalidInput

PARSER = JsonParser(max_depth=32, max_elements=1000)


def _contract(*names: str) -> Contract:
    features = tuple(Feature(name=name) for name in names)
    return Contract("m", "1", "", features=features, outputs=(), example=())


AB = _contract("a", "b")


def _parse(body: bytes, contract: Contract = AB, parser: JsonParser = PARSER) -> Batch:
    return batch_from_document(parser.parse(body), contract)


def _faults(body: bytes) -> list[tuple[int | None, str | None, str]]:
    with pytest.raises(InvalidInput) as caught:
        _parse(body)
    return [(fault.row, fault.feature, fault.code) for fault in caught.value.faults]


@pytest.mark.parametrize(
    "body",
    [
        b"[[1,2],[3,4.5]]",
        b' \n\t{"data": [[1,2],\r\n[3,4.5]]} ',
        b'{"d\\u0061ta":[[1,2],[3,4.5]]}',
        b'{"rows":[{"a":1,"b":2},{"b":4.5,"a":3}]}',
        b'{"rows":[{"\\u0061":1,"b":2},{"b":45e-1,"a":3.0}]}',
    ],
)
def test_each_shape_gives_the_same_batch(body: bytes) -> None:
    """Three shapes, any white space and order of members, one batch."""
    assert _parse(body).values.tolist() == [[1.0, 2.0], [3.0, 4.5]]


@pytest.mark.parametrize(
    "body",
    [
        b"[[NaN,1]]",
        b"[[Infinity,1]]",
        b"[[-Infinity,1]]",
        b"[[1e400,1]]",
        b"[[-1e400,1]]",
        b"[[1234567890123456789012345,1]]",
        b"[[18446744073709551616,1]]",
        b"[[-9223372036854775809,1]]",
        b"\xef\xbb\xbf[[1,2]]",
        "[[1,2]]".encode("utf-16"),
        "[[1,2]]".encode("utf-16-le"),
        "[[1,2]]".encode("utf-32"),
        b'[["\\ud800",1]]',
        b'{"\\udfff":[[1,2]]}',
        b'{"rows":[{"a\\ud800":1}]}',
        b'[["\xed\xa0\x80",1]]',
        b'[["\xff",1]]',
        b'[["\xc0\xaf",1]]',
        b'[["\n",1]]',
        b"[[1,2]] x",
        b"[[1,2]][]",
        b"[[1,2]]\x00",
        b"[[1,2],]",
        b"[[01,2]]",
        b"[[.5,2]]",
        b"[[+1,2]]",
        b"[['a',2]]",
        b"[[1,2]]//",
        b"[[1,2",
        b"",
        b" ",
        b"\x00",
    ],
)
def test_what_is_not_strict_json_is_refused(body: bytes) -> None:
    """Refused as invalid_json, whatever other parsers make of it, and the body is not repeated."""
    with pytest.raises(InvalidJson) as caught:
        _parse(body)

    assert caught.value.detail.startswith("The body ")
    assert caught.value.detail.isascii()


@pytest.mark.parametrize(
    "number", ["18446744073709551615", "-9223372036854775808", "1e308", "-0.0"]
)
def test_the_largest_numbers_are_taken(number: str) -> None:
    """64-bit integers and all finite doubles, as Python reads them."""
    assert repr(_parse(f"[[{number},1]]".encode()).values[0, 0]) == repr(np.float64(number))


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[[1,2]],"data":[[3,4]]}',
        b'{"data":[[1,2]],"d\\u0061ta":[[3,4]]}',
        b'{"rows":[],"rows":[],"x":1}',
    ],
)
def test_a_member_given_twice_is_refused(body: bytes) -> None:
    """Two parsers must never read two meanings from one body."""
    with pytest.raises(DuplicateKey):
        _parse(body)


def _nested(depth: int) -> list[bytes]:
    """Bodies of a depth, in every place that a body has."""

    def deep(levels: int) -> bytes:
        return b"[" * levels + b"]" * levels

    objects = b'{"a":' * (depth - 3) + b"1" + b"}" * (depth - 3)
    return [
        deep(depth),
        b'{"data":' + deep(depth - 1) + b"}",
        b'{"x":' + deep(depth - 1) + b',"data":[[1,2]]}',
        b'{"data":[[1,2]],"x":' + deep(depth - 1) + b"}",
        b"[[1," + deep(depth - 2) + b"]]",
        b'{"rows":[{"a":' + deep(depth - 3) + b',"b":1}]}',
        b'{"rows":[{"a":1,"b":' + objects + b"}]}",
        b'[["]]]]]",' + deep(depth - 2) + b"]]",
        b'{"\\"]]":' + deep(depth - 1) + b"}",
    ]


@pytest.mark.parametrize("body", _nested(33))
def test_one_level_too_deep_is_refused(body: bytes) -> None:
    """Depth 33 is refused wherever it is, and so is what only closing brackets in strings hide."""
    with pytest.raises(JsonTooDeep):
        _parse(body)


@pytest.mark.parametrize("body", _nested(32))
def test_the_deepest_nesting_is_read(body: bytes) -> None:
    """Depth 32 is judged by its content."""
    with pytest.raises((InvalidInput, BadRequest)) as caught:
        _parse(body)

    assert not isinstance(caught.value, JsonTooDeep)


@pytest.mark.parametrize("depth", [1_024, 1_025, 5_000, 1_000_000])
def test_very_deep_bodies_are_refused_alike(depth: int) -> None:
    """Neither the parser's own limit nor Python's recursion shows."""
    with pytest.raises(JsonTooDeep):
        _parse(b"[" * depth + b"]" * depth)


def test_brackets_inside_strings_do_not_count() -> None:
    """Text is not structure, even behind escaped quotes."""
    text = b'"' + b"[{" * 40 + b'\\"' + b"[{" * 40 + b'\\\\"'

    assert _faults(b"[[1," + text + b"]]") == [(0, "b", "string_value")]


def test_the_element_cap_holds_on_both_sides() -> None:
    """1,000 values are read, 1,001 are not."""
    assert _parse(json.dumps([[1, 2]] * 500).encode()).row_count == 500

    with pytest.raises(JsonTooLarge):
        _parse(json.dumps([[1, 2]] * 500 + [[1]]).encode())


@pytest.mark.parametrize("shape", ["%s", '{"rows":[%s]}', '{"columns":%s}'])
def test_the_member_cap_holds_on_both_sides(shape: str) -> None:
    """Names take much more memory than they take in a body, and no model has so many."""
    parser = JsonParser(max_depth=32, max_elements=1_000_000)
    members = [f'"k{at}":[]' for at in range(MOST_MEMBERS + 1)]
    most, more = (shape % f"{{{','.join(some)}}}" for some in (members[:-1], members))

    with pytest.raises((BadRequest, InvalidInput)):
        _parse(most.encode(), parser=parser)
    with pytest.raises(JsonTooLarge):
        _parse(more.encode(), parser=parser)


def test_an_object_of_many_members_is_refused_in_time() -> None:
    """The work grows with the body, not with its square: 50,000 members took a minute."""
    names = b",".join(b'"k%d":1' % index for index in range(50_000))
    started = time.process_time()
    with pytest.raises(BadRequest):
        _parse(b"{" + names + b"}", parser=JsonParser(max_depth=32, max_elements=100_000))

    assert time.process_time() - started < 5


@given(
    st.lists(
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3),
        min_size=1,
    )
)
def test_any_matrix_is_read_as_numpy_reads_it(matrix: list[list[float]]) -> None:
    """Bit for bit what json.loads and numpy give, in both shapes."""
    names = ("x", "y", "z")
    body = json.dumps(matrix).encode()
    rows = json.dumps({"rows": [dict(zip(names, row, strict=True)) for row in matrix]}).encode()
    expected = np.array(json.loads(body), dtype=np.float64)

    for given_body in (body, rows):
        assert _parse(given_body, _contract(*names)).values.tobytes() == expected.tobytes()


def _anything(body: bytes) -> None:
    try:
        _parse(body)
    except (Problem, InvalidInput):
        return


@given(st.binary() | st.text('[]{}",:0123456789.eE-+\\untrfals ab').map(str.encode))
def test_arbitrary_bytes_are_read_or_refused(body: bytes) -> None:
    """Nothing but problems and faults comes out."""
    _anything(body)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda part: st.lists(part, max_size=4) | st.dictionaries(st.sampled_from("ab\ud800"), part),
    max_leaves=20,
)


@given(
    _JSON
    | st.builds(lambda part: {"rows": [part]}, _JSON)
    | st.builds(lambda part: {"data": [part]}, _JSON)
)
def test_arbitrary_json_is_read_or_refused(value: object) -> None:
    """Also in the places where rows are expected."""
    _anything(json.dumps(value).encode())


def test_nothing_leaks_from_one_document_into_the_next() -> None:
    """One parser: after a larger body, after errors, and while earlier documents are still read."""
    parser = JsonParser(max_depth=32, max_elements=1000)
    first = parser.parse(b'{"data":[[1,2],[3,4]]}')
    second = parser.parse(b"[[5,6]]")
    for body in (b"[[NaN,1]]", b"[" * 40, b"\xff", b"[[18446744073709551616,1]]", b"[[1,2"):
        with pytest.raises(Problem):
            _parse(body, parser=parser)
    third = _parse(b"[[7,8]]", parser=parser)

    assert third.values.tolist() == [[7.0, 8.0]]
    assert batch_from_document(second, AB).values.tolist() == [[5.0, 6.0]]
    assert batch_from_document(first, AB).values.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_a_batch_outlives_the_next_parse() -> None:
    """The numbers are the batch's own, not a view of the parser's memory."""
    parser = JsonParser(max_depth=32, max_elements=1000)
    batch = _parse(b"[[1,2]]", parser=parser)
    _parse(b"[[3,4]]", parser=parser)

    assert batch.values.tolist() == [[1.0, 2.0]]


def test_long_strings_take_little_memory() -> None:
    """A string of a megabyte with brackets and escapes is read past in linear time."""
    text = b'"' + b"[\\\\x" * 250_000 + b'"'

    assert _faults(b"[[1," + text + b"]]") == [(0, "b", "string_value")]
