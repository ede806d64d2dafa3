"""`gateway score`: what goes in, what comes out, and what is said of rows that are refused."""

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from live_gateway import LiveGateway
from score_fixtures import FEATURES, Scorer, expected_labels, scoring_gateway, wine_rows

HEADER = list(FEATURES)
CHURN = ["months", "monthly_charge", "contract", "payment", "complaints", "paperless", "region"]
CHURN_ROW = [3.0, 89.9, "monthly", "card", 2, True, "north"]
ANSWERS = ["predictions", "probabilities_0", "probabilities_1", "probabilities_2"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with scoring_gateway(tmp_path_factory.mktemp("scoring")) as gateway:
        yield gateway


@pytest.fixture
def scorer(served: LiveGateway, tmp_path: Path) -> Scorer:
    served.calls.clear()
    return Scorer(served, tmp_path)


INPUTS = [".csv", ".tsv", ".ndjson", ".jsonl", ".parquet", ".arrow", ".arrows", ".feather"]


@pytest.mark.parametrize("end", INPUTS)
def test_every_kind_of_file_is_read(scorer, end):
    """2,500 rows in several calls; the answers are the model's own, in the order of the file."""
    rows = wine_rows(2_500)
    scorer.write(f"in{end}", ["id", *HEADER], [[f"c{at}", *row] for at, row in enumerate(rows)])
    said = scorer.score(f"in{end}", "out.csv")
    answered = scorer.read("out.csv")

    assert [row["id"] for row in answered] == [f"c{at}" for at in range(2_500)]
    assert [int(row["predictions"]) for row in answered] == expected_labels(rows)
    assert list(answered[0]) == ["id", *ANSWERS]
    assert "2,500 rows in" in said
    assert len(scorer.served.predict_calls()) >= 2
    assert scorer.files() == {f"in{end}", "out.csv"}


@pytest.mark.parametrize("end", [".csv", ".tsv", ".ndjson", ".jsonl", ".parquet", ".arrow"])
def test_every_kind_of_file_is_written(scorer, end):
    """The same numbers, whatever they are written as."""
    rows = wine_rows(200)
    scorer.write("in.csv", ["id", *HEADER], [[at, *row] for at, row in enumerate(rows)])
    scorer.score("in.csv", f"out{end}")
    answered = scorer.read(f"out{end}")

    assert [str(row["id"]) for row in answered] == [str(at) for at in range(200)]
    assert [int(row["predictions"]) for row in answered] == expected_labels(rows)
    assert all(math.isclose(sum(float(row[name]) for name in ANSWERS[1:]), 1.0) for row in answered)


def test_columns_of_parquet_keep_their_types(scorer):
    """What is carried beside the answers is not turned into text."""
    rows = wine_rows(5)
    table = pa.table(
        {
            "id": pa.array([1, 2, None, 4, 5], pa.int32()),
            "day": pa.array([0, 1, 2, 3, None], pa.date32()),
            **{name: [row[at] for row in rows] for at, name in enumerate(HEADER)},
        }
    )
    pq.write_table(table, scorer.folder / "in.parquet")
    scorer.score("in.parquet", "out.parquet")
    written = pq.read_table(scorer.folder / "out.parquet")

    assert written.schema.field("id").type == pa.int32()
    assert written.schema.field("predictions").type == pa.int64()
    assert written.select(["id", "day"]).equals(table.select(["id", "day"]))


def test_mixed_types_mean_the_same_in_every_file(scorer):
    """Text, whole numbers, truth values and gaps give one answer from CSV, NDJSON and Parquet."""
    rows = [CHURN_ROW, [None, None, "two years", "invoice", 0, False, None]]
    text = [[3, "89.9", "monthly", "card", "2", "True", "north"]]
    text += [["", "NaN", "two years", "invoice", "0.0", "false", ""]]
    scorer.write("in.csv", CHURN, text)
    for end in (".ndjson", ".parquet"):
        scorer.write(f"in{end}", CHURN, rows)
    answers = []
    for end in (".csv", ".ndjson", ".parquet"):
        scorer.score(f"in{end}", f"out{end}.ndjson", model="churn")
        answers.append(scorer.read(f"out{end}.ndjson"))

    assert answers[0] == answers[1] == answers[2]
    assert {call.content_type for call in scorer.served.predict_calls() if call.status == 200} == {
        "application/vnd.apache.arrow.stream"
    }
    assert [row["predictions"] for row in answers[0]] == ["left", "stayed"]
    assert set(answers[0][0]) == {"predictions", "probabilities_left", "probabilities_stayed"}


def test_refused_rows_are_reported_and_stay_in_their_place(scorer):
    """Cells the client cannot read, cells the gateway refuses, and lines that are no rows."""
    rows = [list(map(str, row)) for row in wine_rows(300)]
    rows[5][0] = "twelve"
    rows[7][0] = "-1"
    rows[9][4] = "501"
    rows[11][2] = ""
    rows[13] = rows[13][:-1]
    rows[299][0], rows[299][4] = "-2", "600"
    scorer.write("in.csv", ["id", *HEADER], [[f"c{at}", *row] for at, row in enumerate(rows)])
    said = scorer.score("in.csv", "out.csv", exit_code=3)
    answered = scorer.read("out.csv")
    empty = [at for at, row in enumerate(answered) if row["predictions"] == ""]

    assert empty == [5, 7, 9, 11, 13, 299]
    assert answered[7]["id"] == "c7"
    assert answered[13]["id"] == ""
    assert scorer.refused("out.csv") == [
        ("6", "7", "alcohol", "string_value"),
        ("8", "9", "alcohol", "out_of_range"),
        ("10", "11", "magnesium", "out_of_range"),
        ("12", "13", "ash", "missing_value"),
        ("14", "15", "", "ragged_rows"),
        ("300", "301", "alcohol", "out_of_range"),
        ("300", "301", "magnesium", "out_of_range"),
    ]
    assert "6 refused (see " in said
    report = scorer.read("out.csv.refused.csv")
    assert (report[0]["value"], report[1]["value"]) == ("twelve", "-1.0")
    assert report[1]["expected"] == "number of at least 0"


@pytest.mark.parametrize("end", [".ndjson", ".parquet"])
def test_rows_of_typed_files_are_refused_by_the_gateway(scorer, end):
    """A wrong type is named as the gateway names it; Arrow files have rows and no lines."""
    rows = [CHURN_ROW, [*CHURN_ROW[:2], "weekly", *CHURN_ROW[3:]]]
    scorer.write(f"in{end}", CHURN, rows)
    scorer.score(f"in{end}", "out.parquet", model="churn", exit_code=3)

    line = "2" if end == ".ndjson" else ""
    assert scorer.refused("out.parquet") == [("2", line, "contract", "unknown_category")]
    assert [row["predictions"] for row in scorer.read("out.parquet")] == ["left", None]


def test_lines_that_are_no_json_are_refused(scorer):
    """The others are scored; blank lines are no rows."""
    good = json.dumps(dict(zip(HEADER, wine_rows(1)[0], strict=True)))
    (scorer.folder / "in.ndjson").write_text(f"{good}\n\n{{\n[1]\n{good}")
    scorer.score("in.ndjson", "out.ndjson", exit_code=3)

    assert [row["predictions"] for row in scorer.read("out.ndjson")] == [0, None, None, 0]
    assert scorer.refused("out.ndjson") == [
        ("2", "3", "", "invalid_json"),
        ("3", "4", "", "not_a_row"),
    ]


def test_rows_that_the_model_fails_on_are_found(scorer):
    """The model raises for the whole call: halving finds the two rows it cannot answer."""
    rows = [[float(at), 1.0] for at in range(50)]
    rows[20][0] = rows[41][0] = 101.0
    # It looks at the first row only, so each of the two comes first somewhere.
    scorer.write("in.csv", ["x0", "x1"], rows)
    scorer.score("in.csv", "out.csv", "--rows-per-call", "1", model="moody", exit_code=3)

    assert [line[:1] for line in scorer.refused("out.csv")] == [("21",), ("42",)]
    assert [float(row["predictions"] or -1) for row in scorer.read("out.csv")] == [
        -1.0 if row[0] > 100 else row[0] for row in rows
    ]


def test_nothing_but_refused_rows_stops_early(scorer):
    """A file in another unit does not use up the plan; the report says why."""
    rows = [[-row[0], *row[1:]] for row in wine_rows(5_000)]
    scorer.write("in.csv", HEADER, rows)
    said = scorer.score("in.csv", "out.csv", "--rows-per-call", "200", exit_code=1)

    assert "All of the first 200 rows were refused" in said
    assert len(scorer.refused("out.csv")) == 200
    assert not (scorer.folder / "out.csv").exists()


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        ((), ["id", "day"]),
        (("--keep", "none"), []),
        (("--keep", "day", "--keep", "alcohol"), ["day", "alcohol"]),
        (("--keep", "all"), ["id", *HEADER, "day"]),
    ],
)
def test_columns_beside_the_answers_can_be_chosen(scorer, keep, kept):
    """By default those that are not the model's: they say which row is which."""
    row = wine_rows(1)[0]
    scorer.write("in.csv", ["id", *HEADER, "day"], [["007", *row, "2026-11-26"]])
    said = scorer.score("in.csv", "out.csv", *keep)
    answered = scorer.read("out.csv")

    assert list(answered[0]) == [*kept, *ANSWERS]
    assert answered[0].get("id", "007") == "007"
    assert ("kept beside the answers: id, day" in said) == (keep == ())


def test_order_of_columns_quotes_and_a_byte_order_mark_change_nothing(scorer):
    """Columns are found by name, as a spreadsheet writes them."""
    rows = wine_rows(3)
    with (scorer.folder / "in.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([[*HEADER[::-1], "note"], *([*row[::-1], 'a "b",\nc'] for row in rows)])
    scorer.score("in.csv", "out.csv")
    answered = scorer.read("out.csv")

    assert [int(row["predictions"]) for row in answered] == expected_labels(rows)
    assert answered[2]["note"] == 'a "b",\nc'


def test_file_with_a_header_only_gives_a_header_only(scorer):
    """No rows are no mistake: a nightly job may have none."""
    for end in (".csv", ".parquet"):
        (scorer.folder / "in.csv").write_text(",".join(HEADER) + "\n")
        scorer.score("in.csv", f"out{end}")

        assert scorer.read(f"out{end}") == []
    assert scorer.served.predict_calls() == []


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("in.csv", b"", "is empty"),
        ("in.ndjson", b"", "no JSON objects"),
        ("in.parquet", b"PAR1", "is no Parquet file"),
        ("in.arrow", b"ARROW1 and more", "is no Arrow file"),
        ("in.xlsx", b"", "must end in one of .csv"),
        ("in.csv", b"a;b;c\n1;2;3\n", "separated by semicolons"),
        ("in.csv", b"alcohol,alcohol\n1,2\n", "more than one column 'alcohol'"),
        ("in.csv", b"Alcohol,b\n1,2\n", "lacks 13 of the model's features: 'alcohol'"),
        ("in.csv", b"a\n\xe9\n", "lacks 13"),
        ("in.csv", b"\xe9\n", "line 1: not UTF-8"),
        ("none.csv", None, "No such file"),
    ],
)
def test_files_that_cannot_be_scored_are_refused_in_one_line(scorer, name, content, says):
    """Before a row is sent, and without a trace of an output."""
    if content is not None:
        (scorer.folder / name).write_bytes(content)
    said = scorer.score(name, "out.csv", exit_code=1)

    assert says in said
    assert said.startswith("Error: ")
    assert said.count("\n") == 1
    assert scorer.served.predict_calls() == []
    assert scorer.files() <= {name}


@pytest.mark.parametrize(
    ("line", "says"), [(b"\xe91", "line 122: not UTF-8"), (b'"1', "line 122: no valid CSV")]
)
def test_damage_within_a_file_names_its_line(scorer, line, says):
    """Rows before it are kept: once the file is mended, --restart is needed, as it is another."""
    rows = [",".join(map(str, row)).encode() for row in wine_rows(150)]
    rows[120] = line + rows[120][1:]
    (scorer.folder / "in.csv").write_bytes(b"\n".join([",".join(HEADER).encode(), *rows, b""]))
    said = scorer.score("in.csv", "out.csv", "--rows-per-call", "100", exit_code=1)

    assert says in said
    assert "out.csv.progress" in scorer.files()


def test_missing_columns_that_may_be_missing_are_said(scorer):
    """A column of gaps is what the model makes of it, but nobody should be surprised."""
    scorer.write("in.csv", CHURN[:-1], [CHURN_ROW[:-1]])
    said = scorer.score("in.csv", "out.csv", model="churn")

    assert "Not in the file, so sent as missing: region." in said


def test_existing_output_is_not_lost(scorer):
    """Unless it is asked for."""
    scorer.write("in.csv", HEADER, wine_rows(1))
    (scorer.folder / "out.csv").write_text("precious")

    assert "out.csv exists: --overwrite" in scorer.score("in.csv", "out.csv", exit_code=1)
    assert (scorer.folder / "out.csv").read_text() == "precious"
    scorer.score("in.csv", "out.csv", "--overwrite")
    assert len(scorer.read("out.csv")) == 1


def test_quiet_says_nothing_but_the_exit_code(scorer):
    """For cron."""
    scorer.write("in.csv", ["id", *HEADER], [["a", *wine_rows(1)[0]]])

    assert scorer.score("in.csv", "out.csv", "--quiet") == ""


@pytest.mark.parametrize("compression", ["auto", "zstd", "gzip", "none"])
def test_bodies_are_compressed_as_asked(scorer, compression):
    """The answers are the same."""
    rows = wine_rows(500)
    scorer.write("in.csv", HEADER, rows)
    scorer.score("in.csv", "out.csv", "--compression", compression)
    codings = {call.coding for call in scorer.served.predict_calls() if call.status == 200}

    assert [int(row["predictions"]) for row in scorer.read("out.csv")] == expected_labels(rows)
    assert codings <= {"" if compression == "none" else compression, "zstd", ""}
    assert compression not in {"zstd", "gzip"} or codings == {compression}


def test_plan_is_kept_to(scorer):
    """No call has more rows than the plan allows, and none is refused for it."""
    control = scorer.served.gateway.control
    partner = control.add_partner("small", "trial", ("model:*:predict", "model:*:read"))
    rows = wine_rows(3_000)
    scorer.write("in.csv", HEADER, rows)
    credentials = scorer.served.credentials(scorer.folder / "small.json", partner)
    names = str(scorer.folder / "in.csv"), "-o", str(scorer.folder / "out.csv")
    result = scorer.run(*names, "--model", "wine", "--credentials", str(credentials))
    statuses = [c.status for c in scorer.served.predict_calls() if c.status != 415]

    assert result.exit_code == 0, result.output
    assert statuses == [200] * 3


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (["--model", "beer"], {}, "404 unknown_model"),
        (["--model", "wine", "--model-version", "9"], {}, "404 unknown_version"),
        (["--model", "wine"], {"GATEWAY_CLIENT_SECRET": "wrong"}, "401 invalid_client"),
        (["--model", "wine", "--url", "http://192.0.2.1"], {}, "the secret would travel in clear"),
        (["--model", "wine", "--url", "ftp://localhost"], {}, "is not the base URL"),
        (
            ["--model", "wine", "--ca-file", "none.pem", "--url", "https://localhost:1"],
            {},
            "none.pem",
        ),
        (["--model", "wine", "--credentials", "none.json"], {}, "none.json: No such file"),
        (["--model", "wine", "--keep", "nose"], {}, "--keep nose: no such column"),
        (["--model", "wine", "--url", "http://localhost:1", "--retry-for", "0"], {}, "refused"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(scorer, arguments, environment, says):
    """Wrong names, secrets and addresses."""
    scorer.write("in.csv", HEADER, wine_rows(1))
    names = str(scorer.folder / "in.csv"), "-o", str(scorer.folder / "out.csv")
    result = scorer.run(*names, *arguments, environment=environment)

    assert result.exit_code == 1
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert scorer.files() == {"in.csv"}


def test_credentials_can_come_from_the_environment_alone(scorer):
    """As a container gets them."""
    known = scorer.served.gateway.control.partner
    scorer.write("in.csv", HEADER, wine_rows(1))
    names = str(scorer.folder / "in.csv"), "-o", str(scorer.folder / "out.csv")
    environment = {
        "GATEWAY_CREDENTIALS": "",
        "GATEWAY_URL": scorer.served.url,
        "GATEWAY_CLIENT_ID": known.client_id,
        "GATEWAY_CLIENT_SECRET": known.secret,
    }

    assert scorer.run(*names, "--model", "wine", environment=environment).exit_code == 0
    assert (
        "Not known: base_url"
        in scorer.run(
            *names, "--model", "wine", environment=environment | {"GATEWAY_URL": ""}
        ).stderr
    )
