"""What a contract accepts, how it names what is wrong, and what model.toml may say."""

import math
import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model import (
    MAX_FAULTS,
    ArtifactRejected,
    Batch,
    Contract,
    Fault,
    Feature,
    InvalidInput,
)
from model.declaration import Declaration, parse_declaration
from model.estimator.derivation import derive_model

NAN, INF = math.nan, math.inf
MOST = sys.float_info.max

CONTRACT = Contract(
    model_name="wine",
    model_version="1",
    description="",
    features=(
        Feature("ash"),
        Feature("alcohol", minimum=0.0, maximum=15.5),
        Feature("hue", nullable=True, minimum=0.0),
    ),
    outputs=(),
    example=((1.0, 2.0, 3.0),),
)


def faults_of(rows, contract=CONTRACT):
    with pytest.raises(InvalidInput) as caught:
        contract.check(Batch(np.array(rows, dtype=np.float64)))
    return caught.value


def two_column_model(declaration=None, names=("ash", "hue")):
    rows = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [3.0, 1.0]])
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, [0, 0, 1, 1])
    if names:
        estimator[0].feature_names_in_ = np.array(names, dtype=object)
    return derive_model(estimator, "wine", "1", declaration or Declaration())


@pytest.mark.parametrize(
    "row",
    [
        [1.0, 2.0, 3.0],
        [-1e308, 2.0, 3.0],
        [1.0, 0.0, 3.0],
        [1.0, 15.5, 0.0],
        [1.0, 2.0, NAN],
    ],
    ids=["ordinary", "huge", "at minimum", "at maximum", "missing where nullable"],
)
def test_good_row_is_accepted(row):
    """Bounds are inclusive, and a nullable feature may be missing."""
    CONTRACT.check(Batch.from_rows([row]))


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ([NAN, 2, 3], Fault(0, "ash", "missing_value", "null or NaN", "finite number")),
        ([INF, 2, 3], Fault(0, "ash", "not_finite", "infinity", "finite number")),
        ([1, 2, -INF], Fault(0, "hue", "not_finite", "infinity", "number of at least 0 or null")),
        (
            [1, -0.1, 3],
            Fault(0, "alcohol", "out_of_range", "number below 0", "number from 0 to 15.5"),
        ),
        (
            [1, 15.6, 3],
            Fault(0, "alcohol", "out_of_range", "number above 15.5", "number from 0 to 15.5"),
        ),
    ],
    ids=["nan", "infinity", "infinity where nullable", "below", "above"],
)
def test_bad_value_is_named_by_row_and_feature(row, fault):
    """A fault says where, which rule and what kind of value; never the value itself."""
    refusal = faults_of([row])

    assert refusal.faults == (fault,)
    assert refusal.fault_count == 1


UNBOUNDED = replace(CONTRACT, features=(Feature("ash"), Feature("hue", nullable=True)))


@pytest.mark.parametrize("row", [[1.0, 2.0], [-MOST, MOST], [0.0, NAN]], ids=str)
def test_without_bounds_every_finite_number_is_accepted(row):
    """As far as doubles go; missing only where it may be."""
    UNBOUNDED.check(Batch.from_rows([[0.0, 0.0], row]))


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ([NAN, 0.0], "missing_value"),
        ([INF, 0.0], "not_finite"),
        ([-INF, 0.0], "not_finite"),
        ([0.0, INF], "not_finite"),
        ([0.0, -INF], "not_finite"),
    ],
    ids=str,
)
def test_without_bounds_other_values_are_named(row, code):
    """Nothing is compared with a bound, so each has to be found to be no number by itself."""
    (fault,) = faults_of([[0.0, 0.0], row], UNBOUNDED).faults

    assert (fault.row, fault.code) == (1, code)


def test_all_faults_are_reported_in_row_order():
    """One answer names everything that is wrong."""
    refusal = faults_of([[NAN, 99, 1], [1, 2, 3], [1, 2, -4]])

    found = [(fault.row, fault.feature) for fault in refusal.faults]
    assert found == [(0, "ash"), (0, "alcohol"), (2, "hue")]


@pytest.mark.parametrize("count", [MAX_FAULTS, MAX_FAULTS + 1])
def test_faults_are_capped_and_counted(count):
    """At most MAX_FAULTS are listed; the count is that of all."""
    refusal = faults_of([[NAN, 1, 1]] * count)

    assert len(refusal.faults) == MAX_FAULTS
    assert refusal.fault_count == count


@pytest.mark.parametrize("width", [2, 4])
def test_wrong_number_of_columns_is_one_fault(width):
    """A batch of another width is refused as a whole, whatever is in it."""
    refusal = faults_of([[NAN] * width] * 3)

    fault = Fault(None, None, "wrong_feature_count", f"{width} features", "3 features")
    assert refusal.faults == (fault,)


def test_empty_batch_is_refused():
    """No rows is a fault of its own."""
    refusal = faults_of(np.empty((0, 3)))

    assert [fault.code for fault in refusal.faults] == ["empty_batch"]


def test_contract_is_derived_from_the_estimator():
    """Names, order, classes and a typical example come from what was fitted."""
    contract = two_column_model().contract

    assert contract.feature_names == ("ash", "hue")
    assert contract.classes == (0, 1)
    assert [type(label) for label in contract.classes] == [int, int]
    assert [(o.name, o.datatype, o.shape) for o in contract.outputs] == [
        ("predictions", "INT64", (-1,)),
        ("probabilities", "FP64", (-1, 2)),
    ]
    assert contract.example == ((1.5, 1.0),)


def test_features_without_names_are_numbered():
    """An estimator trained on a bare array calls its columns x0, x1, ..."""
    assert two_column_model(names=None).contract.feature_names == ("x0", "x1")


def test_declaration_names_the_columns_of_a_bare_array():
    """Where the estimator knows no names, those of model.toml apply in their order."""
    declaration = Declaration(features=(Feature("b"), Feature("a")))

    assert two_column_model(declaration, names=None).contract.feature_names == ("b", "a")


def test_declaration_sharpens_the_features_it_names():
    """A feature that model.toml leaves out keeps what the estimator says."""
    declaration = parse_declaration(
        b'[model]\ndescription = "Wines."\n'
        b'[[features]]\nname = "hue"\nunit = "1"\ndescription = "Colour."\nminimum = 0\n'
        b"[example]\nrows = [[1, 2], {hue = 4, ash = 3}]\n"
    )
    contract = two_column_model(declaration).contract

    assert contract.description == "Wines."
    assert contract.features[0] == Feature("ash")
    assert contract.features[1] == Feature("hue", minimum=0.0, unit="1", description="Colour.")
    assert contract.example == ((1.0, 2.0), (3.0, 4.0))


def test_derived_example_keeps_the_declared_range():
    """A typical value outside the declared range is moved to its edge."""
    declaration = Declaration(features=(Feature("ash", minimum=2.0), Feature("hue", maximum=0.5)))

    assert two_column_model(declaration).contract.example == ((2.0, 0.5),)


def test_model_without_fitted_statistics_has_an_example_of_zeros():
    """The example is always there, so that every loaded model can be asked once."""
    contract = derive_model(
        LinearRegression().fit([[1], [2]], [1, 2]), "line", "1", Declaration()
    ).contract

    assert contract.example == ((0.0,),)


def test_missing_value_in_a_nullable_example_is_null():
    """nan in model.toml is None in the contract, which JSON can carry."""
    rows = np.array([[0.0], [1.0]] * 20)
    estimator = HistGradientBoostingClassifier(max_iter=2).fit(rows, [0, 1] * 20)
    declaration = parse_declaration(
        b'[[features]]\nname = "a"\nnullable = true\n[example]\nrows = [[nan], [1.0], {}]\n'
    )
    contract = derive_model(estimator, "gaps", "1", declaration).contract

    assert contract.example == ((None,), (1.0,), (None,))


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ('[[features]]\nname = "acid"', "no feature 'acid'"),
        ('[[features]]\nname = "ash"\nminimum = 2\nmaximum = 1', "minimum of feature 'ash'"),
        ('[[features]]\nname = "ash"\nmin = 2', "unknown key 'min'"),
        ('[[features]]\nname = "ash"\n[[features]]\nname = "ash"', "appears twice"),
        ('[[features]]\nname = "ash"\nminimum = "0"', "must be a finite number"),
        ('[[features]]\nname = "ash"\nmaximum = inf', "must be a finite number"),
        ('[[features]]\nname = "ash"\nminimum = true', "must be a finite number"),
        ('[[features]]\nname = "ash"\nnullable = 1', "must be true or false"),
        ('[[features]]\nname = "ash"\nunit = 1', "must be text"),
        ('[[features]]\nunit = "g"', "has no name"),
        ('features = "ash"', "must be a list"),
        ("features = [1]", "must be a table"),
        ("[modle]", "unknown key 'modle'"),
        ("[model]\nversion = '1'", "unknown key 'version'"),
        ("[example]\nrows = [[1.0]]", "1 feature"),
        ("[example]\nrows = [[1.0, 2.0], [1.0]]", "differ in length"),
        ("[example]\nrows = [[1.0, inf]]", "'hue' has infinity"),
        ("[example]\nrows = [[1.0, nan]]", "'hue' has null"),
        ("[example]\nrows = [{ash = 1.0, acid = 2.0}]", "unknown feature 'acid'"),
        ('[example]\nrows = [["a", 1.0]]', "'ash' has a string"),
        ("[example]\nrows = 1", "list of rows"),
        ('[[features]]\nname = "ash"\nnullable = true', "allows missing values"),
        ("[model", "not valid TOML"),
    ],
)
def test_contradictory_declaration_is_refused(toml, sentence):
    """A model.toml that is wrong or does not fit its estimator is refused in one sentence."""
    with pytest.raises(ArtifactRejected) as caught:
        two_column_model(parse_declaration(toml.encode()))

    assert sentence in caught.value.reason
    assert "model.toml" in caught.value.reason


@pytest.mark.parametrize("names", [("a",), ("a", "b", "c")])
def test_declaration_of_another_width_is_refused(names):
    """The names given to a bare array must be as many as its columns."""
    declaration = Declaration(features=tuple(Feature(name) for name in names))

    with pytest.raises(ArtifactRejected, match=f"lists {len(names)} features.*takes 2"):
        two_column_model(declaration, names=None)
