"""`--probe FILE`: rows like those that will come."""

import json

import pytest

from model import ArtifactRejected, Contract, Feature
from model.engines.sample_rows import read_samples

MIXED = Contract(
    "m",
    "1",
    "",
    (
        Feature("size"),
        Feature("count", "INT64"),
        Feature("flag", "BOOL"),
        Feature("word", "BYTES", nullable=True),
    ),
    (),
    (),
)
NUMBERS = Contract("m", "1", "", (Feature("a", maximum=10.0), Feature("b", nullable=True)), (), ())


def test_a_csv_file_is_read_by_its_names():
    """In any order, with columns that the model does not take; an empty cell is missing."""
    text = "label,word,flag,count,size\nx,red,true,3,1.5\ny,,0,4,2\n"
    batch = read_samples("rows.csv", text.encode(), MIXED)

    assert {name: column.tolist() for name, column in batch.columns.items()} == {
        "size": [1.5, 2.0],
        "count": [3, 4],
        "flag": [True, False],
        "word": ["red", None],
    }


@pytest.mark.parametrize(
    "document",
    [
        [[1, 2.5], [3.0, None]],
        {"data": [[1, 2.5], [3.0, None]]},
        {"rows": [{"a": 1, "b": 2.5}, {"b": None, "a": 3.0}]},
        {"columns": {"b": [2.5, None], "a": [1, 3.0]}},
    ],
)
def test_a_json_file_has_a_shape_of_a_request(document):
    """All four."""
    batch = read_samples("rows.JSON", json.dumps(document).encode(), NUMBERS)

    assert batch.values[:, 0].tolist() == [1.0, 3.0]
    assert batch.values[0, 1] == 2.5


def test_rows_that_the_contract_refuses_are_passed_over():
    """The gateway would not hand them to the model either."""
    batch = read_samples("rows.csv", b"a,b\n10,1\n10.5,1\n,1\nmany,1\n", NUMBERS)

    assert batch.values.tolist() == [[10.0, 1.0]]


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("rows.csv", b"a,c\n1,2\n", "no column 'b'"),
        (
            "rows.csv",
            b"a,b\n11,2\n",
            "keeps the model's contract; in the first, a is",
        ),
        ("rows.csv", b"", "No row of rows.csv"),
        ("rows.csv", b"\xff\xfe", "cannot be read"),
        ("rows.json", b"{", "cannot be read"),
        ("rows.json", b"[" * 100_000, "cannot be read"),
        ("rows.json", b"[[1, 2, 3]]", "cannot be read"),
        ("rows.json", b'{"data": 1, "rows": 2}', "cannot be read"),
        ("rows.parquet", b"PAR1", "neither .csv nor .json"),
    ],
)
def test_a_file_without_a_usable_row_is_refused(name, data, says):
    """In one line that names what is wrong."""
    with pytest.raises(ArtifactRejected) as refusal:
        read_samples(name, data, NUMBERS)

    assert says in refusal.value.reason
