"""`?on_error=row`: the good rows are answered, the others reported in their place."""

import io
import json

import numpy as np
import pyarrow as pa
import pytest
from app_fixture import AppFixture, add_model, make_app
from fakes import MoodyEstimator, wine_classifier
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from gateway.errors import EmptyBody
from gateway.wire.formats import FORMATS
from gateway.wire.formats.format import Reading
from gateway.wire.json_document import JsonParser
from gateway.wire.row_sieve import MOST_FAULTS, RowSieve
from gateway.wire.table import Refusals, Table
from model import Contract, Fault, Feature, InvalidInput, SiftedRows

WINE = load_wine()
GOOD = WINE.data[::60].tolist()
NAMES = WINE.feature_names
PATH = "/v1/models/wine/predict?on_error=row"
PARSER = JsonParser(max_depth=32, max_elements=100_000)
MIXED = Contract(
    "m",
    "1",
    "",
    (
        Feature("age", minimum=0.0),
        Feature("visits", "INT64"),
        Feature("city", "BYTES", nullable=True, categories=("Bonn", "Kiel")),
    ),
    (),
    (),
)
DENSE = Contract("m", "1", "", (Feature("a", maximum=9.0), Feature("b")), (), ())


def sift(name: str, body: bytes, contract: Contract = MIXED) -> SiftedRows:
    sieve = RowSieve()
    batch = FORMATS[name].decode(body, Reading(contract, PARSER, faults=sieve))
    return sieve.sifted(batch, contract)


def codes(rows: SiftedRows) -> dict[int, list[tuple[str | None, str]]]:
    return {
        at: [(fault.feature, fault.code) for fault in faults] for at, faults in rows.faults.items()
    }


def arrow(**columns) -> bytes:
    table = pa.table(columns)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("json", b'[[1,2,"Bonn"],[-1,3.5,"Rome"],["x",1,null],[4,5,null]]'),
        (
            "json",
            b'{"rows":[{"age":1,"visits":2,"city":"Bonn"},{"age":-1,"visits":3.5,"city":"Rome"},'
            b'{"age":"x","visits":1},{"age":4,"visits":5}]}',
        ),
        (
            "json",
            b'{"columns":{"age":[1,-1,"x",4],"visits":[2,3.5,1,5],'
            b'"city":["Bonn","Rome",null,null]}}',
        ),
        ("ndjson", b'[1,2,"Bonn"]\n[-1,3.5,"Rome"]\n["x",1,null]\n[4,5,null]\n'),
        ("csv", b"1,2,Bonn\n-1,3.5,Rome\nx,1,\n4,5,\n"),
        ("csv", b"city,visits,age\nBonn,2,1\nRome,3.5,-1\n,1,x\n,5,4\n"),
    ],
)
def test_each_format_keeps_the_good_rows(name: str, body: bytes) -> None:
    """Wrong types and wrong values, each named with its row; the others in their order."""
    rows = sift(name, body)

    assert codes(rows) == {
        1: [("age", "out_of_range"), ("visits", "not_integer"), ("city", "unknown_category")],
        2: [("age", "string_value")],
    }
    assert rows.kept.tolist() == [0, 3]
    assert {name: column.tolist() for name, column in rows.batch.columns.items()} == {
        "age": [1.0, 4.0],
        "visits": [2, 5],
        "city": ["Bonn", None],
    }
    MIXED.check(rows.batch)


def test_typed_tables_keep_the_good_rows() -> None:
    """Missing values and ranges concern a row, types of columns all of them."""
    rows = sift("arrow_stream", arrow(age=[1.0, None, 3.0], visits=[1, 2, None], city=["Bonn"] * 3))

    assert codes(rows) == {1: [("age", "missing_value")], 2: [("visits", "missing_value")]}
    assert rows.batch.columns["age"].tolist() == [1.0]
    with pytest.raises(InvalidInput):
        sift("arrow_stream", arrow(age=["1"], visits=[1], city=["Bonn"]))


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("json", b"[[1,2],[10,2],[3,4]]"),
        ("csv", b"1,2\n10,2\n3,4\n"),
        ("ndjson", b"[1,2]\n[10,2]\n[3,4]\n"),
        ("octets", np.array([[1.0, 2.0], [10.0, 2.0], [3.0, 4.0]]).tobytes()),
    ],
)
def test_numbers_on_the_fast_path_are_judged_too(name: str, body: bytes) -> None:
    """By their ranges."""
    rows = sift(name, body, DENSE)

    assert codes(rows) == {1: [("a", "out_of_range")]}
    assert rows.batch.values.tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("name", "body", "found"),
    [
        ("json", b"[[1,2],[1],7,[3,4]]", {1: "ragged_rows", 2: "not_a_row"}),
        (
            "json",
            b'{"rows":[{"a":1},{"a":1,"b":2,"c":3},{"a":1,"b":2}]}',
            {0: "missing_feature", 1: "unknown_feature"},
        ),
        ("csv", b"1,2\n1\n3,4,5\n6,7\n", {1: "ragged_rows", 2: "ragged_rows"}),
        ("ndjson", b"[1,2]\n[1\n[3,4]\nnull\n", {1: "not_a_row", 3: "not_a_row"}),
    ],
)
def test_what_is_no_row_is_left_out(name: str, body: bytes, found: dict[int, str]) -> None:
    """Of the wrong length, with other names, or a line that is no JSON."""
    rows = sift(name, body, DENSE)

    assert {at: faults[0].code for at, faults in rows.faults.items()} == found
    assert all(len(faults) == 1 for faults in rows.faults.values())
    assert rows.row_count == len(rows.kept) + len(found)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("json", b"[[1],[2]]"),
        ("json", b"[]"),
        ("json", b'{"columns":{"a":[1]}}'),
        ("json", b'{"columns":{"a":[1,2],"b":[1]}}'),
        ("csv", b"a,c\n1,2\n"),
        ("csv", b"a,b\n"),
        ("octets", b""),
    ],
)
def test_what_concerns_no_single_row_refuses_the_call(name: str, body: bytes) -> None:
    """No row of such a body can be good."""
    with pytest.raises((InvalidInput, EmptyBody)):
        sift(name, body, DENSE)


def test_faults_are_capped() -> None:
    """Each refused row has one; from ten thousand in all on, only one, and never a thousand."""
    many = sift("json", json.dumps([["x", "y"]] * 9_000).encode(), DENSE)
    names = {f"n{at}": 1 for at in range(1000)}
    wide = sift("json", json.dumps({"rows": [names, {"a": 1, "b": 2}]}).encode(), DENSE)

    assert len(many.faults) == 9_000
    assert (len(many.faults[0]), len(many.faults[8_999])) == (2, 1)
    assert sum(map(len, many.faults.values())) <= 10_000 + 9_000
    assert len(wide.faults[0]) == 10


_FAULTS = [Fault(1, "age", "out_of_range", "x", "y"), Fault(1, None, "z", "", "")]
TABLE = Table(
    {
        "predictions": np.array([1, 2]),
        "probabilities": np.array([[0.25, 0.75], [0.5, 0.5]]),
        "names": np.array(["a", "b"], dtype=object),
    },
    labels={"probabilities": ["no", "yes"]},
    about={"model": "m"},
    refusals=Refusals([0, 2], {1: _FAULTS}),
)


def test_a_refused_row_is_null_in_json() -> None:
    """In every output, with its faults beside them, and none of the caller's values."""
    said = json.loads(FORMATS["json"].encode(TABLE, {}))
    lines = [json.loads(line) for line in FORMATS["ndjson"].encode(TABLE, {}).splitlines()]
    faults = [
        {"feature": "age", "code": "out_of_range", "found": "x", "expected": "y"},
        {"feature": None, "code": "z", "found": "", "expected": ""},
    ]

    assert said == {
        "model": "m",
        "predictions": [1, None, 2],
        "probabilities": [[0.25, 0.75], None, [0.5, 0.5]],
        "names": ["a", None, "b"],
        "errors": [{"row": 1, "faults": faults}],
    }
    assert lines == [
        {"predictions": 1, "probabilities": [0.25, 0.75], "names": "a", "errors": []},
        {"predictions": None, "probabilities": None, "names": None, "errors": faults},
        {"predictions": 2, "probabilities": [0.5, 0.5], "names": "b", "errors": []},
    ]


def test_a_refused_row_is_empty_in_the_other_formats() -> None:
    """Empty in CSV, null in Arrow, NaN in npy; what was wrong is a column where there is room."""
    lines = FORMATS["csv"].encode(TABLE, {}).decode().split("\r\n")
    opened = pa.ipc.open_stream(FORMATS["arrow_stream"].encode(TABLE, {})).read_all().to_pydict()
    one = np.load(io.BytesIO(FORMATS["npy"].encode(TABLE, {})))
    every = np.load(io.BytesIO(FORMATS["npz"].encode(TABLE, {})))

    assert lines == [
        "predictions,probabilities_no,probabilities_yes,names,errors",
        "1,0.25,0.75,a,",
        ",,,,age: out_of_range; z",
        "2,0.5,0.5,b,",
        "",
    ]
    assert opened == {
        "predictions": [1, None, 2],
        "probabilities": [[0.25, 0.75], None, [0.5, 0.5]],
        "names": ["a", None, "b"],
        "errors": [None, "age: out_of_range; z", None],
    }
    assert repr(one.tolist()) == "[1.0, nan, 2.0]"
    assert repr(every["probabilities"].tolist()) == "[[0.25, 0.75], [nan, nan], [0.5, 0.5]]"
    assert every["names"].tolist() == ["a", "", "b"]
    assert every["refused"].tolist() == [1]


@pytest.mark.parametrize("name", ["json", "ndjson", "csv", "arrow_stream", "npy", "npz"])
@pytest.mark.parametrize("kept", [[], [0, 1]])
def test_all_or_none_may_be_refused(name: str, kept: list[int]) -> None:
    """An answer without a good row, or without a bad one, can be given in each format."""
    fault = Fault(0, "a", "x", "", "")
    faults = {} if kept else {0: [fault], 1: [fault]}
    outputs = {name: array[: len(kept)] for name, array in TABLE.outputs.items()}
    table = Table(outputs, TABLE.labels, refusals=Refusals(kept, faults))
    body = FORMATS[name].encode(table, {})

    if name == "json":
        assert json.loads(body)["predictions"] == ([1, 2] if kept else [None, None])
    assert body


def test_good_rows_are_answered_as_ever(shared_gateway: AppFixture) -> None:
    """Their answers are those they get without the others; the bad row is null."""
    expected = shared_gateway.predict(GOOD).json
    bad = ["x", *GOOD[0][1:]]
    response = shared_gateway.predict([GOOD[0], bad, *GOOD[1:]], PATH)
    answer = response.json

    assert response.status_code == 200
    assert answer["predictions"][1] is None
    assert answer["predictions"][:1] + answer["predictions"][2:] == expected["predictions"]
    assert answer["probabilities"][:1] + answer["probabilities"][2:] == expected["probabilities"]
    assert answer["errors"] == [
        {
            "row": 1,
            "faults": [
                {
                    "feature": NAMES[0],
                    "code": "string_value",
                    "found": "a string",
                    "expected": "a number",
                }
            ],
        }
    ]


def test_without_a_bad_row_there_are_no_errors(shared_gateway: AppFixture) -> None:
    """The rest is the ordinary answer, on the fast path, too."""
    expected = shared_gateway.predict(GOOD).json

    assert shared_gateway.predict(GOOD, PATH).json == {**expected, "errors": []}


def test_by_default_one_bad_row_refuses_the_call(shared_gateway: AppFixture) -> None:
    """With all that is wrong; other words for the parameter are refused."""
    rows = [GOOD[0], ["x", *GOOD[0][1:]]]
    refused = shared_gateway.predict(rows, "/v1/models/wine/predict?on_error=refuse")
    unknown = shared_gateway.predict(rows, "/v1/models/wine/predict?on_error=skip")

    assert (refused.status_code, refused.json["error_count"]) == (422, 1)
    assert (unknown.status_code, unknown.json["code"]) == (400, "bad_request")


def test_refused_rows_are_charged(tmp_path) -> None:
    """All rows of the call are: each was read and judged; also where none is good."""
    gateway = make_app(tmp_path)
    bad = ["x", *GOOD[0][1:]]

    def left() -> int:
        answer = gateway.client.get("/v1/limits", headers=gateway.bearer()).json
        [rows] = [one for one in answer["limits"] if one["unit"] == "rows"]
        return rows["remaining"]

    before = left()
    some = gateway.predict([GOOD[0], bad], PATH)
    between = left()
    none = gateway.predict([bad, bad, bad], PATH)

    assert (some.status_code, none.status_code) == (200, 200)
    assert none.json["predictions"] == [None] * 3
    assert none.json["probabilities"] == [None] * 3
    assert (before - between, between - left()) == (2, 3)


def test_a_model_that_fails_fails_the_call(tmp_path) -> None:
    """That is no fault of a row."""
    gateway = make_app(tmp_path, models={"moody": MoodyEstimator()})
    response = gateway.predict([[1000.0, 1.0]], "/v1/models/moody/predict?on_error=row")

    assert (response.status_code, response.json["code"]) == (500, "model_failed")


def test_mixed_types_by_row(tmp_path) -> None:
    """Text with a list of categories, through the whole pipeline, CSV in and out."""
    frame_free = np.array([["a", "x"], ["b", "y"], ["a", "y"]], dtype=object)
    estimator = make_pipeline(
        make_column_transformer((OneHotEncoder(), [0, 1])), LogisticRegression()
    ).fit(frame_free, [0, 1, 1])
    gateway = make_app(tmp_path)
    add_model(gateway.control, "mixed", estimator)
    gateway.refresh()
    response = gateway.client.post(
        "/v1/models/mixed/predict?on_error=row",
        data=b"a,x\nz,x\nb,y\n",
        headers={**gateway.bearer(), "Content-Type": "text/csv", "Accept": "text/csv"},
    )
    lines = response.text.splitlines()

    assert response.status_code == 200
    assert lines[2].endswith("x0: unknown_category")
    assert lines[2].startswith(",,,")


@pytest.mark.parametrize("form", ["csv", "json", "npy"])
def test_the_models_own_cap_of_rows_holds(tmp_path, form: str) -> None:
    """A model that takes two rows a call is not asked for three, whatever the plan admits."""
    gateway = make_app(tmp_path)
    gateway.add_model("few", wine_classifier(), "[limits]\nmax_rows = 2\n")
    text = "\n".join(",".join(map(str, row)) for row in GOOD)
    npy = io.BytesIO()
    np.save(npy, np.array(GOOD))
    given = {
        "csv": {"data": text, "content_type": "text/csv"},
        "json": {"json": GOOD},
        "npy": {"data": npy.getvalue(), "content_type": "application/x-npy"},
    }[form]

    refused = gateway.client.post(
        "/v1/models/few/predict?on_error=row", headers=gateway.bearer(), **given
    )

    assert len(GOOD) == 3
    assert refused.status_code == 422
    assert refused.json["errors"][0]["code"] == "too_many_rows"


def test_the_faults_of_all_rows_are_bounded():
    """Each refused row has one; an answer that named all would be a hundred times what was sent."""
    sieve, rows = RowSieve(), MOST_FAULTS // 5 + 1000
    for row in range(rows):
        for feature in "abcde":
            sieve.add(row, feature, "unknown_feature", "an unknown name", "a feature's name")
    counts = [len(faults) for faults in sieve.by_row.values()]

    assert len(counts) == rows
    assert set(counts[: MOST_FAULTS // 5]) == {5}
    assert set(counts[MOST_FAULTS // 5 :]) == {1}
