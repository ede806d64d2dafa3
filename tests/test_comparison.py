"""How the answers of two versions are compared."""

from typing import Any

import numpy as np
import pytest

from model import Batch, Contract, Feature, Output, Prediction, aligned, compare
from model.comparison import BOUNDS

CLASSES = (0, 1)


def answer(
    predictions: list[Any],
    probabilities: list[list[float]] | None = None,
    classes: tuple[Any, ...] | None = CLASSES,
) -> Prediction:
    outputs = {"predictions": np.array(predictions)}
    if probabilities is not None:
        outputs["probabilities"] = np.array(probabilities)
    return Prediction(outputs, "wine", "1", "d" * 64, classes)


def contract(*features: Feature) -> Contract:
    return Contract("wine", "1", "", features, (Output("predictions", "FP64", (-1,)),), ())


def test_labels_disagree_where_they_differ_and_scores_by_how_much() -> None:
    """One label of three; each row under the least bound that holds its largest difference."""
    given = answer([0, 1, 1], [[0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    other = answer([0, 1, 0], [[0.9, 0.1], [0.4 + 5e-8, 0.6 - 5e-8], [0.7, 0.3]])
    difference = compare(given, other)

    assert (difference.rows, difference.disagreeing) == (3, 1)
    assert difference.bins == {0.0: 1, 1e-6: 1, 1.0: 1}


@pytest.mark.parametrize(
    ("given", "other", "disagreeing"),
    [
        (100.0, 101.0, 0),
        (100.0, 101.01, 1),
        (-100.0, -98.99, 1),
        (0.0, 1e-9, 0),
        (0.0, 1e-8, 1),
    ],
)
def test_numbers_disagree_beyond_one_percent(given: float, other: float, disagreeing: int) -> None:
    """Both sides of the limit; around zero a billionth is allowed."""
    difference = compare(answer([given], classes=None), answer([other], classes=None))

    assert difference.disagreeing == disagreeing
    assert sum(difference.bins.values()) == 1


def test_labels_that_are_numbers_are_compared_exactly() -> None:
    """Class 1000.0 is not class 1001.0, however close they are."""
    classes = (1000.0, 1001.0)
    difference = compare(answer([1000.0], classes=classes), answer([1001.0], classes=classes))

    assert difference.disagreeing == 1


def test_rows_of_several_outputs_disagree_where_any_does() -> None:
    """A row counts once."""
    given = answer([[1, 0], [1, 1], [0, 0]], classes=None)
    difference = compare(given, answer([[1, 0], [0, 0], [0, 1]], classes=None))

    assert (difference.disagreeing, dict(difference.bins)) == (2, {})


@pytest.mark.parametrize(
    "other",
    [answer([[0, 1]] * 2), answer(["0", "1"], classes=("0", "1")), answer([1, 0])],
    ids=["another shape", "another type", "another label"],
)
def test_answers_that_cannot_be_the_same_disagree_in_every_row(other: Prediction) -> None:
    """Whatever the other version answers, the comparison ends."""
    assert compare(answer([0, 1]), other).disagreeing == 2


def test_probabilities_of_other_classes_are_not_compared() -> None:
    """Column 0 of one is not column 0 of the other."""
    given = answer([1], [[0.5, 0.5]], classes=(0, 1))

    assert compare(given, answer([1], [[0.1, 0.9]], classes=(1, 2))).bins == {}


def test_no_difference_is_too_large() -> None:
    """The last bin has no end."""
    difference = compare(answer([1.0], classes=None), answer([1e300], classes=None))

    assert difference.bins == {BOUNDS[-1]: 1}


def test_a_batch_is_put_in_the_order_of_the_other_version() -> None:
    """By name; features that the other version does not have are left out."""
    ash, hue, age = Feature("ash"), Feature("hue"), Feature("age", "INT64")
    numbers = aligned(Batch.from_rows([[1.0, 2.0]]), contract(ash, hue), contract(hue))
    columns = {"ash": np.array([1.0]), "age": np.array([7])}
    mixed = aligned(Batch.of_columns(columns), contract(ash, age), contract(age, ash))
    same = Batch.from_rows([[1.0]])

    assert numbers.values.tolist() == [[2.0]]
    assert mixed.columns is not None
    assert list(mixed.columns) == ["age", "ash"]
    assert aligned(same, contract(ash), contract(ash)) is same


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ((Feature("ash"),), (Feature("ash"), Feature("hue"))),
        ((Feature("ash"),), (Feature("ash", "INT64"),)),
        ((Feature("ash", "INT64"),), (Feature("ash"),)),
        ((Feature("ash", "INT64"),), (Feature("hue", "INT64"),)),
    ],
)
def test_a_batch_that_lacks_a_feature_cannot_be_put_in_order(
    given: tuple[Feature, ...], wanted: tuple[Feature, ...]
) -> None:
    """Nothing is invented, and no type is changed."""
    dense = all(feature.datatype == "FP64" for feature in given)
    batch = Batch.from_rows([[1.0]]) if dense else Batch.of_columns({"ash": np.array([1])})
    with pytest.raises((ValueError, KeyError)):
        aligned(batch, contract(*given), contract(*wanted))
