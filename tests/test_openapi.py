"""The OpenAPI document: valid, complete, and true for the caller that reads it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from app_fixture import AppFixture, add_version, make_app
from control_fixtures import make_token_app
from fakes import save_artifact, wine_classifier
from openapi_spec_validator import OpenAPIV31SpecValidator
from sklearn.datasets import load_wine

from gateway.dialects.operation import Shared
from gateway.errors import catalogue
from gateway.openapi.components import Components
from gateway.openapi.token_service import TOKEN_SERVICE_ROUTES

PATH = "/openapi.json"


def _model_toml(maximum: float) -> str:
    others = "\n".join(f'[[features]]\nname = "{name}"' for name in load_wine().feature_names[1:])
    return f"""
[model]
description = "Names the grower of a wine."

[[features]]
name = "alcohol"
unit = "%"
minimum = 0.0
maximum = {maximum}

{others}
"""


@pytest.fixture(scope="module")
def document(shared_gateway: AppFixture) -> dict[str, Any]:
    """As a partner reads it that may use everything."""
    response = shared_gateway.client.get(PATH, headers=shared_gateway.bearer())

    assert response.status_code == 200
    assert response.content_type == "application/openapi+json"
    read: dict[str, Any] = response.json
    return read


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation of each."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    """OpenAPI 3.1, by the specification's own schema; every reference leads somewhere."""
    OpenAPIV31SpecValidator(document).validate()

    operation_ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(operation_ids)) == len(operation_ids)


def test_the_document_needs_a_token(shared_gateway: AppFixture) -> None:
    """What models there are, and what they take, is not for everybody."""
    assert shared_gateway.client.get(PATH).status_code == 401


def test_only_what_the_caller_may_use_is_in_it(gateway: AppFixture) -> None:
    """Each scope opens its own paths; another partner's model is not even named."""
    gateway.add_model("beer", wine_classifier())
    headers = gateway.bearer(scope="model:wine:predict")
    text = gateway.client.get(PATH, headers=headers).text
    paths = json.loads(text)["paths"]

    assert "beer" not in text
    assert "/v1/models/wine/predict" in paths
    assert "/v1/models/wine" not in paths
    assert "/oauth/token" in paths
    reader = gateway.bearer(scope="model:wine:read")
    assert "/v1/models/wine/predict" not in gateway.client.get(PATH, headers=reader).json["paths"]


def test_every_code_is_in_it(document: dict[str, Any]) -> None:
    """The catalogue of problems, and each code at the answers that can have it."""
    problem = document["components"]["schemas"]["Problem"]
    responses = document["components"]["responses"].values()
    described = "\n".join(response["description"] for response in responses)
    # Of no operation's answers; and the token service says the last one in OAuth's words.
    elsewhere = {"method_not_allowed", "limits_unavailable"}

    assert set(problem["properties"]["code"]["enum"]) == set(catalogue())
    assert {code for code in catalogue() if f"`{code}`" not in described} == elsewhere


def test_features_are_the_models_own(gateway: AppFixture) -> None:
    """Names, types, ranges, units and categories come from the contract."""
    gateway.add_model("toml", wine_classifier(), _model_toml(100.0))
    document = gateway.client.get(PATH, headers=gateway.bearer()).json
    schemas = document["components"]["schemas"]
    alcohol = schemas["toml.1.Record"]["properties"]["alcohol"]

    assert alcohol == {
        "type": "number",
        "minimum": 0.0,
        "maximum": 100.0,
        "description": "Unit: %.",
    }
    assert schemas["toml.1.Row"]["prefixItems"][0]["title"] == "alcohol"
    assert "Names the grower" in document["paths"]["/v1/models/toml/predict"]["post"]["description"]


def test_every_example_of_a_request_works_when_pasted(
    shared_gateway: AppFixture, document: dict[str, Any]
) -> None:
    """Each media type's examples are accepted with a status that the operation promises."""
    posted = 0
    for path, method, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {})
        for media_type, described in content.items():
            for example in described.get("examples", {}).values():
                if path.startswith("/oauth/"):
                    continue
                value = example["value"]
                response = shared_gateway.client.open(
                    path.replace("{namespace}", "models"),
                    method=method.upper(),
                    data=value if isinstance(value, str) else json.dumps(value),
                    content_type=media_type,
                    headers=shared_gateway.bearer(),
                )
                posted += 1

                assert response.status_code < 300, (path, example, response.text)
                assert str(response.status_code) in operation["responses"]
    assert posted > 10


def test_the_token_service_is_described_as_it_is(tmp_path: Path) -> None:
    """Its routes are written down apart from it; here they are compared."""
    control = make_app(tmp_path).control
    app = make_token_app(control)
    running = {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    described = {(route.rule, route.method) for route in TOKEN_SERVICE_ROUTES}
    assert running - described == {("/livez", "GET"), ("/readyz", "GET")}
    assert described <= running


def test_an_unchanged_document_is_not_sent_again(gateway: AppFixture) -> None:
    """304 for the tag of the last reading, also of a compressed one, until a model changes."""
    headers = {**gateway.bearer(), "Accept-Encoding": "gzip"}
    first = gateway.client.get(PATH, headers=headers)
    headers["If-None-Match"] = first.headers["ETag"]
    again = gateway.client.get(PATH, headers=headers)
    gateway.add_model("beer", wine_classifier())
    changed = gateway.client.get(PATH, headers=headers)

    assert first.headers["Content-Encoding"] == "gzip"
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert (again.status_code, again.data) == (304, b"")
    assert changed.status_code == 200
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_versions_have_paths_of_their_own(gateway: AppFixture) -> None:
    """A version beside the current one is described by its own contract."""
    folder = gateway.control.settings.data_dir / "two"
    source = save_artifact(folder, wine_classifier(), _model_toml(20.0))
    add_version(gateway.control, "wine", "2", source)
    gateway.control.store.promote_model("wine", "2", 86_400)
    gateway.refresh()
    document = gateway.client.get(PATH, headers=gateway.bearer()).json
    schemas = document["components"]["schemas"]

    assert {"/v1/models/wine/versions/1/predict", "/v1/models/wine/versions/2/predict"} < set(
        document["paths"]
    )
    assert schemas["wine.2.Record"]["properties"]["alcohol"]["maximum"] == 20.0
    assert "maximum" not in schemas["wine.1.Record"]["properties"]["alcohol"]


def test_a_model_that_cannot_be_served_is_left_out(gateway: AppFixture) -> None:
    """Its contract is not known here; the rest of the document stays."""
    gateway.control.store.add_model_version("gone", "1", "0" * 64)
    gateway.control.store.promote_model("gone", "1", 0)
    gateway.refresh()
    paths = gateway.client.get(PATH, headers=gateway.bearer()).json["paths"]

    assert "/v1/models/wine/predict" in paths
    assert not [path for path in paths if "gone" in path]


def test_the_document_can_be_turned_off(tmp_path: Path) -> None:
    """Then it is a path like any other that does not exist."""
    gateway = make_app(tmp_path, docs={"openapi": False})

    assert gateway.client.get(PATH).status_code == 401
    assert gateway.client.get(PATH, headers=gateway.bearer()).status_code == 404


def test_two_schemas_of_one_name_are_both_there() -> None:
    """Models `a.1` in version 2 and `a` in version 1.2 ask for one name, and get two."""
    components = Components()
    first = components.plain(Shared("a.1.2.Row", {"maxItems": 1}))
    second = components.plain({"items": Shared("a.1.2.Row", {"maxItems": 2})})
    again = components.plain(Shared("a.1.2.Row", {"maxItems": 1}))

    assert first == again == {"$ref": "#/components/schemas/a.1.2.Row"}
    assert second == {"items": {"$ref": "#/components/schemas/a.1.2.Row-2"}}
    assert components.schemas["a.1.2.Row-2"] == {"maxItems": 2}
