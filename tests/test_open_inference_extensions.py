"""Triton's extensions over HTTP: a model's configuration, and statistics of its calls."""

from typing import Any

import pytest
from app_fixture import AppFixture
from sklearn.datasets import load_wine
from sqlalchemy import text

from gateway.control.database import writing_engine
from gateway.control.model_statistics import Asked, add_model_statistics

ROWS = load_wine().data[::60].tolist()
INFER = "/v2/models/wine/infer"
BODY = {"inputs": [{"name": "features", "shape": [3, 13], "datatype": "FP64", "data": ROWS}]}


def read(gateway: AppFixture, path: str, **claims: Any) -> Any:
    return gateway.client.get(path, headers=gateway.bearer(**claims))


@pytest.mark.parametrize("path", ["/v2/models/wine/config", "/v2/models/wine/versions/1/config"])
def test_configuration_says_what_to_send(gateway: AppFixture, path: str) -> None:
    """In Triton's words; the batch is not among the dimensions where it is bounded."""
    assert read(gateway, path).json == {
        "name": "wine",
        "platform": "model-gateway",
        "backend": "model-gateway",
        "version_policy": {"specific": {"versions": ["1"]}},
        "max_batch_size": 10_000,
        "input": [{"name": "features", "data_type": "TYPE_FP64", "dims": [13]}],
        "output": [
            {"name": "predictions", "data_type": "TYPE_INT64", "dims": [1]},
            {"name": "probabilities", "data_type": "TYPE_FP64", "dims": [3]},
        ],
    }


def test_calls_are_counted_whichever_path_they_took(gateway: AppFixture) -> None:
    """Rows, calls and failures, with the time that each part took."""
    assert gateway.predict(BODY, INFER).status_code == 200
    assert gateway.predict(ROWS).status_code == 200
    assert gateway.predict([[-1e400] * 13]).status_code == 400
    assert gateway.predict([ROWS[0], [None] * 13]).status_code == 422
    beyond = {"inputs": [{**BODY["inputs"][0], "data": [[float(2**1023)] * 13] * 3}]}
    gateway.predict(beyond, INFER)
    [found] = read(gateway, "/v2/models/wine/stats").json["model_stats"]
    stats = found["inference_stats"]

    assert (found["name"], found["version"]) == ("wine", "1")
    assert found["inference_count"] >= 6
    assert found["execution_count"] == stats["success"]["count"] >= 2
    assert stats["success"]["ns"] > stats["compute_infer"]["ns"] > 0
    assert stats["compute_input"]["ns"] > 0
    assert found["last_inference"] > 1_700_000_000_000
    assert stats["cache_hit"] == {"count": 0, "ns": 0}


def test_statistics_of_others_are_an_administrators(gateway: AppFixture) -> None:
    """A partner sees its own calls; whoever may load and unload the model sees all of them."""
    gateway.predict(ROWS)
    other = gateway.control.add_partner(
        "beta", scopes=("model:*:predict", "model:*:read", "model:wine:admin")
    )
    claims = {"sub": other.client_id, "client_id": other.client_id}
    own = read(gateway, "/v2/models/wine/stats", **claims).json["model_stats"]
    scope = "model:wine:read model:wine:admin"
    every = read(gateway, "/v2/models/wine/stats", scope=scope, **claims).json["model_stats"]

    assert own == []
    assert every[0]["execution_count"] == 1
    assert read(gateway, "/v2/models/stats").json["model_stats"] == every
    assert read(gateway, "/v2/models/wine/versions/1/stats").json["model_stats"] == every
    assert read(gateway, "/v2/models/stats", scope="model:beer:read").json["model_stats"] == []
    assert read(gateway, "/v2/models/wine/stats", scope="model:beer:read").status_code == 403


def test_workers_add_to_the_same_sums(gateway: AppFixture) -> None:
    """What one counted is added to what the others did; a time is the latest of theirs."""
    engine = writing_engine(gateway.control.settings.status_url, durable=False)
    asked = Asked("acme", "wine", "1")
    for last in (5.0, 9.0, 7.0):
        sums = {asked: {"success_count": 2.0, "rows": 3.0, "last_inference_ms": last}}
        add_model_statistics(engine, sums)
    [found] = read(gateway, "/v2/models/wine/stats").json["model_stats"]

    assert found["execution_count"] == 6
    assert found["inference_count"] == 9
    assert found["last_inference"] == 9


def test_statistics_that_cannot_be_read_are_503(gateway: AppFixture) -> None:
    """Nothing is invented, nothing lost, and predictions go on."""
    gateway.predict(ROWS)
    engine = writing_engine(gateway.control.settings.status_url, durable=False)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE model_statistics RENAME TO elsewhere"))
    refused = read(gateway, "/v2/models/wine/stats")
    answered = gateway.predict(ROWS)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO model_statistics"))
    [found] = read(gateway, "/v2/models/wine/stats").json["model_stats"]

    assert (refused.status_code, refused.json["code"]) == (503, "model_unavailable")
    assert answered.status_code == 200
    assert found["execution_count"] == 2


@pytest.mark.parametrize(
    "parameters",
    [{"classification": 3}, {"shared_memory_region": "x"}, {"binary_data": True, "x": 1}],
)
def test_parameters_that_would_be_left_alone_are_refused(
    shared_gateway: AppFixture, parameters: dict[str, Any]
) -> None:
    """Extensions that are not offered are not done half."""
    body = {**BODY, "outputs": [{"name": "predictions", "parameters": parameters}]}
    response = shared_gateway.predict(body, INFER)

    assert (response.status_code, response.json["code"]) == (400, "bad_request")
    assert "binary_data" in response.json["error"]
