"""What model.toml may say, section by section."""

import math

import pytest

from model import ArtifactRejected, Feature
from model.declaration import Declaration, parse_declaration
from model.remote.address import RemoteAddress
from model.signature import CallLimits

WHOLE = b"""
[model]
description = "Who leaves."
[[features]]
name = "age"
unit = "years"
minimum = 0
maximum = 120
[[features]]
name = "visits"
datatype = "INT64"
nullable = true
[[features]]
name = "city"
datatype = "BYTES"
categories = ["Bonn", "Kiel"]
[[outputs]]
name = "probabilities"
description = "Chance of each."
unit = "1"
names = ["stays", "leaves"]
[[outputs]]
name = "predictions"
[example]
rows = [[40.5, 3, "Bonn"], {age = nan, city = "Kiel"}]
[parameters]
threshold = 0.5
words = ["a", 1, {deep = true}]
[limits]
max_rows = 1000
deadline_s = 2
cost = 3
[remote]
url = "https://engine:8080"
model = "churn"
timeout_s = 3
"""


def refusal_of(toml):
    with pytest.raises(ArtifactRejected) as caught:
        parse_declaration(toml.encode())
    return caught.value.reason


def test_every_section_is_read():
    """Each key ends where it belongs, numbers as doubles where they are bounds."""
    declaration = parse_declaration(WHOLE)

    assert declaration.description == "Who leaves."
    assert declaration.features == (
        Feature("age", unit="years", minimum=0.0, maximum=120.0),
        Feature("visits", "INT64", nullable=True),
        Feature("city", "BYTES", categories=("Bonn", "Kiel")),
    )
    assert declaration.outputs == {
        "probabilities": ("Chance of each.", "1", ("stays", "leaves")),
        "predictions": ("", "", None),
    }
    assert declaration.example_rows[0] == [40.5, 3, "Bonn"]
    assert math.isnan(declaration.example_rows[1]["age"])
    assert declaration.parameters == {"threshold": 0.5, "words": ["a", 1, {"deep": True}]}
    assert (declaration.limits, declaration.cost) == (CallLimits(1000, 2.0), 3.0)
    assert declaration.remote == RemoteAddress("https://engine:8080", "churn", timeout_s=3.0)


def test_an_absent_file_says_nothing():
    """The default is what an empty file gives."""
    assert parse_declaration(b"") == Declaration()


@pytest.mark.parametrize(
    ("facts", "datatype", "categories"),
    [
        ('categories = ["a", "b"]', "BYTES", ("a", "b")),
        ("categories = [true]", "BOOL", (True,)),
        ("categories = [1, 2]", "FP64", (1, 2)),
        ("categories = [1, 2.5]", "FP64", (1, 2.5)),
        ('datatype = "INT64"\ncategories = [1, 2]', "INT64", (1, 2)),
        ('datatype = "FP64"\ncategories = [1]', "FP64", (1,)),
        ('datatype = "BYTES"', "BYTES", None),
    ],
)
def test_categories_tell_the_datatype(facts, datatype, categories):
    """Text is BYTES without saying so; integers need INT64 said, as a double may be one, too."""
    [feature] = parse_declaration(f'[[features]]\nname = "a"\n{facts}'.encode()).features

    assert (feature.datatype, feature.categories) == (datatype, categories)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ('datatype = "FP32"', "datatype of feature 'a' must be one of FP64, INT64, BOOL, BYTES"),
        ("datatype = 1", "datatype of feature 'a' must be text"),
        ("categories = []", "at least one value"),
        ('categories = "a"', "must be a list"),
        ('categories = ["a", 1]', "all text, all numbers"),
        ("categories = [true, 1]", "all text, all numbers"),
        ("categories = [[1]]", "all text, all numbers"),
        ("categories = [nan]", "must be a finite number"),
        ('categories = ["a", "a"]', "name a value twice"),
        ("categories = [1, 1.0]", "name a value twice"),
        ('datatype = "BYTES"\ncategories = [1]', "of its datatype, BYTES"),
        ('datatype = "FP64"\ncategories = ["a"]', "of its datatype, FP64"),
        ('datatype = "INT64"\ncategories = [1.0]', "of its datatype, INT64"),
        ('datatype = "INT64"\ncategories = [1, 2.5]', "of its datatype, INT64"),
        ('datatype = "BYTES"\nminimum = 1', "only for numbers"),
        ('datatype = "BOOL"\nmaximum = 1', "only for numbers"),
        ("categories = [1]\nminimum = 1", "only for numbers without categories"),
    ],
)
def test_a_feature_that_cannot_be_is_refused(facts, sentence):
    """One sentence says which feature and why."""
    assert sentence in refusal_of(f'[[features]]\nname = "a"\n{facts}')


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("outputs = 1", "[[outputs]] must be a list of tables"),
        ("outputs = [1]", "[[outputs]] number 1 must be a table"),
        ("[[outputs]]\nunit = 'g'", "number 1 has no name"),
        ("[[outputs]]\nname = 'a'\n[[outputs]]\nname = 'a'", "output 'a' appears twice"),
        ("[[outputs]]\nname = 'a'\ncolumns = []", "unknown key 'columns'"),
        ("[[outputs]]\nname = 'a'\nunit = 1", "unit of output 'a' must be text"),
        ("[[outputs]]\nname = 'a'\nnames = 'x'", "must be a list of text"),
        ("[[outputs]]\nname = 'a'\nnames = []", "must be a list of text"),
        ("[[outputs]]\nname = 'a'\nnames = [1]", "must be text"),
        ("[[outputs]]\nname = 'a'\nnames = ['x', 'x']", "a name twice"),
        ("parameters = [1]", "[parameters] must be a table"),
        ("limits = 1", "[limits] must be a table"),
        ("[limits]\nrows = 1", "unknown key 'rows'"),
        ("[limits]\nmax_rows = 0", "max_rows of [limits]"),
        ("[limits]\nmax_rows = 1.0", "max_rows of [limits]"),
        ("[limits]\nmax_rows = true", "max_rows of [limits]"),
        ("[limits]\ndeadline_s = 0", "deadline_s of [limits]"),
        ("[limits]\ndeadline_s = inf", "deadline_s of [limits]"),
        ("[limits]\ncost = -1", "cost of [limits]"),
        ("[limits]\ncost = nan", "cost of [limits]"),
        ("[limits]\ncost = '1'", "cost of [limits]"),
        ("[remote]\nurl = 'http://engine'\nmodel = 'm'", "[remote]"),
        ("[example]\nrows = [[[1]]]", "list of values"),
        ("[example]\nrows = [1]", "list of values"),
        ("[example]\nrows = [{a = {b = 1}}]", "list of values"),
    ],
)
def test_a_wrong_section_is_refused(toml, sentence):
    """Nothing is skipped in silence, and every refusal is one line that names the file."""
    reason = refusal_of(toml)

    assert sentence in reason
    assert reason.startswith("model.toml: ")
    assert "\n" not in reason


@pytest.mark.parametrize(("limits", "read"), [("max_rows = 1", 1), ("deadline_s = 0.001", 0.001)])
def test_the_smallest_limits_are_read(limits, read):
    """One row and a millisecond are limits, too."""
    declared = parse_declaration(f"[limits]\n{limits}".encode()).limits

    assert read in {declared.max_rows, declared.deadline_s}
