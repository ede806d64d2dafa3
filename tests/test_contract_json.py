"""A contract written to a manifest comes back equal, or not at all."""

import copy
import json
import math

import numpy as np
import orjson
import pytest
from contract_strategies import contracts
from hypothesis import given, settings

from model import ArtifactRejected, Contract, Feature, Output
from model.signature import CallLimits

CONTRACT = Contract(
    "churn",
    "3",
    "Who leaves.",
    (
        Feature("age", minimum=0.0, maximum=120.0, unit="years"),
        Feature("city", "BYTES", nullable=True, categories=("Bonn", "Kiel")),
    ),
    (Output("predictions", "INT64", (-1,), (0, 1)), Output("scores", "FP64", (-1, 2))),
    ((40.5, "Bonn"), (41.0, None)),
    CallLimits(100, 2.5),
    2.0,
)


@given(contracts())
@settings(max_examples=50)
def test_any_contract_comes_back_equal(contract):
    """Through both JSON writers in use, with the type of every value."""
    for document in (
        json.loads(json.dumps(contract.to_json(), allow_nan=False)),
        orjson.loads(orjson.dumps(contract.to_json())),
    ):
        again = Contract.from_json(document)

        assert again == contract
        assert repr(again) == repr(contract)


def test_numbers_of_numpy_and_nan_become_plain():
    """What derivation takes from arrays is written as JSON knows it; a missing value is null."""
    features = (Feature("a", minimum=np.float64(1.5)), Feature("b", "INT64"))
    labels = (np.int64(0), np.str_("one"))
    contract = Contract(
        "m", "1", "", features, (Output("p", "INT64", (-1,), labels),), ((math.nan, np.int64(7)),)
    )
    document = json.loads(json.dumps(contract.to_json(), allow_nan=False))

    assert document["example"] == [[None, 7]]
    assert document["features"][0]["minimum"] == 1.5
    assert document["outputs"][0]["classes"] == [0, "one"]


def _damages(value, path=()):
    """The path to every part of a document."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _damages(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _damages(part, (*path, index))


def _with(path, value):
    document = copy.deepcopy(CONTRACT.to_json())
    parent = document
    for part in path[:-1]:
        parent = parent[part]
    parent[path[-1]] = value
    return document


@pytest.mark.parametrize("path", list(_damages(CONTRACT.to_json())), ids=str)
def test_a_part_of_another_type_is_refused(path):
    """Whatever part is replaced by an object of another kind, the contract is not loaded."""
    with pytest.raises(ArtifactRejected, match=r"contract of this version is damaged.*add the"):
        Contract.from_json(_with(path, {"other": object()}))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("extra",), 1),
        (("features", 0, "extra"), 1),
        (("outputs", 0, "extra"), 1),
        (("limits", "extra"), 1),
        (("features", 0, "name"), ""),
        (("features", 0, "name"), "city"),
        (("outputs", 0, "name"), ""),
        (("outputs", 0, "name"), "scores"),
        (("features", 0, "minimum"), 121.0),
        (("features", 0, "minimum"), math.inf),
        (("features", 0, "minimum"), math.nan),
        (("features", 0, "minimum"), 10**400),
        (("features", 0, "minimum"), True),
        (("features", 0, "datatype"), "FP32"),
        (("features", 0, "nullable"), 0),
        (("features", 1, "categories"), []),
        (("features", 1, "categories"), ["Bonn", 1]),
        (("features", 1, "categories"), "Bonn"),
        (("outputs", 0, "datatype"), "float"),
        (("outputs", 0, "shape"), [-1.0]),
        (("outputs", 0, "classes"), [None]),
        (("outputs", 0, "names"), [1]),
        (("example", 0), [40.5]),
        (("example", 0), ["40.5", "Bonn"]),
        (("example", 0), [40.5, True]),
        (("example", 0), [math.inf, "Bonn"]),
        (("limits", "max_rows"), 0),
        (("limits", "max_rows"), 1.0),
        (("limits", "deadline_s"), 0),
        (("cost"), None),
        (("cost",), 0),
        (("cost",), -1.0),
        (("cost",), math.nan),
        (("model_version",), 1),
    ],
)
def test_a_contradiction_is_refused(path, value):
    """What no contract can say is damage, even where each part has the right type."""
    path = (path,) if isinstance(path, str) else path
    with pytest.raises(ArtifactRejected, match="damaged"):
        Contract.from_json(_with(path, value))


@pytest.mark.parametrize("document", [None, [], "{}", 1, {}])
def test_what_is_no_contract_is_refused(document):
    """Nothing, or another kind of JSON, is no contract."""
    with pytest.raises(ArtifactRejected, match="damaged"):
        Contract.from_json(document)


@pytest.mark.parametrize("key", sorted(CONTRACT.to_json()))
def test_a_part_that_is_lost_is_refused(key):
    """Every member is written, so a missing one was lost."""
    document = CONTRACT.to_json()
    del document[key]
    with pytest.raises(ArtifactRejected, match="other members"):
        Contract.from_json(document)
