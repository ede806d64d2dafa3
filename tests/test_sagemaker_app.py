"""The app of a SageMaker container: who its callers are, and that no other app has such a door."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from app_fixture import AppFixture, FinishingClient, make_app
from flask import Flask
from sklearn.datasets import load_wine
from structlog.testing import capture_logs

from config.settings import InvalidSettings, Settings
from gateway.cli.run import FACTORIES
from gateway.sagemaker_app import create_sagemaker_app
from gateway.wsgi.sagemaker import sagemaker_app

ROWS = load_wine().data[:2].tolist()


@dataclass(frozen=True)
class Container:
    """The ordinary app's parts, and the app of a container made of them."""

    ordinary: AppFixture
    app: Flask

    def invoke(self, body: Any = ROWS, **options: Any) -> Any:
        return FinishingClient(self.app, self.app.response_class).post(
            "/invocations", json=body, **options
        )

    def get(self, path: str, **options: Any) -> Any:
        return FinishingClient(self.app, self.app.response_class).get(path, **options)


def make_container(folder: Path, partner: str = "acme", **settings: Any) -> Container:
    ordinary = make_app(folder, sagemaker={"partner": partner}, **settings)
    app = create_sagemaker_app(
        ordinary.control.settings,
        ordinary.control.watcher,
        ordinary.models,
        ordinary.limiter,
        lambda: ordinary.models.ready,
        ordinary.statistics,
    )
    return Container(ordinary, app)


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return make_container(tmp_path)


def test_it_has_two_paths_and_no_other(container: Container) -> None:
    """Nothing of the gateway's own is behind the open door: no contract, no limits, no tokens."""
    rules = {rule.rule: set(rule.methods or ()) for rule in container.app.url_map.iter_rules()}

    assert rules == {"/invocations": {"POST", "OPTIONS"}, "/ping": {"GET", "HEAD", "OPTIONS"}}
    for path in ("/v1/models", "/v1/limits", "/oauth/token", "/v2", "/livez", "/version", "/"):
        assert container.get(path).status_code == 404


def test_a_call_without_a_token_is_the_partners(container: Container) -> None:
    """Answered, charged to its plan, and logged under its name."""
    with capture_logs() as events:
        response = container.invoke()
    event = next(event for event in events if event["event"] == "request_finished")

    assert (response.status_code, response.json) == (200, [0, 0])
    assert event["partner"] == "acme"
    assert event["client_id"] == container.ordinary.control.partner.client_id
    assert response.headers["RateLimit"].startswith('"requests_per_second";r=99')
    left = container.ordinary.client.get("/v1/limits", headers=container.ordinary.bearer()).json
    rows = {limit["name"]: limit["remaining"] for limit in left["limits"]}["rows_per_hour"]
    assert rows == 5_000_000 - 2


@pytest.mark.parametrize("authorization", ["", "Bearer x", "Basic eDp5", "Bearer a, Bearer b"])
def test_no_header_changes_who_calls(container: Container, authorization: str) -> None:
    """A token of another partner, a wrong one, headers of proxies: none is read."""
    container.ordinary.control.add_partner("other")
    headers = {
        "Authorization": authorization or container.ordinary.bearer()["Authorization"],
        "X-Auth-Token": "x",
        "X-Forwarded-User": "other",
        "X-Amzn-SageMaker-Custom-Attributes": "partner=other",
    }
    with capture_logs() as events:
        response = container.invoke(headers=headers)

    assert response.status_code == 200
    assert [event["partner"] for event in events if event["event"] == "request_finished"] == [
        "acme"
    ]


def test_a_disabled_partner_is_refused(container: Container) -> None:
    """The door is closed as any partner is shut out, within one look at the control store."""
    container.ordinary.control.set_partner("acme", enabled=False)
    refused = container.invoke()
    container.ordinary.control.set_partner("acme", enabled=True)

    assert (refused.status_code, refused.json["code"]) == (401, "unauthenticated")
    assert container.invoke().status_code == 200


def test_a_partner_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """An empty name is nobody's."""
    for folder, partner in (("1", "nobody"), ("2", "")):
        response = make_container(tmp_path / folder, partner).invoke()

        assert (response.status_code, response.json["error_code"]) == (401, "UNAUTHENTICATED")


def test_the_partners_scopes_hold(container: Container) -> None:
    """Without the scope for this model it is refused."""
    container.ordinary.control.set_partner("acme", scopes=("model:beer:predict",))
    refused = container.invoke()

    assert (refused.status_code, refused.json["code"]) == (403, "insufficient_scope")


def test_the_partners_plan_holds(container: Container) -> None:
    """Rows per call, and rates."""
    container.ordinary.control.set_partner("acme", plan="trial")
    too_many = container.invoke(ROWS * 501)
    statuses = [container.invoke().status_code for _ in range(40)]

    assert (too_many.status_code, too_many.json["errors"][0]["code"]) == (422, "too_many_rows")
    assert 429 in statuses
    assert set(statuses) == {200, 429}


def test_nobody_passes_when_the_control_store_has_been_away(tmp_path: Path) -> None:
    """As with tokens: what was decided since cannot be known."""
    container = make_container(tmp_path, auth={"refuse_tokens_after_s": 1e-9})

    assert container.invoke().status_code == 503
    assert container.get("/ping").status_code == 200


def test_ping_says_whether_a_model_serves(container: Container) -> None:
    """200 with an empty body, 503 while none does; no partner is asked for."""
    container.ordinary.control.set_partner("acme", enabled=False)
    ready = container.get("/ping")
    container.ordinary.models.apply({})

    assert (ready.status_code, ready.data) == (200, b"")
    assert container.get("/ping").status_code == 503


def test_the_ordinary_app_asks_for_a_token_all_the_same(container: Container) -> None:
    """The setting opens nothing there: each of its paths refuses."""
    for path in ("/invocations", "/predict", "/v1/models/wine:predict"):
        response = container.ordinary.client.post(path, json=ROWS)

        assert (response.status_code, response.json["code"]) == (401, "unauthenticated")


def test_no_role_of_the_ordinary_service_is_this_app() -> None:
    """`gateway run` and `gateway stack` know three roles, none of them this one."""
    assert set(FACTORIES) == {"joined", "predictions", "tokens"}
    assert not [factory for factory in FACTORIES.values() if "sagemaker" in factory]


def test_without_a_partner_the_app_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever starts Gunicorn with it by hand has to say who, too."""
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path))

    with pytest.raises(InvalidSettings, match=r"sagemaker\.partner"):
        sagemaker_app()


@pytest.mark.parametrize("partner", ["A", "a b", "-a", "a/b", "x" * 64])
def test_a_partner_has_a_name_of_a_partner(tmp_path: Path, partner: str) -> None:
    """What `gateway partner create` would refuse is refused at start."""
    with pytest.raises(InvalidSettings, match=r"sagemaker\.partner"):
        Settings(data_dir=tmp_path, sagemaker={"partner": partner})


def test_the_models_failure_is_not_told(tmp_path: Path) -> None:
    """The toolkit's server answers the traceback; here as everywhere a constant."""
    container = make_container(tmp_path)
    response = container.invoke(json.loads("[[1e308]]"))

    assert response.status_code == 422
    assert "Traceback" not in response.text
