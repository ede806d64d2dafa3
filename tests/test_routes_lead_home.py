"""A path leads to the application that answers it: by nginx, by `make run`, by the ingress."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from app_fixture import AppFixture, make_app
from control_fixtures import make_token_app
from flask import Flask

from gateway.wsgi.joined import is_token_path

ROOT = Path(__file__).parents[1]
INGRESSES = [
    ROOT / "deploy/kubernetes" / name
    for name in ("base/ingress.yaml", "overlays/example/host.yaml")
]
_LOCATION = re.compile(r"location (~ )?(\S+) \{.*?proxy_pass http://(\w+);", re.DOTALL)


def paths(app: Flask) -> set[str]:
    """One of each route, with `wine` for all that varies."""
    return {re.sub(r"<[^>]+>", "wine", rule.rule) for rule in app.url_map.iter_rules()}


@pytest.fixture(scope="module")
def homes(shared_gateway: AppFixture, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """By path, which application answers it. What both do, as probes, is the predictions'."""
    control = make_app(tmp_path_factory.mktemp("tokens")).control
    token_app = make_token_app(control)
    tokens = dict.fromkeys(paths(token_app), "tokens")
    return tokens | dict.fromkeys(paths(shared_gateway.app), "predictions")


def rules_of(ingress: Path) -> dict[str, str]:
    """By path prefix, the service."""
    [rule] = yaml.safe_load(ingress.read_text())["spec"]["rules"]
    assert {path["pathType"] for path in rule["http"]["paths"]} == {"Prefix"}
    return {path["path"]: _service(path) for path in rule["http"]["paths"]}


def _service(path: dict[str, Any]) -> str:
    name: str = path["backend"]["service"]["name"]
    return {"token-service": "tokens", "gateway": "predictions"}[name]


def by_ingress(rules: dict[str, str], path: str) -> str:
    """The longest prefix that ends with a whole part of the path."""
    fitting = [prefix for prefix in rules if f"{path}/".startswith(f"{prefix.rstrip('/')}/")]
    return rules[max(fitting, key=len)]


def by_nginx(path: str) -> str:
    """The first regular expression that fits, else the one location that is none."""
    found = _LOCATION.findall((ROOT / "nginx/gateway.conf").read_text().split("merge_slashes")[1])
    fitting = [target for regex, place, target in found if regex and re.search(place, path)]
    return [*fitting, *(target for regex, place, target in found if not regex)][0]


def test_nginx_and_make_run_lead_home(homes: dict[str, str]) -> None:
    """Every route of either application, and nothing else of what looks like it."""
    assert {path: by_nginx(path) for path in homes} == homes
    assert {path: "tokens" if is_token_path(path) else "predictions" for path in homes} == homes
    assert by_nginx("/oauth") == by_nginx("//oauth/token") == "predictions"


@pytest.mark.parametrize("ingress", INGRESSES, ids=lambda path: path.parent.name)
def test_the_ingress_leads_home(ingress: Path, homes: dict[str, str]) -> None:
    """A decision about a model, too, reaches who may write it down."""
    rules = rules_of(ingress)

    assert {path: by_ingress(rules, path) for path in homes} == homes


def test_overlays_change_the_host_and_no_path() -> None:
    """A patch of an ingress replaces its list of rules as a whole."""
    base, overlay = map(rules_of, INGRESSES)

    assert overlay == base


@pytest.mark.parametrize("name", ["gateway", "token-service"])
def test_nginx_in_a_pod_knows_its_only_application(name: str) -> None:
    """What the ingress sends there by mistake gets that application's answer, not a 502."""
    path = ROOT / "deploy/kubernetes/base" / f"{name}.yaml"
    pod = yaml.safe_load(path.read_text())["spec"]["template"]["spec"]
    [edge_files] = pod["initContainers"]
    args = edge_files["args"]
    [socket] = [
        v["mountPath"] for v in pod["containers"][1]["volumeMounts"] if v["name"] == "socket"
    ]

    assert args[args.index("--only") + 1] == socket.rpartition("/")[2]
