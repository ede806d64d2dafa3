"""Whether a new contract breaks the callers of the old one."""

from dataclasses import replace

import pytest
from contract_strategies import contracts
from hypothesis import given, settings

from model import Contract, Feature, Output
from model.compatibility import compare
from model.signature import CallLimits

AGE = Feature("age", minimum=0.0, maximum=100.0, unit="years", description="Age.")
CITY = Feature("city", "BYTES", categories=("Bonn", "Kiel"))
VISITS = Feature("visits", "INT64", nullable=True)
LABEL = Output("predictions", "INT64", (-1,), (0, 1))
SCORES = Output("scores", "FP64", (-1, 2), names=("low", "high"), unit="EUR", description="S.")
OLD = Contract(
    "m", "1", "Text.", (AGE, CITY, VISITS), (LABEL, SCORES), (), CallLimits(100, 5.0), 2.0
)


def with_feature(old, **facts):
    changed = replace(old, **facts)
    return replace(OLD, features=tuple(changed if f is old else f for f in OLD.features))


def with_output(old, **facts):
    changed = replace(old, **facts)
    return replace(OLD, outputs=tuple(changed if o is old else o for o in OLD.outputs))


@pytest.mark.parametrize(
    ("new", "kind", "subject", "breaks"),
    [
        (replace(OLD, features=(AGE, CITY)), "feature_removed", "visits", True),
        (replace(OLD, features=(*OLD.features, Feature("x"))), "feature_added", "x", True),
        (
            replace(OLD, features=(*OLD.features, Feature("x", nullable=True))),
            "feature_added",
            "x",
            True,
        ),
        (replace(OLD, features=(CITY, AGE, VISITS)), "order_changed", "", True),
        (with_feature(AGE, datatype="INT64"), "datatype_changed", "age", True),
        (with_feature(VISITS, datatype="FP64"), "datatype_widened", "visits", False),
        (with_feature(VISITS, nullable=False), "no_longer_nullable", "visits", True),
        (with_feature(AGE, nullable=True), "became_nullable", "age", False),
        (with_feature(AGE, minimum=1.0), "range_narrowed", "age", True),
        (with_feature(AGE, minimum=-1.0), "range_widened", "age", False),
        (with_feature(AGE, minimum=None), "range_widened", "age", False),
        (with_feature(AGE, maximum=99.0), "range_narrowed", "age", True),
        (with_feature(AGE, maximum=101.0), "range_widened", "age", False),
        (with_feature(AGE, maximum=None), "range_widened", "age", False),
        (with_feature(VISITS, minimum=0.0), "range_narrowed", "visits", True),
        (with_feature(VISITS, maximum=9.0), "range_narrowed", "visits", True),
        (with_feature(CITY, categories=("Bonn",)), "category_removed", "city", True),
        (with_feature(CITY, categories=("Bonn", "Kiel", "Ulm")), "category_added", "city", False),
        (with_feature(CITY, categories=None), "categories_dropped", "city", False),
        (with_feature(VISITS, categories=(1, 2)), "categories_imposed", "visits", True),
        (with_feature(AGE, unit="months"), "unit_changed", "age", True),
        (with_feature(CITY, unit="name"), "unit_changed", "city", False),
        (with_feature(AGE, description="Years."), "description_changed", "age", False),
        (replace(OLD, outputs=(LABEL,)), "output_removed", "scores", True),
        (replace(OLD, outputs=(LABEL, SCORES, Output("x", "FP64", (-1,)))), "output_added", "x", 0),
        (with_output(LABEL, datatype="FP64"), "datatype_changed", "predictions", True),
        (with_output(SCORES, shape=(-1, 3)), "shape_changed", "scores", True),
        (with_output(LABEL, classes=(1, 0)), "classes_changed", "predictions", True),
        (with_output(LABEL, classes=(False, True)), "classes_changed", "predictions", True),
        (with_output(LABEL, classes=None), "classes_changed", "predictions", True),
        (with_output(SCORES, names=("high", "low")), "names_changed", "scores", True),
        (with_output(LABEL, names=("label",)), "names_changed", "predictions", False),
        (with_output(SCORES, unit="USD"), "unit_changed", "scores", True),
        (with_output(SCORES, description=""), "description_changed", "scores", False),
        (replace(OLD, limits=CallLimits(99, 5.0)), "max_rows_lowered", "", True),
        (replace(OLD, limits=CallLimits(101, 5.0)), "max_rows_raised", "", False),
        (replace(OLD, limits=CallLimits(None, 5.0)), "max_rows_raised", "", False),
        (replace(OLD, limits=CallLimits(100, 4.0)), "deadline_changed", "", False),
        (replace(OLD, cost=3.0), "cost_changed", "", False),
        (replace(OLD, description="Other."), "description_changed", "", False),
    ],
)
def test_each_change_is_named_once(new, kind, subject, breaks):
    """One difference is one change, with a sentence that ends."""
    [change] = compare(OLD, new)

    assert (change.kind, change.subject, change.breaks) == (kind, subject, bool(breaks))
    assert change.sentence.endswith(".")
    assert "\n" not in change.sentence


def test_a_limit_where_there_was_none_breaks():
    """Calls of any size were accepted before."""
    [change] = compare(replace(OLD, limits=CallLimits(None, 5.0)), OLD)

    assert (change.kind, change.breaks) == ("max_rows_lowered", True)


def test_a_renamed_output_is_gone_and_new():
    """Who reads the old name finds nothing."""
    changes = compare(OLD, with_output(SCORES, name="chances"))

    assert [(c.kind, c.breaks) for c in changes] == [
        ("output_removed", True),
        ("output_added", False),
    ]


def test_a_replaced_category_is_both():
    """What is taken away and what is added are told apart."""
    changes = compare(OLD, with_feature(CITY, categories=("Bonn", "Ulm")))

    assert [(c.kind, c.sentence) for c in changes] == [
        ("category_removed", "Feature 'city' no longer takes 'Kiel'."),
        ("category_added", "Feature 'city' also takes 'Ulm'."),
    ]


def test_the_order_of_categories_and_the_version_mean_nothing():
    """Neither can be seen in a call."""
    new = replace(with_feature(CITY, categories=("Kiel", "Bonn")), model_version="2")

    assert compare(OLD, new) == ()


def test_features_that_stay_in_order_around_others_keep_their_order():
    """A feature that goes or comes is no other order of the rest."""
    new = replace(OLD, features=(Feature("x"), AGE, VISITS))

    assert [c.kind for c in compare(OLD, new)] == ["feature_removed", "feature_added"]


@given(contracts(), contracts())
@settings(max_examples=40)
def test_any_two_contracts_can_be_compared(old, new):
    """A contract does not differ from itself; of two, what only one has is always found."""
    assert compare(old, old) == ()
    changes = compare(old, new)
    added = {change.subject for change in changes if change.kind == "feature_added"}
    assert added == set(new.feature_names) - set(old.feature_names)
    assert [change for change in changes if not change.sentence.isprintable()] == []
