"""Rows that do not keep the contract: everything that is wrong is said, up to a cap."""

import json
import math

import pytest

from gateway.wire.json_document import JsonParser
from gateway.wire.json_shapes import batch_from_document
from model import Contract, Feature, InvalidInput

PARSER = JsonParser(max_depth=32, max_elements=100_000)
FEATURES = (Feature(name="a"), Feature(name="b"))
AB = Contract("m", "1", "", features=FEATURES, outputs=(), example=())


def _refused(body: bytes, contract: Contract = AB) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        batch_from_document(PARSER.parse(body), contract)
    return caught.value


def _faults(body: bytes) -> list[tuple[int | None, str | None, str]]:
    return [(fault.row, fault.feature, fault.code) for fault in _refused(body).faults]


def test_a_feature_given_twice_is_a_fault_of_its_row() -> None:
    """Equal values too, and names that are equal only after unescaping."""
    body = b'{"rows":[{"a":1,"b":2},{"a":1,"b":2,"a":1},{"a":1,"b":2,"\\u0062":2}]}'

    assert _faults(body) == [(1, "a", "duplicate_feature"), (2, "b", "duplicate_feature")]


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (b"[[1],[2,3,4]]", ["ragged_rows", "ragged_rows"]),
        (b"[[1,2,3],[4]]", ["ragged_rows", "ragged_rows"]),
        (b"[[],[1,2,3,4]]", ["ragged_rows", "ragged_rows"]),
        (b"[[1,2],[3]]", ["ragged_rows"]),
        (b"[[1],[2]]", ["wrong_feature_count"]),
        (b"[[1,2,3]]", ["wrong_feature_count"]),
        (b"[[]]", ["wrong_feature_count"]),
        (b"[[[1],2],[3,4]]", ["nested_value"]),
        (b"[[[1,2],[3,4]]]", ["nested_value", "nested_value"]),
        (b"[1,2,[3,4]]", ["not_a_row", "not_a_row"]),
        (b"[1,2]", ["not_a_row", "not_a_row"]),
        (b"[[1,2],null]", ["not_a_row"]),
        (b'[[1,"2"]]', ["string_value"]),
        (b"[[true,2]]", ["boolean_value"]),
        (b"[[1,null]]", ["missing_value"]),
        (b'[[1,{"x":1,"x":2}]]', ["nested_value"]),
        (b"[]", ["empty_batch"]),
        (b'{"data":[]}', ["empty_batch"]),
        (b'{"rows":[]}', ["empty_batch"]),
        (b'{"data":1}', ["not_rows"]),
        (b'{"rows":{"a":1,"b":2}}', ["not_rows"]),
        (b'{"rows":"ab"}', ["not_rows"]),
        (b'{"rows":[[1,2]]}', ["not_a_row"]),
        (b'{"rows":[[]]}', ["not_a_row"]),
        (b'{"rows":[[["a",1],["b",2]]]}', ["not_a_row"]),
        (b'{"rows":[{}]}', ["missing_feature", "missing_feature"]),
        (b'{"rows":[{"a":1,"b":2,"c":3}]}', ["unknown_feature"]),
        (b"null", ["not_rows"]),
        (b'"text"', ["not_rows"]),
    ],
)
def test_rows_that_are_not_rows_are_faults(body: bytes, codes: list[str]) -> None:
    """Also rows of wrong lengths that add up to the right count."""
    assert sorted(code for _, _, code in _faults(body)) == codes


def test_counting_faults_ends() -> None:
    """A body of faults is refused after 10,000 of them: counting millions blocked a worker."""
    error = _refused(b"[" + b'"",' * 50_000 + b'""]')

    assert (len(error.faults), error.fault_count) == (100, 10_000)


def test_every_fault_is_counted_up_to_there() -> None:
    """The first 100 are shown, all are counted."""
    error = _refused(b"[" + b'["",1],' * 5_000 + b"[1,null]]")

    assert (len(error.faults), error.fault_count) == (100, 5_001)
    assert [fault.row for fault in error.faults] == list(range(100))


def test_a_fault_never_holds_the_value() -> None:
    """What was found is its kind; an unknown name is cut at 64 characters."""
    name = "n" * 100
    row = {"a": "canary", "b": ["canary"], name: 1}
    faults = _refused(json.dumps({"rows": [row]}).encode()).faults

    assert "canary" not in repr(faults)
    assert {fault.found for fault in faults} == {"a string", "an array", "an unknown name"}
    assert [fault.feature for fault in faults if fault.code == "unknown_feature"] == ["n" * 64]


def test_null_is_a_number_only_where_the_contract_says_so() -> None:
    """A nullable feature takes null as NaN, in arrays and in objects; the other does not."""
    nullable = (Feature(name="a", nullable=True), Feature(name="b"))
    contract = Contract("m", "1", "", features=nullable, outputs=(), example=())
    for body in (b"[[null,1]]", b'{"rows":[{"a":null,"b":1}]}'):
        [[missing, present]] = batch_from_document(PARSER.parse(body), contract).values.tolist()
        assert (math.isnan(missing), present) == (True, 1.0)

    assert _refused(b"[[null,null]]", contract).fault_count == 1
