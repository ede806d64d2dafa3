"""MLflow's scoring protocol at /invocations, through the whole pipeline."""

import io
import json
from typing import Any

import pytest
from app_fixture import AppFixture, make_app
from fakes import MoodyEstimator
from sklearn.datasets import load_wine

WINE = load_wine()
NAMES = list(WINE.feature_names)
ROWS = WINE.data[::60].tolist()
RECORDS = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
COLUMNS = {name: list(values) for name, *values in zip(NAMES, *ROWS, strict=True)}
BACKWARDS = {"columns": NAMES[::-1], "data": [row[::-1] for row in ROWS]}
PATH = "/invocations"


@pytest.fixture(scope="module")
def own(shared_gateway: AppFixture) -> Any:
    """What our own path answers."""
    return shared_gateway.predict(ROWS).json


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": NAMES, "data": ROWS}},
        {"dataframe_split": {"columns": NAMES, "index": [7, 3, 9], "data": ROWS}},
        {"dataframe_split": {"columns": NAMES, "index": [["a", 1], ["b"], [3]], "data": ROWS}},
        {"dataframe_split": {"columns": NAMES, "index": None, "data": ROWS}},
        {"dataframe_split": BACKWARDS},
        {"dataframe_split": {"data": ROWS}},
        {"dataframe_split": {"columns": list(range(13)), "data": ROWS}},
        {"dataframe_records": RECORDS},
        {"dataframe_records": [dict(reversed(record.items())) for record in RECORDS]},
        {"instances": ROWS},
        {"instances": RECORDS},
        {"instances": COLUMNS},
        {"inputs": ROWS},
        {"inputs": RECORDS},
        {"inputs": COLUMNS},
        {"inputs": ROWS, "params": {}},
        {"inputs": ROWS, "params": {"temperature": 0.5, "pyfunc_predict_fn": "predict"}},
    ],
)
def test_each_shape_of_json_is_read(shared_gateway: AppFixture, own: Any, body: Any) -> None:
    """Names decide, not the order of columns; an index is of no account."""
    response = shared_gateway.predict(body, PATH)

    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert response.json == {"predictions": own["predictions"]}


def test_params_choose_probabilities(shared_gateway: AppFixture, own: Any) -> None:
    """As MLflow does where a model is logged: pyfunc_predict_fn."""
    body = {"dataframe_split": BACKWARDS, "params": {"pyfunc_predict_fn": "predict_proba"}}

    assert shared_gateway.predict(body, PATH).json == {"predictions": own["probabilities"]}


@pytest.mark.parametrize("content_type", ["text/csv", "application/csv", "text/csv; charset=UTF-8"])
def test_csv_with_names_is_mlflows(shared_gateway: AppFixture, own: Any, content_type: str) -> None:
    """In any order; MLflow's documents promise application/csv, which its server refuses."""
    lines = [NAMES[::-1], *(map(repr, row[::-1]) for row in ROWS)]
    response = shared_gateway.client.post(
        PATH,
        data="\n".join(map(",".join, lines)),
        content_type=content_type,
        headers=shared_gateway.bearer(),
    )

    assert response.json == {"predictions": own["predictions"]}


def test_parquet_is_mlflows(shared_gateway: AppFixture, own: Any) -> None:
    """It has names always, and its rows are found by them."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    pq.write_table(pa.table(dict(reversed(COLUMNS.items()))), file)
    response = shared_gateway.client.post(
        PATH,
        data=file.getvalue(),
        content_type="application/vnd.apache.parquet",
        headers=shared_gateway.bearer(),
    )

    assert response.json == {"predictions": own["predictions"]}


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON;charset=UTF-8", 200),
        # MLflow's server answers 500 without a type; here it is JSON.
        (None, 200),
        ("application/json; charset=latin-1", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
    ],
)
def test_content_types(shared_gateway: AppFixture, content_type: str | None, status: int) -> None:
    """UTF-8 only; what is not understood is 415 with what would be."""
    response = shared_gateway.client.post(
        PATH,
        data=json.dumps({"inputs": ROWS}),
        content_type=content_type,
        headers=shared_gateway.bearer(),
    )

    assert response.status_code == status
    assert ("Accept-Post" in response.headers) == (status == 415)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty_body"),
        (b"{", "invalid_json"),
        (b"{}", "bad_request"),
        (b"7", "invalid_input"),
        (b'"text"', "invalid_input"),
        (b"null", "invalid_input"),
        (b'{"data": [[1]]}', "bad_request"),
        (b'{"instances": [[1]], "inputs": [[1]]}', "bad_request"),
        (b'{"instances": [[1]], "columns": []}', "bad_request"),
        (b'{"inputs": [[1]], "params": []}', "bad_request"),
        (b'{"inputs": [[1]], "params": {"pyfunc_predict_fn": "eval"}}', "bad_request"),
        (b'{"inputs": [[1]], "params": {"pyfunc_predict_fn": {}}}', "bad_request"),
        (b'{"inputs": [[NaN]]}', "invalid_json"),
        (b'{"inputs": [[1]], "inputs": [[1]]}', "duplicate_key"),
        (b'{"dataframe_split": []}', "bad_request"),
        (b'{"dataframe_split": {"columns": ["a"]}}', "bad_request"),
        (b'{"dataframe_split": {"columns": "a", "data": [[1]]}}', "bad_request"),
        (b'{"dataframe_split": {"columns": [["a"]], "data": [[1]]}}', "bad_request"),
        (b'{"dataframe_split": {"columns": [1.5], "data": [[1]]}}', "bad_request"),
        (b'{"dataframe_split": {"columns": [null], "data": [[1]]}}', "bad_request"),
        (b'{"dataframe_split": {"data": [[1]], "data": [[1]]}}', "duplicate_key"),
        (b'{"dataframe_split": {"data": [[1]], "dtype": []}}', "bad_request"),
        (b'{"dataframe_split": {"columns": ["a"], "data": [[1]]}}', "invalid_input"),
        (b'{"dataframe_split": {"columns": [], "data": [[]]}}', "invalid_input"),
        (b'{"dataframe_split": {"columns": [], "data": []}}', "invalid_input"),
        (b'{"dataframe_split": {"columns": ["alcohol"], "data": 1}}', "invalid_input"),
        (b'{"dataframe_split": {"columns": ["alcohol"], "data": [1]}}', "invalid_input"),
        (b'{"dataframe_split": {"columns": ["alcohol"], "data": [[1, 2]]}}', "invalid_input"),
        (b'{"dataframe_records": {}}', "invalid_input"),
        (b'{"dataframe_records": [[1]]}', "invalid_input"),
        (b'{"dataframe_records": []}', "invalid_input"),
        (b'{"inputs": [["\xff"]]}', "invalid_json"),
        (b'{"inputs": [[123456789012345678901234567890]]}', "invalid_json"),
        (b'{"other": ' + b"[" * 40 + b"]" * 40 + b"}", "json_too_deep"),
        (b'{"inputs": ' + b"[" * 40 + b"]" * 40 + b"}", "json_too_deep"),
    ],
)
def test_bad_input_is_refused_in_mlflows_shape(
    shared_gateway: AppFixture, body: bytes, code: str
) -> None:
    """An object with `error_code` and `message`, in which nothing of the schema is repeated."""
    response = shared_gateway.client.post(
        PATH, data=body, content_type="application/json", headers=shared_gateway.bearer()
    )
    answer = response.json
    expected = "INVALID_PARAMETER_VALUE" if code == "invalid_input" else "BAD_REQUEST"

    assert (answer["code"], answer["error_code"]) == (code, expected)
    assert answer["message"] == answer["detail"]
    assert response.status_code == (422 if code == "invalid_input" else 400)
    assert response.headers["Gateway-Error-Code"] == code
    assert answer["request_id"] == response.headers["X-Request-ID"]
    assert "alcohol" not in answer["message"]


def nested(columns: list[str], index: Any, data: Any) -> bytes:
    split = {"columns": columns, "index": index, "data": data}
    return json.dumps({"dataframe_split": split}).encode()


@pytest.mark.parametrize("index", [None, 1, "[", [1, 2], [[1], [2]]])
def test_a_value_that_is_an_array_is_never_flattened(
    shared_gateway: AppFixture, index: Any
) -> None:
    """However many arrays stand beside the rows, on whose number the fast path relies."""
    for row in ([[ROWS[0][0]], *ROWS[0][1:]], [[], *ROWS[0][1:]], [ROWS[0][:2], *ROWS[0][2:], 1.0]):
        response = shared_gateway.client.post(
            PATH,
            data=nested(NAMES, index, [row]),
            content_type="application/json",
            headers=shared_gateway.bearer(),
        )

        assert response.status_code == 422, response.json


def test_a_wrong_cell_is_named_by_its_row_and_feature(shared_gateway: AppFixture) -> None:
    """Also where the frame's columns are in another order."""
    data = [list(row) for row in BACKWARDS["data"]]
    data[2][0] = "x"
    body = {"dataframe_split": {"columns": BACKWARDS["columns"], "data": data}}
    answer = shared_gateway.predict(body, PATH).json

    assert [(fault["row"], fault["feature"]) for fault in answer["errors"]] == [(2, NAMES[-1])]


def test_names_are_said_once_for_all_rows(shared_gateway: AppFixture) -> None:
    """Unknown, missing and repeated columns of a frame."""
    columns = [*NAMES[:-2], NAMES[0], "colour"]
    answer = shared_gateway.predict(
        {"dataframe_split": {"columns": columns, "data": ROWS}}, PATH
    ).json

    assert [(fault["row"], fault["feature"], fault["code"]) for fault in answer["errors"]] == [
        (None, NAMES[0], "duplicate_feature"),
        (None, "colour", "unknown_feature"),
        (None, NAMES[-2], "missing_feature"),
        (None, NAMES[-1], "missing_feature"),
    ]


def test_too_many_rows_are_refused_in_each_shape(tmp_path: Any) -> None:
    """The plan's rows per call hold here as well: 10,000 of `standard`."""
    gateway = make_app(tmp_path, models={"moody": MoodyEstimator()})
    for body in (
        {"dataframe_split": {"columns": ["x1", "x0"], "data": [[1, 2]] * 10_001}},
        {"dataframe_records": [{}] * 10_001},
        {"instances": [["x"]] * 10_001},
        {"inputs": {"x0": [1] * 10_001, "x1": [1] * 10_001}},
        [[1, 2]] * 10_001,
    ):
        answer = gateway.predict(body, PATH).json

        assert [fault["code"] for fault in answer["errors"]] == ["too_many_rows"]


@pytest.mark.parametrize(
    ("options", "status", "error_code"),
    [
        ({"headers": {}}, 401, "UNAUTHENTICATED"),
        ({"scope": "model:beer:predict"}, 403, "PERMISSION_DENIED"),
        ({"method": "GET"}, 405, "ENDPOINT_NOT_FOUND"),
        ({"accept": "image/png"}, 406, "BAD_REQUEST"),
    ],
)
def test_other_refusals_have_the_shape_too(
    shared_gateway: AppFixture, options: dict[str, Any], status: int, error_code: str
) -> None:
    """Those of the pipeline before the body is read."""
    bearer = shared_gateway.bearer(scope=options["scope"]) if "scope" in options else None
    headers = options.get("headers", bearer or shared_gateway.bearer())
    response = shared_gateway.client.open(
        PATH,
        method=options.get("method", "POST"),
        json={"inputs": ROWS},
        headers={**headers, "Accept": options.get("accept", "*/*")},
    )

    assert (response.status_code, response.json["error_code"]) == (status, error_code)


def test_the_models_failure_is_not_told(tmp_path: Any) -> None:
    """MLflow's server answers 400 with the stack trace, secrets and all."""
    gateway = make_app(tmp_path, models={"moody": MoodyEstimator()})
    response = gateway.predict({"inputs": [[101.0, 1.0]]}, PATH)

    assert response.status_code == 500
    assert response.json["error_code"] == "INTERNAL_ERROR"
    assert "stack_trace" not in response.json
    assert "101.0" not in response.text


def test_without_a_default_model_it_says_so(tmp_path: Any) -> None:
    """The path names none: with several models, the operator names one (models.default)."""
    models = {"a": MoodyEstimator(), "b": MoodyEstimator()}
    several = make_app(tmp_path / "1", models=models)
    named = make_app(tmp_path / "2", models=models, default_model="b")

    assert several.predict({"inputs": [[1, 1]]}, PATH).status_code == 404
    assert named.predict({"inputs": [[1, 1]]}, PATH).json == {"predictions": [1.0]}


@pytest.mark.parametrize("path", ["/ping", "/health"])
def test_probes_are_public_and_say_nothing(tmp_path: Any, path: str) -> None:
    """200 with an empty body; 503 where no model serves, as MLflow's 404 says."""
    gateway = make_app(tmp_path)
    ready = gateway.client.get(path)
    gateway.models.apply({})
    not_ready = gateway.client.get(path)

    assert (ready.status_code, ready.data) == (200, b"")
    assert not_ready.status_code == 503
    assert not_ready.json["error_code"] == "TEMPORARILY_UNAVAILABLE"


def test_the_version_needs_a_token(shared_gateway: AppFixture) -> None:
    """Which gateway this is, is for partners only."""
    answer = shared_gateway.client.get("/version", headers=shared_gateway.bearer())

    assert answer.text == "0.1.0"
    assert answer.content_type == "text/plain; charset=utf-8"
    assert shared_gateway.client.get("/version").status_code == 401
