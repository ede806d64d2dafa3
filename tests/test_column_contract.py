"""What a contract of mixed columns accepts, and how it names what is wrong."""

import math

import numpy as np
import pytest

from model import MAX_FAULTS, Batch, Contract, Fault, Feature, InvalidInput

NAN, INF = math.nan, math.inf

FEATURES = (
    Feature("age", minimum=0.0, maximum=120.0),
    Feature("visits", "INT64", minimum=1.0, maximum=99.0),
    Feature("last", "INT64", nullable=True),
    Feature("member", "BOOL"),
    Feature("asked", "BOOL", nullable=True),
    Feature("city", "BYTES", categories=("Bonn", "Kiel")),
    Feature("note", "BYTES", nullable=True),
)
CONTRACT = Contract("churn", "1", "", FEATURES, (), ())
ROW = (40.5, 3, 7, True, False, "Bonn", "text")


def row_with(name, value):
    at = CONTRACT.feature_names.index(name)
    return (*ROW[:at], value, *ROW[at + 1 :])


def refusal_of(check, *arguments):
    with pytest.raises(InvalidInput) as caught:
        check(*arguments)
    return caught.value


def one(datatype, value, **facts):
    """A contract of one feature and a batch with one value of it."""
    contract = Contract(
        "m", "1", "", (Feature("a", datatype, **facts), Feature("t", "BYTES")), (), ()
    )
    return contract, contract.batch_from_rows([(value, "")])


def test_columns_have_the_types_of_a_batch():
    """Each column is held as `Batch` says, also where values are missing."""
    batch = CONTRACT.batch_from_rows([ROW, (1, 1, None, False, None, "Kiel", None)])

    assert not batch.dense
    assert [column.dtype.str[1:] for column in batch.columns.values()] == [
        "f8",
        "i8",
        "f8",
        "b1",
        "O",
        "O",
        "O",
    ]
    assert tuple(batch.columns) == CONTRACT.feature_names
    assert math.isnan(batch.columns["last"][1])
    assert batch.columns["asked"].tolist() == [False, None]
    assert batch.columns["note"].tolist() == ["text", None]


def test_rows_of_numbers_only_make_a_matrix():
    """Where all features are FP64 the batch is dense."""
    contract = Contract("m", "1", "", (Feature("a"), Feature("b", nullable=True)), (), ())
    batch = contract.batch_from_rows([(1, 2.5), (3, None)])

    assert batch.dense
    assert batch.values.flags.c_contiguous
    assert repr(batch.values.tolist()) == "[[1.0, 2.5], [3.0, nan]]"


@pytest.mark.parametrize("contract", [CONTRACT, Contract("m", "1", "", (Feature("a"),), (), ())])
def test_no_rows_make_an_empty_batch(contract):
    """It is the check that refuses it, not the making."""
    batch = contract.batch_from_rows([])

    assert batch.row_count == 0
    assert [fault.code for fault in refusal_of(contract.check, batch).faults] == ["empty_batch"]


def test_the_example_is_a_batch_of_the_same_types():
    """Mixed rows of the example are columns, too."""
    contract = Contract("m", "1", "", FEATURES, (), (ROW, ROW))

    contract.check(contract.example_batch)
    assert contract.example_batch.columns["city"].tolist() == ["Bonn", "Bonn"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("age", 0.0),
        ("age", 120.0),
        ("age", 5),
        ("visits", 1),
        ("visits", 99),
        ("last", None),
        ("last", 2**53),
        ("last", -(2**53)),
        ("asked", None),
        ("city", "Kiel"),
        ("note", None),
        ("note", ""),
    ],
)
def test_good_values_are_accepted(name, value):
    """Bounds are inclusive, and a nullable feature of any type may be missing."""
    CONTRACT.check(CONTRACT.batch_from_rows([row_with(name, value)]))


@pytest.mark.parametrize(
    ("name", "value", "code", "found", "expected"),
    [
        ("age", -0.5, "out_of_range", "number below 0", "number from 0 to 120"),
        ("age", 120.5, "out_of_range", "number above 120", "number from 0 to 120"),
        ("age", INF, "not_finite", "infinity", "number from 0 to 120"),
        ("age", NAN, "missing_value", "null or NaN", "number from 0 to 120"),
        ("visits", 0, "out_of_range", "number below 1", "integer from 1 to 99"),
        ("visits", 100, "out_of_range", "number above 99", "integer from 1 to 99"),
        ("city", "bonn", "unknown_category", "a string not listed", "one of 'Bonn', 'Kiel'"),
        ("city", "", "unknown_category", "a string not listed", "one of 'Bonn', 'Kiel'"),
    ],
)
def test_a_bad_value_is_named_by_row_and_feature(name, value, code, found, expected):
    """A fault says where, which rule and what kind of value; never the value itself."""
    batch = CONTRACT.batch_from_rows([ROW, row_with(name, value)])
    refusal = refusal_of(CONTRACT.check, batch)

    assert refusal.faults == (Fault(1, name, code, found, expected),)
    assert refusal.fault_count == 1


@pytest.mark.parametrize(
    ("name", "value", "code", "found", "expected"),
    [
        ("age", "40", "string_value", "a string", "a number"),
        ("age", True, "boolean_value", "a boolean", "a number"),
        ("age", None, "missing_value", "null", "a number"),
        ("age", [1], "nested_value", "an array", "a number"),
        pytest.param(
            "age", 10**400, "not_finite", "a number beyond doubles", "a number", id="age-huge"
        ),
        ("visits", 3.0, "not_integer", "a number with a decimal point or exponent", "an integer"),
        ("visits", True, "boolean_value", "a boolean", "an integer"),
        ("visits", None, "missing_value", "null", "an integer"),
        ("visits", "3", "string_value", "a string", "an integer"),
        ("visits", 2**63, "out_of_range", f"number above {2**63 - 1}", "an integer"),
        ("visits", -(2**63) - 1, "out_of_range", f"number below {-(2**63)}", "an integer"),
        ("last", 2**53 + 1, "out_of_range", f"number above {2**53}", "an integer or null"),
        ("last", -(2**53) - 1, "out_of_range", f"number below {-(2**53)}", "an integer or null"),
        ("member", 1, "number_value", "a number", "true or false"),
        ("member", "true", "string_value", "a string", "true or false"),
        ("member", None, "missing_value", "null", "true or false"),
        ("asked", 0.0, "number_value", "a number", "true or false or null"),
        ("city", 1, "number_value", "a number", "one of 'Bonn', 'Kiel'"),
        ("city", False, "boolean_value", "a boolean", "one of 'Bonn', 'Kiel'"),
        ("city", None, "missing_value", "null", "one of 'Bonn', 'Kiel'"),
        ("note", 1.5, "number_value", "a number", "a string or null"),
        ("note", {"a": 1}, "nested_value", "an object", "a string or null"),
    ],
)
def test_a_value_of_another_type_is_named(name, value, code, found, expected):
    """No text is read as a number, no number as text, no 1.0 as an integer, no 1 as true."""
    refusal = refusal_of(CONTRACT.batch_from_rows, [ROW, row_with(name, value), ROW])

    assert refusal.faults == (Fault(1, name, code, found, expected),)
    assert refusal.fault_count == 1


def test_types_and_ranges_are_said_together_in_row_order():
    """A wrong type in one row does not hide a number out of range in another, or in the same."""
    rows = [row_with("age", -1), row_with("city", 5), (500, "x", *ROW[2:])]
    refusal = refusal_of(CONTRACT.batch_from_rows, rows)

    assert [(fault.row, fault.feature, fault.code) for fault in refusal.faults] == [
        (0, "age", "out_of_range"),
        (1, "city", "number_value"),
        (2, "visits", "string_value"),
        (2, "age", "out_of_range"),
    ]


@pytest.mark.parametrize("count", [MAX_FAULTS, MAX_FAULTS + 1])
def test_faults_are_capped_and_counted(count):
    """At most MAX_FAULTS are listed, the first by row; the count is that of all."""
    rows = [(None, "x", *ROW[2:])] * count
    refusal = refusal_of(CONTRACT.batch_from_rows, rows)

    assert len(refusal.faults) == MAX_FAULTS
    assert refusal.fault_count == 2 * count
    assert [fault.row for fault in refusal.faults] == [at // 2 for at in range(MAX_FAULTS)]


@pytest.mark.parametrize("width", [len(ROW) - 1, len(ROW) + 1])
def test_a_row_of_another_length_is_refused(width):
    """Which feature a value belongs to is never guessed."""
    row = (*ROW, "more")[:width]
    refusal = refusal_of(CONTRACT.batch_from_rows, [ROW, row])

    assert [(fault.row, fault.code) for fault in refusal.faults] == [(1, "ragged_rows")]


@pytest.mark.parametrize(
    "columns",
    [
        {"a": np.ones(2)},
        {"b": np.ones(2), "a": np.ones(2, np.int64)},
        {"a": np.ones(2, np.int64), "c": np.ones(2)},
    ],
    ids=["one too few", "another order", "another name"],
)
def test_other_columns_are_one_fault(columns):
    """Columns that are not those of the contract are refused as a whole."""
    contract = Contract("m", "1", "", (Feature("a", "INT64"), Feature("b")), (), ())
    refusal = refusal_of(contract.check, Batch.of_columns(columns))

    assert [(f.row, f.code) for f in refusal.faults] == [(None, "wrong_feature_count")]


def test_a_matrix_does_not_stand_for_columns():
    """Numbers without names are refused where the contract has other types."""
    contract = Contract("m", "1", "", (Feature("a", "INT64"), Feature("b")), (), ())
    refusal = refusal_of(contract.check, Batch(np.ones((3, 2))))

    assert [(f.row, f.code) for f in refusal.faults] == [(None, "wrong_feature_count")]


@pytest.mark.parametrize(
    ("datatype", "categories", "good", "bad"),
    [
        ("FP64", (1.0, 2.5), 2.5, 2.0),
        ("INT64", (1, 2), 2, 3),
        ("BOOL", (True,), True, False),
        ("BYTES", ("a", "b"), "b", "A"),
    ],
)
@pytest.mark.parametrize("nullable", [False, True])
def test_categories_of_every_type(datatype, categories, good, bad, nullable):
    """A listed value is accepted, another is not, and a missing one is neither."""
    facts = {"categories": categories, "nullable": nullable}
    accepting, batch = one(datatype, good, **facts)
    accepting.check(batch)
    if nullable:
        accepting.check(one(datatype, None, **facts)[1])

    refusal = refusal_of(accepting.check, one(datatype, bad, **facts)[1])
    assert [fault.code for fault in refusal.faults] == ["unknown_category"]


@pytest.mark.parametrize(("value", "accepted"), [(2.0, True), (2.5, False), (None, True)])
def test_a_matrix_of_numbers_may_have_categories(value, accepted):
    """A dense contract keeps its lists, too."""
    features = (Feature("a"), Feature("b", nullable=True, categories=(1.0, 2.0)))
    contract = Contract("m", "1", "", features, (), ())
    batch = contract.batch_from_rows([(9, value), (9, 1)])

    if accepted:
        contract.check(batch)
    else:
        [fault] = refusal_of(contract.check, batch).faults
        assert fault == Fault(
            0, "b", "unknown_category", "a number not listed", "one of 1, 2 or null"
        )


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (5, "one of 'c0', 'c1', 'c2', 'c3', 'c4'"),
        (6, "one of 'c0', 'c1', 'c2', 'c3', 'c4', ... (6 in all)"),
    ],
)
def test_long_lists_are_shortened(count, words):
    """The first five are shown, then how many there are."""
    contract, batch = one("BYTES", "x", categories=tuple(f"c{at}" for at in range(count)))

    assert refusal_of(contract.check, batch).faults[0].expected == words


def test_a_long_category_is_shortened():
    """Forty characters tell which it is."""
    contract, batch = one("BYTES", "x", categories=("c" * 40, "d" * 41))

    expected = refusal_of(contract.check, batch).faults[0].expected
    assert expected == f"one of {'c' * 40!r}, '{'d' * 40}...'"


@pytest.mark.parametrize(("value", "accepted"), [(2**53, True), (2**53 + 1, False)])
def test_the_range_of_an_integer_is_exact(value, accepted):
    """Also where a double would round to its bound."""
    contract, batch = one("INT64", value, maximum=float(2**53))

    if accepted:
        contract.check(batch)
    else:
        assert refusal_of(contract.check, batch).faults[0].code == "out_of_range"


def test_bounds_between_integers_hold():
    """From 0.5 to 2.5 the integers are 1 and 2."""
    facts = {"minimum": 0.5, "maximum": 2.5}
    for value, good in [(0, False), (1, True), (2, True), (3, False)]:
        contract, batch = one("INT64", value, **facts)
        if good:
            contract.check(batch)
        else:
            refusal_of(contract.check, batch)


@pytest.mark.parametrize("facts", [{"minimum": 0.5}, {"maximum": -0.5}])
def test_one_wrong_value_is_one_fault(facts):
    """A value of the wrong type is not out of range as well."""
    contract = Contract("m", "1", "", (Feature("a", "INT64", **facts),), (), ())
    refusal = refusal_of(contract.batch_from_rows, [("x",)])

    assert [fault.code for fault in refusal.faults] == ["string_value"]
