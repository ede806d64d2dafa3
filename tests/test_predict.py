"""POST …/predict, through the whole pipeline."""

import json
from pathlib import Path
from typing import Any

import pytest
from app_fixture import AppFixture, add_model, make_app
from fakes import MoodyEstimator, wine_classifier
from sklearn.datasets import load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression

WINE = load_wine()
ROWS = WINE.data[::40].tolist()
RECORDS = [dict(zip(WINE.feature_names, row, strict=True)) for row in ROWS]
BACKWARDS = [dict(reversed(record.items())) for record in RECORDS]
SHAPES = [ROWS, {"data": ROWS}, {"rows": RECORDS}, {"rows": BACKWARDS}]


def strict(text: str) -> Any:
    """Parse JSON that has no NaN and no Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("body", SHAPES, ids=["list", "data", "rows", "rows in another order"])
def test_prediction_equals_the_estimators(shared_gateway: AppFixture, body: Any) -> None:
    """In each shape of body the answer is what the estimator itself says."""
    estimator = wine_classifier()
    del estimator[0].feature_names_in_
    response = shared_gateway.predict(body)

    answer = strict(response.text)
    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert list(answer) == ["model", "version", "predictions", "probabilities", "classes"]
    assert (answer["model"], answer["version"]) == ("wine", "1")
    assert answer["predictions"] == estimator.predict(ROWS).tolist()
    assert answer["probabilities"] == estimator.predict_proba(ROWS).tolist()
    assert answer["classes"] == [0, 1, 2]


def test_all_shapes_give_the_same_bytes(shared_gateway: AppFixture) -> None:
    """The same rows give the same bytes, however they are written and asked again (SEC-59)."""
    answers = {shared_gateway.predict(body).data for body in SHAPES * 2}

    assert len(answers) == 1


def test_the_same_bytes_after_the_model_was_loaded_again(tmp_path: Path) -> None:
    """Two workers that load the same version answer alike, byte for byte (SEC-59)."""
    first, second = make_app(tmp_path / "1"), make_app(tmp_path / "2")

    assert first.predict(ROWS).data == second.predict(ROWS).data


def test_a_batch_equals_its_rows_one_by_one(shared_gateway: AppFixture) -> None:
    """No row's answer depends on its neighbours (SEC-60)."""
    batch = shared_gateway.predict(ROWS).json
    single = [shared_gateway.predict([row]).json for row in ROWS]

    assert batch["predictions"] == [answer["predictions"][0] for answer in single]
    # One row and many take different ways through the linear algebra: the last digit may differ.
    for row, answer in zip(batch["probabilities"], single, strict=True):
        assert row == pytest.approx(answer["probabilities"][0], rel=1e-12)


@pytest.mark.parametrize("value", [1e308, -1e308, 5e-324, 2**53 + 1, 2**64 - 1, 0, -0.0])
def test_answers_are_json_for_any_number(shared_gateway: AppFixture, value: float) -> None:
    """Numbers at the edges give an answer or a problem in valid JSON."""
    response = shared_gateway.predict([[value] * 13])

    assert response.status_code in {200, 500}
    assert strict(response.text)


def test_the_only_model_is_the_default(shared_gateway: AppFixture) -> None:
    """POST /predict asks the one model there is."""
    assert shared_gateway.predict(ROWS, "/predict").data == shared_gateway.predict(ROWS).data


def test_among_several_the_configured_model_is_the_default(tmp_path: Path) -> None:
    """models.default decides where there are several."""
    models = {"moody": MoodyEstimator(), "wine": wine_classifier()}
    gateway = make_app(tmp_path, models=models, default_model="wine")

    assert gateway.predict(ROWS, "/predict").json["model"] == "wine"


def test_among_several_there_is_no_default_by_chance(tmp_path: Path) -> None:
    """Without a configured one the caller must name the model."""
    gateway = make_app(tmp_path, models={"moody": MoodyEstimator(), "wine": wine_classifier()})
    response = gateway.predict(ROWS, "/predict")

    assert response.status_code == 404
    assert response.json["code"] == "unknown_model"


def test_the_default_model_needs_its_scope(tmp_path: Path) -> None:
    """POST /predict is authorised for the model it stands for."""
    gateway = make_app(tmp_path)
    refused = gateway.predict(ROWS, "/predict", headers=gateway.bearer(scope="model:wine:read"))
    allowed = gateway.predict(ROWS, "/predict", headers=gateway.bearer(scope="model:wine:predict"))

    assert refused.status_code == 403
    assert refused.json["required_scope"] == "model:wine:predict"
    assert allowed.status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/models/wine/versions/1/predict", 200, None),
        ("/v1/models/wine/versions/2/predict", 404, "unknown_version"),
        ("/v1/models/wine/versions/1%00/predict", 404, "not_found"),
        (f"/v1/models/wine/versions/{'1' * 33}/predict", 404, "not_found"),
        ("/v1/models/beer/predict", 404, "unknown_model"),
        ("/v1/models/beer/versions/1/predict", 404, "unknown_model"),
        ("/v1/models/Wine/predict", 404, "not_found"),
        (f"/v1/models/{'w' * 63}/predict", 404, "unknown_model"),
        (f"/v1/models/{'w' * 64}/predict", 404, "not_found"),
        ("/v1/models/../predict", 404, "not_found"),
        ("/v1/models/wine/predict/", 404, "not_found"),
        ("/v1/models//wine/predict", 404, "not_found"),
    ],
)
def test_only_models_and_versions_in_service_answer(
    shared_gateway: AppFixture, path: str, status: int, code: str | None
) -> None:
    """Anything else is a 404 that says what is unknown; nothing redirects."""
    response = shared_gateway.predict(ROWS, path)

    assert response.status_code == status
    assert response.json.get("code") == code


def test_a_corrupt_model_is_unavailable_and_others_serve(gateway: AppFixture) -> None:
    """One flipped byte makes that model answer 503, and no other (SEC-63)."""
    add_model(gateway.control, "corrupt", wine_classifier())
    artifact = gateway.control.settings.models_dir / "corrupt" / "1" / "model.joblib"
    content = bytearray(artifact.read_bytes())
    content[len(content) // 2] ^= 1
    artifact.chmod(0o600)
    artifact.write_bytes(content)
    gateway.refresh()
    refused = gateway.predict(ROWS, "/v1/models/corrupt/predict")
    contract = gateway.client.get("/v1/models/corrupt", headers=gateway.bearer())

    assert refused.status_code == contract.status_code == 503
    assert refused.json["code"] == contract.json["code"] == "model_unavailable"
    assert refused.headers["Retry-After"] == "5"
    assert gateway.predict(ROWS).status_code == 200
    assert gateway.client.get("/readyz").status_code == 200


def test_a_model_that_raises_says_nothing_of_why(tmp_path: Path) -> None:
    """The answer to a failing model is constant: no value, no type, no text of the exception."""
    gateway = make_app(tmp_path, models={"moody": MoodyEstimator()})
    path = "/v1/models/moody/predict"
    failed = gateway.predict([[987654.5, 1.0]], path)
    after = gateway.predict([[1.0, 1.0]], path)

    assert failed.status_code == 500
    assert failed.json["code"] == "model_failed"
    assert "ValueError" not in failed.text
    assert "cannot predict" not in failed.text
    assert "987654.5" not in failed.text
    assert after.status_code == 200


def test_a_regressor_has_no_probabilities(tmp_path: Path) -> None:
    """What the model does not have is left out, not null."""
    regressor = LinearRegression().fit(WINE.data, WINE.target)
    gateway = make_app(tmp_path, models={"price": regressor})
    answer = gateway.predict(ROWS, "/predict").json

    assert list(answer) == ["model", "version", "predictions"]
    assert answer["predictions"] == regressor.predict(ROWS).tolist()


def test_classes_may_be_text(tmp_path: Path) -> None:
    """Labels are given as the model knows them."""
    labels = WINE.target_names[WINE.target]
    classifier = LogisticRegression(max_iter=5000).fit(WINE.data[:, :2], labels)
    gateway = make_app(tmp_path, models={"named": classifier})
    rows = WINE.data[::60, :2].tolist()
    answer = gateway.predict(rows, "/predict").json

    assert answer["classes"] == ["class_0", "class_1", "class_2"]
    assert answer["predictions"] == classifier.predict(rows).tolist()


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/v1/models/wine/predict", 405, "OPTIONS, POST"),
        ("HEAD", "/v1/models/wine/predict", 405, "OPTIONS, POST"),
        ("TRACE", "/v1/models/wine/predict", 405, "OPTIONS, POST"),
        ("BREW", "/predict", 405, "OPTIONS, POST"),
        ("POST", "/v1/models/wine", 405, "GET, HEAD, OPTIONS"),
        ("OPTIONS", "/v1/models/wine/predict", 200, "OPTIONS, POST"),
        ("OPTIONS", "/v1/models", 200, "GET, HEAD, OPTIONS"),
    ],
)
def test_allow_tells_the_truth(
    shared_gateway: AppFixture, method: str, path: str, status: int, allow: str
) -> None:
    """A method that a path does not know is 405, with those it knows in Allow (SEC-34)."""
    response = shared_gateway.client.open(path, method=method, headers=shared_gateway.bearer())

    assert response.status_code == status
    assert ", ".join(sorted(response.headers["Allow"].split(", "))) == allow
    assert (response.content_type == "application/problem+json") == (status == 405)


def test_head_is_get_without_its_body(shared_gateway: AppFixture) -> None:
    """HEAD has the header fields of GET, its length too, and no body (SEC-41)."""
    headers = shared_gateway.bearer()
    got = shared_gateway.client.get("/v1/models/wine", headers=headers)
    head = shared_gateway.client.head("/v1/models/wine", headers=headers)

    assert head.status_code == 200
    assert head.data == b""
    assert head.headers["Content-Length"] == got.headers["Content-Length"] == str(len(got.data))


def test_the_contracts_example_can_be_posted(shared_gateway: AppFixture) -> None:
    """What the contract shows as an example is a valid body."""
    contract = shared_gateway.client.get("/v1/models/wine", headers=shared_gateway.bearer()).json
    response = shared_gateway.predict(contract["example"])

    assert response.status_code == 200
    assert contract["versions"] == [{"version": "1", "role": "current"}]
    assert [feature["name"] for feature in contract["features"]] == WINE.feature_names


def test_models_lists_what_the_caller_may_see(tmp_path: Path) -> None:
    """A model without a scope for it does not exist for the caller."""
    gateway = make_app(tmp_path, models={"moody": MoodyEstimator(), "wine": wine_classifier()})
    seen = {
        scope: gateway.client.get("/v1/models", headers=gateway.bearer(scope=scope)).json["models"]
        for scope in ("", "model:wine:read", "model:moody:predict", "model:*:read")
    }

    assert list(seen.values()) == [[], ["wine"], ["moody"], ["moody", "wine"]]
