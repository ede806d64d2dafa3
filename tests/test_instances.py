"""Rows as TensorFlow Serving, KServe v1 and MLflow write them."""

import json
from base64 import b64encode
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects import instances, mlflow, sagemaker
from gateway.errors import BadRequest, DuplicateKey, Problem
from gateway.wire.json_document import JsonParser
from model import Batch, Contract, Feature, InvalidInput, Output

PARSER = JsonParser(max_depth=8, max_elements=1000)
MIXED = Contract(
    "churn",
    "1",
    "",
    (Feature("age"), Feature("visits", "INT64", nullable=True), Feature("city", "BYTES")),
    (),
    (),
)
DENSE = Contract("m", "1", "", (Feature("a"), Feature("b")), (), ())
ONE = Contract("text", "1", "", (Feature("text", "BYTES"),), (), ())
CITY = {"b64": b64encode("Köln".encode()).decode()}


def read(body, contract=MIXED, max_rows=None):
    document = PARSER.parse(json.dumps(body).encode(), max_rows=max_rows)
    (member,) = document.member_names()
    reader = instances.by_row if member == "instances" else instances.by_column
    return reader(document, member, contract)


def cells(batch: Batch):
    if batch.columns is None:
        return batch.values.tolist()
    return {name: column.tolist() for name, column in batch.columns.items()}


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [[40.5, 3, "Köln"], [1, None, "Ulm"]]},
        {"instances": [{"age": 40.5, "visits": 3, "city": "Köln"}, {"city": "Ulm", "age": 1}]},
        {"instances": [{"age": [40.5], "visits": [3], "city": [CITY]}, {"city": "Ulm", "age": 1}]},
        {"instances": [[40.5, 3, CITY], [1, None, "Ulm"]]},
        {"inputs": {"age": [40.5, 1], "visits": [3, None], "city": [CITY, "Ulm"]}},
        {"inputs": {"city": [[CITY], ["Ulm"]], "age": [[40.5], [1]], "visits": [[3], [None]]}},
        {"inputs": [[40.5, 3, "Köln"], [1, None, "Ulm"]]},
        {"inputs": [{"age": 40.5, "visits": 3, "city": CITY}, {"city": "Ulm", "age": 1}]},
    ],
)
def test_each_shape_gives_the_same_columns(body):
    """Rows and columns, by order or by name, tensors of shape (n, 1), text as base64."""
    columns = cells(read(body))

    assert columns.pop("visits")[0] == 3
    assert columns == {"age": [40.5, 1.0], "city": ["Köln", "Ulm"]}


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [[1, 2], [3, 4.5]]},
        {"instances": [{"b": 2, "a": 1}, {"a": 3, "b": 4.5}]},
        {"instances": [{"features": [1, 2]}, {"features": [3, 4.5]}]},
        {"inputs": [[1, 2], [3, 4.5]]},
        {"inputs": {"features": [[1, 2], [3, 4.5]]}},
        {"inputs": {"b": [2, 4.5], "a": [1, 3]}},
        {"inputs": {"b": [[2], [4.5]], "a": [[1], [3]]}},
    ],
)
def test_numbers_come_as_a_matrix_by_name_or_as_the_one_input_of_the_metadata(body):
    """A model of numbers has one input, `features`."""
    assert cells(read(body, DENSE)) == [[1.0, 2.0], [3.0, 4.5]]


def test_a_model_of_one_feature_takes_values_as_rows():
    """A tensor of shape (n,), as the protocol writes it."""
    assert cells(read({"instances": ["a", CITY]}, ONE)) == {"text": ["a", "Köln"]}
    assert cells(read({"inputs": ["a", CITY]}, ONE)) == {"text": ["a", "Köln"]}


def test_a_feature_that_is_called_as_the_matrix_is_itself():
    """`features` is then a column."""
    contract = Contract("m", "1", "", (Feature("features"), Feature("b")), (), ())

    assert cells(read({"instances": [{"features": 1, "b": 2}]}, contract)) == [[1.0, 2.0]]
    assert cells(read({"inputs": {"features": [1], "b": [2]}}, contract)) == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({"instances": []}, [(None, None, "empty_batch")]),
        ({"instances": None}, [(None, None, "not_rows")]),
        ({"instances": "rows"}, [(None, None, "not_rows")]),
        ({"instances": {"a": [1]}}, [(None, None, "not_rows")]),
        ({"instances": [1, 2]}, [(0, None, "not_a_row"), (1, None, "not_a_row")]),
        ({"instances": [[1, 2], [1]]}, [(1, None, "ragged_rows")]),
        ({"instances": [[1, 2, 3]]}, [(None, None, "wrong_feature_count")]),
        ({"instances": [[1, "x"]]}, [(0, "b", "string_value")]),
        ({"instances": [[[1], 2]]}, [(0, "a", "nested_value")]),
        (
            {"instances": [{"a": 1, "x": 2}]},
            [(0, "x", "unknown_feature"), (0, "b", "missing_feature")],
        ),
        ({"instances": [{"a": 1, "b": 2}, [1, 2]]}, [(1, None, "not_a_row")]),
        ({"instances": [{"features": [1, 2]}, {"a": 1}]}, [(1, None, "not_a_row")]),
        ({"instances": [{"features": [1]}]}, [(None, None, "wrong_feature_count")]),
        ({"instances": [{"a": [1, 2], "b": 1}]}, [(0, "a", "nested_value")]),
        ({"instances": [{"a": {"b64": "MQ=="}, "b": 1}]}, [(0, "a", "string_value")]),
        ({"inputs": {}}, None),
        ({"inputs": {"a": [1]}}, [(None, "b", "missing_feature")]),
        ({"inputs": {"a": [1], "b": [1, 2]}}, [(None, "b", "ragged_columns")]),
        ({"inputs": {"a": 1, "b": 2}}, None),
        ({"inputs": {"a": [[1, 2]], "b": [1]}}, [(0, "a", "nested_value")]),
        ({"inputs": {"features": [[1, 2], [3]]}}, [(1, None, "ragged_rows")]),
        ({"inputs": {"features": 1}}, [(None, None, "not_rows")]),
        ({"inputs": 7}, [(None, None, "not_rows")]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_row_and_feature(body, faults):
    """The same faults as of the gateway's own shapes."""
    with pytest.raises(InvalidInput) as refused:
        read(body, DENSE)

    found = [(fault.row, fault.feature, fault.code) for fault in refused.value.faults]
    assert faults is None or found == faults


@pytest.mark.parametrize("encoded", ["!", "YQ", "/w==", None, 5, "é"])
def test_base64_that_is_no_text_is_refused(encoded):
    """No base64, not padded, not UTF-8, not a string."""
    with pytest.raises(BadRequest, match="UTF-8"):
        read({"instances": [{"age": 1, "city": {"b64": encoded}}]})


def test_too_many_rows_are_refused_before_the_first_is_read():
    """By row, by name, as one input, by column."""
    for body in (
        {"instances": [["x", 2], [3, 4]]},
        {"instances": [{"a": "x"}, {}]},
        {"instances": [{"features": "x"}, {}]},
        {"inputs": {"features": [["x", 1], []]}},
        {"inputs": {"a": ["x", 1], "b": [1, 2]}},
    ):
        with pytest.raises(InvalidInput) as refused:
            read(body, DENSE, max_rows=1)

        assert [fault.code for fault in refused.value.faults] == ["too_many_rows"]


def test_names_that_come_twice_are_refused():
    """In a row as in the object of columns: which of the two was meant cannot be known."""
    for body in (b'{"instances": [{"a": 1, "b": 2, "b": 3}]}', b'{"inputs": {"a": [1], "a": [2]}}'):
        document = PARSER.parse(body)
        (member,) = document.member_names()
        with pytest.raises((InvalidInput, DuplicateKey)):
            instances.by_column(document, member, DENSE)


def test_a_large_matrix_keeps_its_values():
    """Through the buffer that needs no Python lists, inside an object or not."""
    values = np.random.default_rng(1).normal(size=(100, 2))
    for body in ({"instances": values.tolist()}, {"inputs": {"features": values.tolist()}}):
        assert np.array_equal(read(body, DENSE).values, values)


_CELLS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=3)
_NAMES = st.sampled_from(["a", "b", "age", "visits", "city", "features", "b64", "x"])
_VALUES = st.recursive(
    _CELLS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=12,
)
_MEMBERS = st.sampled_from(
    ["instances", "inputs", "dataframe_split", "dataframe_records", "params", "columns", "data"]
)
_SPLITS = st.fixed_dictionaries(
    {"data": _VALUES}, optional={"columns": st.lists(_NAMES, max_size=3), "index": _VALUES}
)


@given(
    st.dictionaries(_MEMBERS, _VALUES, max_size=2)
    | st.builds(lambda split: {"dataframe_split": split}, _SPLITS)
    | _VALUES
)
@settings(max_examples=300)
def test_whatever_is_sent_is_rows_or_is_refused(body):
    """Nothing but problems and faults comes out, for numbers and for mixed types."""
    for contract in (DENSE, MIXED, ONE):
        document = PARSER.parse(json.dumps(body).encode())
        try:
            if mlflow.speaks(document.member_names()):
                batch, _ = mlflow.read(document, _answering(contract))
            else:
                batch = sagemaker.read(document, contract)
        except (Problem, InvalidInput):
            continue
        contract.check(batch)


def _answering(contract):
    return replace(contract, outputs=(Output("predictions", "FP64", (-1,)),))
