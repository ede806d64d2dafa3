"""Which format a body has and an answer gets, through the whole pipeline."""

import json

import pytest
from app_fixture import AppFixture
from sklearn.datasets import load_wine

from gateway.errors import NotAcceptable, UnsupportedMediaType
from gateway.wire.formats import FORMATS

WINE = load_wine()
ROWS = WINE.data[::40].tolist()
CSV = "".join(",".join(map(repr, row)) + "\n" for row in ROWS).encode()
PATH = "/v1/models/wine/predict"


def post(gateway: AppFixture, body: bytes, **headers: str):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.client.post(PATH, data=body, headers={**gateway.bearer(), **named})


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("application/*", "json"),
        ("application/json", "json"),
        ("application/json; charset=utf-8", "json"),
        ("APPLICATION/JSON", "json"),
        ("text/csv", "csv"),
        ("text/csv; header=absent", "csv"),
        ("text/*", "csv"),
        ("text/html, text/*;q=0.5", "csv"),
        ("application/json;q=0.5, text/csv", "csv"),
        ("application/json, text/csv", "json"),
        ("text/csv, application/json", "json"),
        ("application/json;q=0, text/csv;q=0.1", "csv"),
        ("application/json;q=0, */*", "ndjson"),
        ("application/csv", "csv"),
    ],
)
def test_the_answer_is_what_is_liked_most(accept: str, name: str) -> None:
    """RFC 9110 section 12.5.1: the most exact range decides, ours is the first among equals."""
    assert FORMATS.for_answer(accept)[0].name == name


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "*/*;q=0", "nonsense"])
def test_what_cannot_be_given_is_refused(accept: str) -> None:
    """With the types there are."""
    with pytest.raises(NotAcceptable, match="application/json, application/x-ndjson, text/csv"):
        FORMATS.for_answer(accept)


@pytest.mark.parametrize(
    ("content_type", "name", "parameters"),
    [
        ("application/json", "json", {}),
        ("Application/JSON; Charset=UTF-8", "json", {"charset": "UTF-8"}),
        ("text/csv", "csv", {}),
        ("text/csv; HEADER=present", "csv", {"header": "present"}),
        ("text/csv; charset=us-ascii", "csv", {"charset": "us-ascii"}),
        ("application/csv", "csv", {}),
    ],
)
def test_the_content_type_names_the_format(content_type, name, parameters) -> None:
    """In any case of letters, with its parameters."""
    known, given = FORMATS.for_body(content_type)

    assert (known.name, given) == (name, parameters)


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/json; charset=latin-1", "text/csv;charset=utf-16", "json", ";"],
)
def test_other_bodies_are_refused(content_type: str) -> None:
    """415 with Accept-Post, which names every type there is."""
    with pytest.raises(UnsupportedMediaType) as caught:
        FORMATS.for_body(content_type)

    assert caught.value.headers["Accept-Post"].startswith("application/json, ")
    assert "text/csv" in caught.value.headers["Accept-Post"]


def test_csv_goes_in_and_out(shared_gateway: AppFixture) -> None:
    """The same answers as in JSON, digit for digit."""
    expected = shared_gateway.predict(ROWS).json
    in_csv = post(shared_gateway, CSV, Content_Type="text/csv")
    out_csv = post(
        shared_gateway,
        json.dumps(ROWS).encode(),
        Content_Type="application/json",
        Accept="text/csv",
    )
    header, *lines = out_csv.text.splitlines()

    assert in_csv.json == expected
    assert out_csv.content_type == "text/csv; charset=utf-8"
    assert out_csv.headers["Gateway-Model"] == expected["model"]
    assert out_csv.headers["Gateway-Version"] == expected["version"]
    assert "Gateway-Model" not in in_csv.headers
    assert header == "predictions,probabilities_0,probabilities_1,probabilities_2"
    assert [json.loads(f"[{line}]") for line in lines] == [
        [one, *row]
        for one, row in zip(expected["predictions"], expected["probabilities"], strict=True)
    ]


def test_what_cannot_be_answered_is_not_read(shared_gateway: AppFixture) -> None:
    """406 before the body is looked at, so that nothing is charged in vain."""
    response = post(shared_gateway, b"[", Content_Type="application/json", Accept="text/html")

    assert response.status_code == 406
    assert response.json["code"] == "not_acceptable"


def test_a_body_of_another_type_is_415(shared_gateway: AppFixture) -> None:
    """With Accept-Post, and 400 where it is not what its type says."""
    unknown = post(shared_gateway, CSV, Content_Type="text/plain")
    broken = post(shared_gateway, b'"', Content_Type="text/csv")

    assert (unknown.status_code, broken.status_code) == (415, 400)
    assert unknown.headers["Accept-Post"] == FORMATS.accept_post
    assert broken.json["code"] == "invalid_body"
