"""The tools that look at our files, each with how to read what it says."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine import ROOT
from findings import Finding

SCAN = ROOT / ".venv-scan" / "bin"
BASE, OVERLAY = "deploy/kubernetes/base", "deploy/kubernetes/overlays/example"
CODE = ("gateway", "model", "config", "deploy/image")


def run(*command: str | Path, timeout_s: float = 300, **options: Any) -> str:
    """What a tool writes to stdout. Tools exit as they like where they find something."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        **options,
    )
    if not done.stdout.strip() and done.returncode not in {0, 1}:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}): {done.stderr[-1500:]}")
    return done.stdout


def hadolint() -> Iterator[Finding]:
    for found in json.loads(run(SCAN / "hadolint", "-f", "json", "Dockerfile") or "[]"):
        yield Finding("hadolint", found["code"], f"Dockerfile:{found['line']}", found["message"])


def checkov() -> Iterator[Finding]:
    """Dockerfile, manifests as written, and secrets in either."""
    for kind, target in (
        ("dockerfile", ("-f", "Dockerfile")),
        # A patch says what it changes and nothing else: as a manifest it would lack everything.
        ("kubernetes", ("-d", "deploy/kubernetes", "--skip-path", "overlays/.*/database.yaml")),
        ("secrets", ("-d", "deploy")),
    ):
        options = ("--skip-download", "--quiet", "--compact", "-o", "json", "--framework", kind)
        yield from _of_checkov(json.loads(run(SCAN / "checkov", *options, *target)))


def _of_checkov(report: Any) -> Iterator[Finding]:
    for part in report if isinstance(report, list) else [report]:
        for found in part.get("results", {}).get("failed_checks", []):
            where = f"{found['file_path'].lstrip('/')}:{found['file_line_range'][0]}"
            yield Finding("checkov", found["check_id"], where, found["check_name"])


def dclint() -> Iterator[Finding]:
    program = ROOT / ".venv-scan" / "node_modules" / ".bin" / "dclint"
    with tempfile.TemporaryDirectory() as folder:
        # Through a pipe it writes 64 KiB at most.
        report = Path(folder) / "report.json"
        options = ("-c", "deploy/dclint.yaml", "-f", "json", "-o", report)
        run(program, *options, "docker-compose.yml")
        parts = json.loads(report.read_text())
    for part in parts:
        for found in part["messages"]:
            where = f"docker-compose.yml:{found['line']}"
            yield Finding("dclint", found["rule"], where, found["message"])


def gixy() -> Iterator[Finding]:
    """nginx's files as the composition has them. Its list of CVEs is looked at by itself (vex)."""
    for found in gixy_report("--skips", "nginx_cves"):
        yield Finding("gixy", found["plugin"], Path(found["file"]).name, found["reason"])


def gixy_report(*options: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "GATEWAY_SERVER__BASE_URL": "https://localhost:8443"}
        run(ROOT / ".venv/bin/gateway", "edge", "--out", folder, env=environment)
        configuration = Path(folder) / "nginx" / "nginx.conf"
        version = ("--nginx-version", "1.22.1", "--nginx-cves-version", "1.22.1")
        report = run(SCAN / "gixy", "-f", "json", *version, *options, configuration)
    found: list[dict[str, Any]] = json.loads(report)
    return found


def bandit() -> Iterator[Finding]:
    report = json.loads(run(SCAN / "bandit", "-q", "-f", "json", "-r", *CODE))
    for found in report["results"]:
        yield Finding("bandit", found["test_id"], found["filename"], found["issue_text"])


_NOT_BY_KEYWORD = ("--disable-plugin", "KeywordDetector")


def secrets() -> Iterator[Finding]:
    """In every file of the repository but the hashes of pinned packages.

    Not by keyword: that finds every sentence with the words secret or password in it.
    """
    files = run("git", "ls-files").split()
    looked_at = [name for name in files if "requirements/" not in name]
    report = json.loads(run(SCAN / "detect-secrets", "scan", *_NOT_BY_KEYWORD, *looked_at))
    for name, found in report["results"].items():
        for secret in found:
            yield Finding("secrets", secret["type"], name, f"line {secret['line_number']}")


def kubernetes() -> Iterator[Finding]:
    """The manifests as they reach a cluster: built, valid against its schemas."""
    for folder in (BASE, OVERLAY):
        built = run(SCAN / "kubectl", "kustomize", folder)
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(built)
            file.flush()
            done = subprocess.run(
                [SCAN / "kubernetes-validate", "--strict", "--quiet", file.name],
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode != 0 or not built.strip():
            yield Finding("kubernetes", "invalid", folder, (done.stdout + done.stderr)[-500:])


SCANNERS: dict[str, Callable[[], Iterator[Finding]]] = {
    "hadolint": hadolint,
    "checkov": checkov,
    "dclint": dclint,
    "gixy": gixy,
    "bandit": bandit,
    "secrets": secrets,
    "kubernetes": kubernetes,
}
