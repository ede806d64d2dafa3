"""What the gateway's own shapes say of a contract and of a prediction."""

import json

import numpy as np
import pytest

from gateway.dialects import native
from gateway.wire.encode import encode_json
from gateway.wire.formats import FORMATS
from gateway.wire.json_document import JsonParser
from gateway.wire.json_shapes import batch_from_document
from model import Contract, Feature, Output, Prediction
from model.signature import CallLimits

PARSER = JsonParser(max_depth=32, max_elements=1000)
MIXED = Contract(
    "churn",
    "3",
    "Who leaves.",
    (
        Feature("age", unit="years", minimum=0.0, description="In full years."),
        Feature("city", "BYTES", nullable=True, categories=("Bonn", "Kiel")),
    ),
    (
        Output("predictions", "BOOL", (-1,), (False, True)),
        Output("scores", "FP64", (-1, 2), names=("low", "high"), unit="EUR", description="Cost."),
    ),
    ((40.0, "Bonn"), (41.0, None)),
    CallLimits(100, 2.5),
    2.0,
)
DENSE = Contract("m", "1", "", (Feature("a"), Feature("b", nullable=True)), (), ((1.0, None),))


def described(contract):
    return json.loads(encode_json(native.describe(contract, [])))


def test_a_contract_is_described_in_full():
    """Types, lists, units, names, limits and cost; what there is nothing to say of is left out."""
    shown = described(MIXED)

    assert shown["features"] == [
        {
            "name": "age",
            "datatype": "FP64",
            "nullable": False,
            "minimum": 0.0,
            "unit": "years",
            "description": "In full years.",
        },
        {
            "name": "city",
            "datatype": "BYTES",
            "nullable": True,
            "categories": ["Bonn", "Kiel"],
        },
    ]
    assert shown["outputs"] == [
        {
            "name": "predictions",
            "datatype": "BOOL",
            "shape": [-1],
            "classes": [False, True],
        },
        {
            "name": "scores",
            "datatype": "FP64",
            "shape": [-1, 2],
            "names": ["low", "high"],
            "unit": "EUR",
            "description": "Cost.",
        },
    ]
    assert (shown["limits"], shown["cost"]) == ({"max_rows": 100, "deadline_s": 2.5}, 2.0)


def test_a_contract_without_limits_of_its_own_shows_none():
    """Those of the plan are shown elsewhere."""
    assert (described(DENSE)["limits"], described(DENSE)["cost"]) == ({}, 1.0)


@pytest.mark.parametrize(
    ("contract", "shape"),
    [
        (DENSE, {"data": [[1.0, None]]}),
        (MIXED, {"rows": [{"age": 40.0, "city": "Bonn"}, {"age": 41.0, "city": None}]}),
    ],
)
def test_the_example_can_be_posted(contract, shape):
    """As positions where all are numbers, by name where kinds are mixed."""
    example = described(contract)["example"]
    batch = batch_from_document(PARSER.parse(json.dumps(example).encode()), contract)

    assert example == shape
    contract.check(batch)
    assert batch.row_count == len(contract.example)


@pytest.mark.parametrize(("tags", "members"), [({}, []), ({"region": "north"}, ["tags"])])
def test_tags_are_answered_where_there_are_any(tags, members):
    """A model that says nothing about its answer leaves no trace of that."""
    prediction = Prediction({"predictions": np.array([1])}, "m", "1", "", None, tags)
    answer = json.loads(FORMATS["json"].write(native.table(prediction, MIXED), {}))

    assert list(answer) == ["model", "version", "predictions", *members]
    assert answer.get("tags", {}) == tags
