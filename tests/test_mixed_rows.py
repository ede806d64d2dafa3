"""Bodies for models with columns of mixed type, and columns for every model."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from contract_strategies import contracts
from hypothesis import given, settings

from gateway.dialects import native
from gateway.errors import BadRequest, Problem
from gateway.wire.json_document import JsonParser
from gateway.wire.json_shapes import batch_from_document
from model import Batch, Contract, Feature, InvalidInput
from model.signature import CallLimits

PARSER = JsonParser(max_depth=32, max_elements=100_000)
FEATURES = (
    Feature("age", minimum=0.0),
    Feature("visits", "INT64"),
    Feature("member", "BOOL"),
    Feature("city", "BYTES", categories=("Bonn", "Kiel")),
    Feature("note", "BYTES", nullable=True),
)
MIXED = Contract("churn", "1", "", FEATURES, (), ())
DENSE = Contract("m", "1", "", (Feature("a"), Feature("b", nullable=True)), (), ())
MIXED_NUL = Contract("m", "1", "", (Feature("a\0b", "BYTES"), Feature("a")), (), ())
NAMES = MIXED.feature_names
ROW = [40.5, 3, True, "Bonn", None]
OTHER = [1, -2, False, "Kiel", "x"]
RECORD = dict(zip(NAMES, ROW, strict=True))
COLUMNS = {name: list(pair) for name, *pair in zip(NAMES, ROW, OTHER, strict=True)}


def parse(body, contract=MIXED, max_rows=None):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return batch_from_document(PARSER.parse(data, max_rows=max_rows), contract)


def faults_of(body, contract=MIXED, max_rows=None):
    with pytest.raises(InvalidInput) as caught:
        parse(body, contract, max_rows)
    return [(fault.row, fault.feature, fault.code) for fault in caught.value.faults]


def cells_of(batch: Batch):
    return {name: (column.dtype.kind, column.tolist()) for name, column in batch.columns.items()}


@pytest.mark.parametrize(
    "body",
    [
        [ROW, OTHER],
        {"data": [ROW, OTHER]},
        {"rows": [RECORD, dict(reversed(list(zip(NAMES, OTHER, strict=True))))]},
        {"rows": [dict(zip(NAMES[:-1], ROW, strict=False)), dict(zip(NAMES, OTHER, strict=True))]},
        {"columns": COLUMNS},
        {"columns": dict(reversed(COLUMNS.items()))},
    ],
    ids=["list", "data", "rows", "rows without the nullable", "columns", "columns backwards"],
)
def test_each_shape_gives_the_same_columns(body):
    """Four shapes, any order of names, one batch in the order of the contract."""
    assert cells_of(parse(body)) == {
        "age": ("f", [40.5, 1.0]),
        "visits": ("i", [3, -2]),
        "member": ("b", [True, False]),
        "city": ("O", ["Bonn", "Kiel"]),
        "note": ("O", [None, "x"]),
    }


def test_a_nullable_column_may_be_left_out():
    """It is missing in every row then; so is the name in a row, for numbers as well."""
    columns = {name: values for name, values in COLUMNS.items() if name != "note"}

    assert parse({"columns": columns}).columns["note"].tolist() == [None, None]
    for body in ({"columns": {"a": [1, 2]}}, {"rows": [{"a": 1}, {"a": 2, "b": None}]}):
        [[one, missing], [two, null]] = parse(body, DENSE).values.tolist()
        assert (one, two, math.isnan(missing), math.isnan(null)) == (1.0, 2.0, True, True)


@pytest.mark.parametrize("values", [[1, 2.5], [1, 2], [1.5, None], [-0.0, 1e308]])
def test_columns_of_numbers_make_a_matrix(values):
    """A contract of numbers takes columns, too, and gets the same batch as from rows."""
    rows = [list(pair) for pair in zip([1, 2], values, strict=True)]
    by_column = parse({"columns": {"b": values, "a": [1, 2]}}, DENSE)

    assert by_column.values.tobytes() == parse(rows, DENSE).values.tobytes()
    assert by_column.values.flags.c_contiguous


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("age", "40", "string_value"),
        ("age", False, "boolean_value"),
        ("age", None, "missing_value"),
        ("age", [4], "nested_value"),
        ("visits", 3.0, "not_integer"),
        ("visits", 2**63, "out_of_range"),
        ("visits", "3", "string_value"),
        ("member", 1, "number_value"),
        ("member", "true", "string_value"),
        ("member", {}, "nested_value"),
        ("city", 5, "number_value"),
        ("city", None, "missing_value"),
        ("note", True, "boolean_value"),
        ("note", ["x"], "nested_value"),
    ],
)
def test_types_are_strict_in_every_shape(name, value, code):
    """Each cell of another type is a fault with its row and feature."""
    at = NAMES.index(name)
    row = [*ROW[:at], value, *ROW[at + 1 :]]
    bodies = [
        [ROW, row],
        {"data": [ROW, row]},
        {"rows": [RECORD, {**RECORD, name: value}]},
        {"columns": {key: [RECORD[key], {**RECORD, name: value}[key]] for key in NAMES}},
    ]

    for body in bodies:
        assert faults_of(body) == [(1, name, code)]


@pytest.mark.parametrize(
    ("columns", "faults"),
    [
        ([], [(None, None, "not_columns")]),
        (None, [(None, None, "not_columns")]),
        ([[1]], [(None, None, "not_columns")]),
        ({}, [(None, "a", "missing_feature")]),
        ({"b": []}, [(None, "a", "missing_feature")]),
        ({"a": []}, [(None, None, "empty_batch")]),
        ({"a": [], "b": []}, [(None, None, "empty_batch")]),
        ({"b": [1]}, [(None, "a", "missing_feature")]),
        ({"a": 1}, [(None, "a", "not_a_column")]),
        ({"a": {"0": 1}}, [(None, "a", "not_a_column")]),
        ({"a": [1], "b": "x"}, [(None, "b", "not_a_column")]),
        ({"a": [1, 2], "b": [1]}, [(None, "b", "ragged_columns")]),
        ({"a": [1, 2], "b": []}, [(None, "b", "ragged_columns")]),
        ({"a": [1], "c": [1]}, [(None, "c", "unknown_feature")]),
        ({"a": [1, "x"], "c": [1]}, [(None, "c", "unknown_feature"), (1, "a", "string_value")]),
        ({"a": [[1], 2], "b": [3, 4]}, [(0, "a", "nested_value")]),
        ({"a": [[1, 2], []], "b": [3, 4]}, [(0, "a", "nested_value"), (1, "a", "nested_value")]),
        ({"a": [{}, 2], "b": [3, 4]}, [(0, "a", "nested_value")]),
        ({"a": [None, 2]}, [(0, "a", "missing_value")]),
    ],
)
def test_columns_that_are_not_columns_are_faults(columns, faults):
    """What is wrong with a whole column has no row."""
    assert faults_of({"columns": columns}, DENSE) == faults


def test_a_column_given_twice_is_a_fault():
    """Which of the two was meant is not guessed, also behind an escape."""
    body = b'{"columns":{"a":[1],"\\u0061":[2]}}'

    assert faults_of(body, DENSE) == [(None, "a", "duplicate_feature")]


def test_ranges_and_lists_are_said_with_the_types():
    """A wrong type does not hide a bad value elsewhere, in any shape."""
    rows = [[-1, 3, True, "Bonn", None], [1, "x", True, "Rome", None]]
    columns = {name: list(pair) for name, *pair in zip(NAMES, *rows, strict=True)}
    records = [dict(zip(NAMES, row, strict=True)) for row in rows]
    expected = [(0, "age", "out_of_range"), (1, "visits", "string_value")]

    for body in (rows, {"rows": records}, {"columns": columns}):
        assert faults_of(body) == [*expected, (1, "city", "unknown_category")]


def test_structure_and_values_are_said_together():
    """A row that lacks a name does not hide another's value, and keeps its own number."""
    records = [7, {**RECORD, "age": -1}, {"age": "x", **dict(list(RECORD.items())[2:])}]

    assert faults_of({"rows": records}) == [
        (0, None, "not_a_row"),
        (1, "age", "out_of_range"),
        (2, "visits", "missing_feature"),
        (2, "age", "string_value"),
    ]
    assert faults_of([[1], [-1, *ROW[1:]], ROW]) == [
        (0, None, "ragged_rows"),
        (1, "age", "out_of_range"),
    ]


@pytest.mark.parametrize(
    ("plan", "model", "rows", "refused"),
    [
        (None, 2, 2, False),
        (None, 2, 3, True),
        (2, None, 3, True),
        (2, 3, 3, True),
        (3, 2, 3, True),
        (3, 3, 3, False),
    ],
)
def test_the_smaller_limit_of_rows_holds_in_every_shape(plan, model, rows, refused):
    """The plan's and the model's own; one row more than either is refused before it is read."""
    contract = Contract("m", "1", "", DENSE.features, (), (), CallLimits(max_rows=model))
    matrix = [[1, 2]] * rows
    records = [{"a": 1, "b": 2}] * rows
    columns = {"a": [1] * rows, "b": [2] * rows}

    for body in (matrix, {"data": matrix}, {"rows": records}, {"columns": columns}):
        if refused:
            assert faults_of(body, contract, plan) == [(None, None, "too_many_rows")]
        else:
            assert parse(body, contract, plan).row_count == rows


def test_counting_faults_ends_for_columns():
    """A hundred are shown, and the count stops at 10,000."""
    with pytest.raises(InvalidInput) as caught:
        parse({"columns": {"a": ["x"] * 20_000}}, DENSE)

    assert (len(caught.value.faults), caught.value.fault_count) == (100, 10_000)


def test_a_mixed_fault_never_holds_the_value():
    """What was found is its kind, and of what is expected only the contract is told."""
    wrong = ["canary", 71_710_071, ["canary"], "canary", "canary"]
    with pytest.raises(InvalidInput) as caught:
        parse({"columns": {name: [value] for name, value in zip(NAMES, wrong, strict=True)}})

    assert "canary" not in repr(caught.value.faults)
    assert "71710071" not in repr(caught.value.faults)


def test_columns_beside_other_members_are_refused():
    """A body has one meaning."""
    with pytest.raises(BadRequest, match="columns"):
        parse({"columns": COLUMNS, "rows": []})


def test_a_name_with_a_nul_is_a_name():
    """The parser's own look-up ends there."""
    features = (Feature("a\0b"), Feature("a"))
    contract = Contract("m", "1", "", features, (), ())

    assert parse({"columns": {"a": [1], "a\0b": [2]}}, contract).values.tolist() == [[2.0, 1.0]]
    assert parse({"columns": {"a\0b": ["x"], "a": [1]}}, MIXED_NUL).columns["a\0b"] == ["x"]


def test_columns_outlive_the_next_parse():
    """The values are the batch's own, not a view of the parser's memory."""
    batch = parse({"columns": {"a": [1.5], "b": [2.5]}}, DENSE)
    mixed = parse({"columns": COLUMNS})
    parse({"columns": {"a": [9.5], "b": [9.5]}}, DENSE)

    assert batch.values.tolist() == [[1.5, 2.5]]
    assert mixed.columns["age"].tolist() == [40.5, 1.0]


@given(contracts())
@settings(max_examples=50)
def test_the_example_of_any_contract_is_read_as_its_batch(contract):
    """What partners are shown can be posted: it gives the model's own batch, in three shapes."""
    # The model's own cap of rows is another test's.
    contract = replace(contract, limits=CallLimits())
    rows = [list(row) for row in contract.example]
    shown = json.loads(json.dumps(native.describe(contract, [])["example"]))
    columns = {name: [row[at] for row in rows] for at, name in enumerate(contract.feature_names)}
    try:
        expected = contract.example_batch
        contract.check(expected)
    except InvalidInput:
        return
    for body in (rows, shown, {"columns": columns}):
        batch = parse(body, contract)

        if contract.dense:
            assert batch.values.tobytes() == expected.values.tobytes()
        else:
            assert repr(cells_of(batch)) == repr(cells_of(expected))


@given(contracts())
@settings(max_examples=30)
def test_rows_of_other_contracts_are_read_or_refused(contract):
    """Nothing but problems and faults comes out, whatever the types."""
    for body in ([ROW], {"rows": [RECORD]}, {"columns": COLUMNS}, {"columns": {"a": [1]}}):
        try:
            parse(body, contract).take(np.array([0]))
        except (Problem, InvalidInput):
            continue
