"""The manifests: the restricted Pod Security Standard, and what it does not ask for."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from own_certificate import own_certificate

from gateway.cli import main

BASE = Path(__file__).parents[1] / "deploy" / "kubernetes" / "base"
# What the standard allows a pod to mount.
VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret", "downwardAPI"}
DEPLOYMENTS = ("gateway", "token-service")


def manifests() -> list[dict[str, Any]]:
    listed = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    texts = [(BASE / name).read_text() for name in listed]
    return [found for text in texts for found in yaml.safe_load_all(text)]


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {m["metadata"]["name"]: m for m in manifests() if m["kind"] == kind}


def pods() -> dict[str, dict[str, Any]]:
    owners = {**of_kind("Deployment"), **of_kind("Job")}
    return {name: owner["spec"]["template"]["spec"] for name, owner in owners.items()}


def containers(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from pod.get("initContainers", [])
    yield from pod["containers"]


def container_of(pod: str, name: str) -> dict[str, Any]:
    return next(one for one in containers(pods()[pod]) if one["name"] == name)


def environment(container: dict[str, Any]) -> dict[str, str]:
    """What a container is told: the settings of all, and its own."""
    shared = of_kind("ConfigMap")
    told: dict[str, str] = {}
    for source in container.get("envFrom", []):
        told |= shared[source["configMapRef"]["name"]]["data"]
    return told | {one["name"]: one["value"] for one in container.get("env", [])}


def test_every_file_is_in_the_base() -> None:
    """A manifest that nobody applies protects nobody."""
    listed = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]

    assert {path.name for path in BASE.glob("*.yaml")} == {*listed, "kustomization.yaml"}


@pytest.mark.parametrize("name", [*DEPLOYMENTS, "prepare"])
def test_pods_keep_the_restricted_standard(name: str) -> None:
    """And more: numeric users, read-only roots, no token of the cluster, limits."""
    pod = pods()[name]
    security = pod["securityContext"]

    assert security["runAsNonRoot"]
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert {kind for v in pod["volumes"] for kind in set(v) - {"name"}} <= VOLUMES
    for container in containers(pod):
        own = container["securityContext"]
        assert own["runAsUser"] > 10_000
        assert own["allowPrivilegeEscalation"] is False
        assert own["readOnlyRootFilesystem"] is True
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert set(container["resources"]) == {"requests", "limits"}
        assert set(container["resources"]["limits"]) == {"cpu", "memory"}
        assert not any("hostPort" in port for port in container.get("ports", []))


def test_namespace_enforces_it() -> None:
    """Also for what somebody adds later."""
    [namespace] = of_kind("Namespace").values()

    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_keys_are_with_the_token_service_only() -> None:
    """Predictions mount models, and neither keys nor the other's passwords."""
    secrets = {
        name: {v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v}
        for name, pod in pods().items()
    }
    accounts = {name: pods()[name]["serviceAccountName"] for name in DEPLOYMENTS}

    assert secrets["gateway"] == {"gateway-tls", "predictions-access"}
    assert secrets["token-service"] == {"gateway-tls", "tokens-access", "gateway-keys"}
    assert accounts == {"gateway": "gateway", "token-service": "token-service"}
    assert all(
        a["automountServiceAccountToken"] is False for a in of_kind("ServiceAccount").values()
    )


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_plans_are_mounted(name: str) -> None:
    """They can be changed without another image; the shipped ones are those of the other shapes."""
    plans = of_kind("ConfigMap")["plans"]["data"]["plans.toml"]
    application = next(c for c in pods()[name]["containers"] if c["name"] == name)
    environment = {found["name"]: found["value"] for found in application["env"]}
    [mount] = [found for found in application["volumeMounts"] if found["name"] == "plans"]

    assert plans == (BASE.parents[2] / "config" / "plans.toml").read_text()
    assert environment["GATEWAY_PLANS"] == f"{mount['mountPath']}/plans.toml"
    assert {"name": "plans", "configMap": {"name": "plans", "defaultMode": 0o444}} in pods()[name][
        "volumes"
    ]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_nginx_is_the_compositions(name: str) -> None:
    """It is started in the same way, with the same environment."""
    composed = yaml.safe_load((BASE.parents[2] / "docker-compose.yml").read_text())["services"]
    nginx = next(c for c in pods()[name]["containers"] if c["name"] == "nginx")

    assert [*nginx["command"], *nginx["args"]] == composed["nginx"]["entrypoint"]
    assert {e["name"]: e["value"] for e in nginx["env"]} == composed["nginx"]["environment"]


def test_nothing_is_reached_unless_it_is_said() -> None:
    """Everything is denied; then nginx's port from the ingress, names, and the two stores."""
    policies = {name: policy["spec"] for name, policy in of_kind("NetworkPolicy").items()}
    denied = policies.pop("default-deny")
    ports = {
        (direction, port["port"])
        for spec in policies.values()
        for direction in ("ingress", "egress")
        for rule in spec.get(direction, [])
        for port in rule["ports"]
    }

    assert denied == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert ports == {("ingress", 8443), ("egress", 53), ("egress", 5432), ("egress", 6379)}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_pods_drain_before_they_end(name: str) -> None:
    """nginx goes on until it is off every list, the application longer; then there is time left."""
    pod = pods()[name]
    sleeps = {c["name"]: c["lifecycle"]["preStop"]["sleep"]["seconds"] for c in pod["containers"]}

    assert 5 <= sleeps["nginx"] < sleeps[name]
    # The application's own graceful_timeout_s is 30 s.
    assert sleeps[name] + 30 < pod["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_probes_differ(name: str) -> None:
    """A model or store that is away takes a pod out of service; it does not restart it."""
    application = next(c for c in pods()[name]["containers"] if c["name"] == name)
    asked = {
        kind: application[f"{kind}Probe"]["exec"]["command"][-1]
        for kind in ("startup", "readiness", "liveness")
    }

    assert asked == {"startup": "/livez", "readiness": "/readyz", "liveness": "/livez"}


def test_there_is_always_one_and_they_are_spread() -> None:
    """A budget for disruptions, over hosts and zones; predictions follow the load."""
    budgets = of_kind("PodDisruptionBudget")
    [scaler] = of_kind("HorizontalPodAutoscaler").values()

    assert set(budgets) == set(DEPLOYMENTS)
    assert scaler["spec"]["minReplicas"] >= 2
    for name in DEPLOYMENTS:
        keys = {spread["topologyKey"] for spread in pods()[name]["topologySpreadConstraints"]}
        assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_edge_is_written_with_what_its_container_is_told(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no file of a container that it stands beside: no password, no key."""
    edge = container_of(name, "edge-files")
    for variable, value in environment(edge).items():
        monkeypatch.setenv(variable, value)
    later = datetime.now(UTC) + timedelta(days=60)
    own = own_certificate(tmp_path / "own", "gateway.example.com", ends=later)
    places = {"/edge": str(tmp_path), "/own-certificate": str(own)}
    done = CliRunner().invoke(main, [places.get(word, word) for word in edge["args"]])

    assert done.exit_code == 0, done.output
    assert (
        "server_name gateway.example.com;"
        in (tmp_path / "nginx" / "place" / "server.conf").read_text()
    )


@pytest.mark.parametrize(
    ("pod", "container"),
    [("gateway", "gateway"), ("token-service", "token-service"), ("prepare", "prepare")],
)
def test_passwords_are_named_where_they_are_mounted(pod: str, container: str) -> None:
    """A path that is not there stops the start."""
    found = container_of(pod, container)
    mounts = [mount["mountPath"] for mount in found["volumeMounts"]]
    files = [value for name, value in environment(found).items() if name.endswith("_FILE")]

    assert len(files) == 2
    assert all(any(file.startswith(f"{mount}/") for mount in mounts) for file in files)


def test_nginx_counts_the_workers_that_there_are() -> None:
    """How many predictions it lets wait is so many for each."""
    arguments = container_of("gateway", "gateway")["args"]
    told = environment(container_of("gateway", "edge-files"))

    assert told["GATEWAY_SERVER__WORKERS"] == arguments[arguments.index("--workers") + 1]


def test_the_overlay_says_where_every_store_is() -> None:
    """No host of an example is left for somebody to find out at night."""
    folder = BASE.parent / "overlays" / "example"
    patched = {
        (patch["kind"], patch["metadata"]["name"], container["name"], one["name"])
        for patch in yaml.safe_load_all((folder / "database.yaml").read_text())
        for container in patch["spec"]["template"]["spec"]["containers"]
        for one in container["env"]
    }
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    [settings] = [one for one in kustomization["configMapGenerator"] if one["name"] == "settings"]
    merged = {literal.partition("=")[0] for literal in settings["literals"]}

    assert {"path": "database.yaml"} in kustomization["patches"]
    assert set(examples_of(of_kind("ConfigMap")["settings"]["data"])) == merged
    assert patched == {
        (kind, name, container["name"], variable)
        for kind in ("Deployment", "Job")
        for name, owner in of_kind(kind).items()
        for container in containers(owner["spec"]["template"]["spec"])
        for variable in examples_of({one["name"]: one["value"] for one in container.get("env", [])})
    }


def examples_of(told: dict[str, str]) -> list[str]:
    """The names of what has the host of an example."""
    return [name for name, value in told.items() if ".example.com" in value]
