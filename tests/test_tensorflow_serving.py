"""TensorFlow Serving's REST API and KServe's v1, through the whole pipeline."""

import json
from typing import Any

import pytest
from app_fixture import AppFixture, make_app
from fakes import MoodyEstimator, wine_classifier
from sklearn.datasets import load_wine

WINE = load_wine()
ROWS = WINE.data[::60].tolist()
RECORDS = [dict(zip(WINE.feature_names, row, strict=True)) for row in ROWS]
COLUMNS = {name: list(values) for name, *values in zip(WINE.feature_names, *ROWS, strict=True)}
PREDICT = "/v1/models/wine:predict"


@pytest.fixture(scope="module")
def own(shared_gateway: AppFixture) -> Any:
    """What our own path answers."""
    return shared_gateway.predict(ROWS).json


@pytest.mark.parametrize("path", [PREDICT, "/v1/models/wine/versions/1:predict"])
@pytest.mark.parametrize(
    ("body", "members"),
    [
        ({"instances": ROWS}, ["predictions"]),
        ({"instances": RECORDS}, ["predictions"]),
        ({"instances": [{"features": row} for row in ROWS]}, ["predictions"]),
        ({"inputs": COLUMNS}, ["outputs"]),
        ({"inputs": {"features": ROWS}}, ["outputs"]),
        # TensorFlow Serving answers `outputs` to this, KServe `predictions`.
        ({"inputs": ROWS}, ["outputs", "predictions"]),
    ],
    ids=["rows", "rows by name", "rows of the input", "columns", "the input", "plain input"],
)
def test_predicts_as_our_own_path(
    shared_gateway: AppFixture, own: Any, path: str, body: Any, members: list[str]
) -> None:
    """Labels, as KServe's server for scikit-learn answers them."""
    response = shared_gateway.predict(body, path)

    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert response.json == dict.fromkeys(members, own["predictions"])


@pytest.mark.parametrize(
    ("signature", "output"),
    [
        ("serving_default", "predictions"),
        ("predict", "predictions"),
        ("predictions", "predictions"),
        ("predict_proba", "probabilities"),
        ("probabilities", "probabilities"),
    ],
)
def test_a_signature_chooses_the_output(
    shared_gateway: AppFixture, own: Any, signature: str, output: str
) -> None:
    """By the name of the output or of scikit-learn's method."""
    body = {"signature_name": signature, "instances": ROWS}

    assert shared_gateway.predict(body, PREDICT).json == {"predictions": own[output]}


def test_the_body_needs_no_content_type(shared_gateway: AppFixture, own: Any) -> None:
    """`curl -d` names a form, as the protocol's own page does; what the path says counts."""
    response = shared_gateway.client.post(
        PREDICT,
        data=json.dumps({"instances": ROWS}),
        content_type="application/x-www-form-urlencoded",
        headers=shared_gateway.bearer(),
    )

    assert response.json == {"predictions": own["predictions"]}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "empty_body"),
        (b"[", 400, "invalid_json"),
        (b"[]", 400, "bad_request"),
        (b"{}", 400, "bad_request"),
        (b'{"instances": NaN}', 400, "invalid_json"),
        (b'{"instances": [[1e999]]}', 400, "invalid_json"),
        (b'{"instances": [], "instances": []}', 400, "duplicate_key"),
        (b'{"instances": [[1]], "inputs": [[1]]}', 400, "bad_request"),
        (b'{"instances": [[1]], "parameters": {}}', 400, "bad_request"),
        (b'{"instances": [[1]], "signature_name": "x"}', 400, "bad_request"),
        (b'{"instances": [[1]], "signature_name": null}', 400, "bad_request"),
        (b'{"instances": ' + b"[" * 40 + b"]" * 40 + b"}", 400, "json_too_deep"),
        (b'{"other": ' + b"[" * 40 + b"]" * 40 + b"}", 400, "json_too_deep"),
        (b'{"instances": []}', 422, "invalid_input"),
        (b'{"instances": [[1, 2]]}', 422, "invalid_input"),
        (b'{"instances": [{"color": 1}]}', 422, "invalid_input"),
        (b'{"inputs": {"color": [1]}}', 422, "invalid_input"),
        (b'{"instances": [[99999999999999999999999999]]}', 400, "invalid_json"),
        (b'{"instances": "\xff"}', 400, "invalid_json"),
    ],
)
def test_bad_input_is_refused_in_the_shape_of_the_protocol(
    shared_gateway: AppFixture, body: bytes, status: int, code: str
) -> None:
    """An object with `error`, and our code in the header."""
    response = shared_gateway.client.post(PREDICT, data=body, headers=shared_gateway.bearer())

    assert (response.status_code, response.json["code"]) == (status, code)
    assert response.content_type == "application/json"
    assert response.json["error"] == response.json["detail"]
    assert response.headers["Gateway-Error-Code"] == code
    assert response.json["request_id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/models/beer:predict", 404),
        ("POST", "/v1/models/wine/versions/9:predict", 404),
        ("POST", "/v1/models/wine/labels/stable:predict", 404),
        ("POST", "/v1/models/wine:explain", 404),
        ("POST", "/v1/models/wine:classify", 404),
        ("GET", "/v1/models/wine:predict", 405),
        ("POST", "/v1/models/wine/metadata", 405),
        ("GET", "/v1/models/beer/metadata", 404),
    ],
)
def test_what_is_not_there_has_the_shape_too(
    shared_gateway: AppFixture, method: str, path: str, status: int
) -> None:
    """Also paths of the protocol that lead nowhere here."""
    response = shared_gateway.client.open(
        path, method=method, json={"instances": ROWS}, headers=shared_gateway.bearer()
    )

    assert (response.status_code, response.content_type) == (status, "application/json")
    assert isinstance(response.json["error"], str)
    assert ("Allow" in response.headers) == (status == 405)


def test_one_object_tells_every_client_of_a_model(shared_gateway: AppFixture) -> None:
    """Ours reads the contract, KServe's `name` and `ready`, TensorFlow's the status of versions."""
    for path in ("/v1/models/wine", "/v1/models/wine/versions/1"):
        answer = shared_gateway.client.get(path, headers=shared_gateway.bearer()).json

        assert (answer["model"], answer["version"]) == ("wine", "1")
        assert len(answer["features"]) == 13
        assert (answer["name"], answer["ready"]) == ("wine", True)
        assert answer["model_version_status"] == [
            {
                "version": "1",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    assert (
        "wine"
        in shared_gateway.client.get("/v1/models", headers=shared_gateway.bearer()).json["models"]
    )


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/beer", "/v1/models/wine/versions/9"])
def test_an_error_of_the_shared_paths_is_a_problem_with_an_error_in_it(
    shared_gateway: AppFixture, path: str
) -> None:
    """Our own clients read problem details, the others `error`."""
    unauthenticated = shared_gateway.client.get(path)
    unknown = shared_gateway.client.get(path, headers=shared_gateway.bearer())

    assert unknown.status_code == (404 if path != "/v1/models" else 200)
    for response in (unauthenticated, unknown):
        if response.status_code > 200:
            assert response.content_type == "application/problem+json"
            assert response.json["error"] == response.json["detail"]
            assert response.json["type"].startswith("urn:gateway:problem:")


def test_our_own_predict_path_keeps_its_shape(shared_gateway: AppFixture) -> None:
    """Nothing is added there."""
    response = shared_gateway.predict([], "/v1/models/wine/predict")

    assert response.content_type == "application/problem+json"
    assert "error" not in response.json


def test_metadata_names_the_signatures(shared_gateway: AppFixture) -> None:
    """One input for a model of numbers, one signature for each output and each of its names."""
    answer = shared_gateway.client.get(
        "/v1/models/wine/metadata", headers=shared_gateway.bearer()
    ).json
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    default = signatures["serving_default"]

    assert answer["model_spec"] == {"name": "wine", "version": "1", "signature_name": ""}
    assert set(signatures) == {
        "serving_default",
        "predict",
        "predict_proba",
        "predictions",
        "probabilities",
    }
    assert default["method_name"] == "tensorflow/serving/predict"
    assert default["inputs"] == {
        "features": {
            "dtype": "DT_DOUBLE",
            "tensor_shape": {
                "dim": [{"size": "-1", "name": ""}, {"size": "13", "name": ""}],
                "unknown_rank": False,
            },
            "name": "",
        }
    }
    assert default["outputs"]["predictions"]["dtype"] == "DT_INT64"
    assert signatures["predict_proba"]["outputs"]["probabilities"]["dtype"] == "DT_DOUBLE"


def test_a_model_that_fails_says_nothing_of_why(tmp_path: Any) -> None:
    """KServe's server answers the text of the exception; ours a constant, and it is asked once."""
    gateway = make_app(tmp_path, models={"moody": MoodyEstimator(), "wine": wine_classifier()})
    response = gateway.predict({"instances": [[101.0, 1.0]]}, "/v1/models/moody:predict")

    assert (response.status_code, response.json["code"]) == (500, "model_failed")
    assert "101.0" not in response.text


def test_another_method_of_predict_is_not_allowed(shared_gateway: AppFixture) -> None:
    """`1:predict` is no version: GET of it is 405, as of the path without a version."""
    for path in ("/v1/models/wine:predict", "/v1/models/wine/versions/1:predict"):
        response = shared_gateway.client.get(path, headers=shared_gateway.bearer())

        assert response.status_code == 405
        assert "GET" not in response.headers["Allow"]
