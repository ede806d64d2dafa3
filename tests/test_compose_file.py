"""docker-compose.yml: every service is confined, also one that ends or starts on request."""

from pathlib import Path
from typing import Any

import pytest
import yaml

FILE = Path(__file__).parents[1] / "docker-compose.yml"
COMPOSITION: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSITION["services"]
# They do one thing and end.
ONCE = {"access", "prepare", "edge-files", "model-admin"}


def sources(service: str) -> set[str]:
    """Volumes and folders of the host that it mounts."""
    mounts: list[str] = SERVICES[service].get("volumes", [])
    return {mount.rpartition(":/")[0] for mount in mounts}


def of_host(source: str) -> bool:
    return source.startswith(("/", ".", "$"))


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined(name: str) -> None:
    """A numeric user, a read-only root, no right, none to gain, and limits on all it can use up."""
    service = SERVICES[name]

    assert int(service["user"].partition(":")[0]) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit", "tmpfs"} <= set(service)
    assert not {"privileged", "cap_add", "devices", "pid", "ipc", "env_file"} & set(service)
    assert service["logging"]["options"] == {"max-size": "20m", "max-file": "5"}


@pytest.mark.parametrize("name", SERVICES)
def test_what_ends_is_started_again(name: str) -> None:
    """Unless its work is done; what goes on says by itself whether it is well."""
    service = SERVICES[name]
    check = service["healthcheck"]

    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    assert check == {"disable": True} if name in ONCE else check["test"][0] == "CMD"


def test_order_of_the_start_is_by_health() -> None:
    """Nobody waits for a mere process: for an end without error, or for health."""
    for name, service in SERVICES.items():
        for earlier, how in service.get("depends_on", {}).items():
            ends = "service_completed_successfully"
            assert how["condition"] == (ends if earlier in ONCE else "service_healthy"), name


def test_keys_are_mounted_by_whom_they_are_for() -> None:
    """`prepare` makes them, the token service serves with them; nobody else sees the folder."""
    assert {name for name in SERVICES if "keys" in sources(name)} == {"prepare", "token-service"}
    assert "token-access" not in sources("gateway")


def test_nothing_of_the_host_is_mounted_but_files_of_the_operators() -> None:
    """Plans, a certificate, new models, all to be read; no socket of the engine."""
    mounts = [m for s in SERVICES.values() for m in s.get("volumes", []) if of_host(m)]

    assert all(mount.endswith(":ro") for mount in mounts)
    assert {mount.rpartition(":/")[2] for mount in mounts} == {
        "app/config/plans.toml:ro",
        "own-certificate:ro",
        "new-models:ro",
    }


def test_only_nginx_has_a_network_that_leads_out() -> None:
    """It is the one that is published, on one address; the stores' networks are internal."""
    networks = COMPOSITION["networks"]
    open_ones = {name for name, facts in networks.items() if not facts.get("internal")}
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert open_ones == {"edge"}
    assert {name for name, s in SERVICES.items() if "edge" in s.get("networks", [])} == {"nginx"}
    assert {name for name, s in SERVICES.items() if s.get("network_mode")} == {
        "access",
        "edge-files",
    }
    assert set(ports) == {"nginx"}
    assert [port["host_ip"] for port in ports["nginx"]] == ["${GATEWAY_ADDRESS:-127.0.0.1}"]
