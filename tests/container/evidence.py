"""`make evidence`: what a partner's security reviewer asks for, in one archive."""

import hashlib
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import scan
from composition import Composition, new_composition
from engine import IMAGE, ROOT, find_engine

OUT = ROOT / "var" / "evidence"
PLANS = ROOT / "config" / "plans.toml"
_ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| (.*) \|$", flags=re.MULTILINE)
_TEST = re.compile(r"`([\w/]+\.py::\w+)`")
VERSIONS = {
    "TLS 1.0": ssl.TLSVersion.TLSv1,
    "TLS 1.1": ssl.TLSVersion.TLSv1_1,
    "TLS 1.2": ssl.TLSVersion.TLSv1_2,
    "TLS 1.3": ssl.TLSVersion.TLSv1_3,
}


def main() -> int:
    """Exit code: 1 where the scan has something open, or a test behind a requirement failed."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    scanned = scan.main()
    shutil.copytree(scan.OUT, OUT / "scan")
    _write("running-stack.json", _of_running_stack())
    requirements = list(_requirements())
    _write("requirements.json", requirements)
    _write("source.json", {"commit": _output("git", "rev-parse", "HEAD")})
    for name in ("docs/security.md", "SECURITY.md", "deploy/vex.json"):
        shutil.copy(ROOT / name, OUT)
    archive = _pack()
    failed = [row["number"] for row in requirements if "failed" in row["tests"].values()]
    sys.stdout.write(f"{archive.relative_to(ROOT)}; requirements with a failed test: {failed}\n")
    return 1 if scanned or failed else 0


def _of_running_stack() -> dict[str, Any]:
    """TLS and headers, as a caller gets them from the composition."""
    engine = find_engine()
    engine.build(IMAGE)
    with tempfile.TemporaryDirectory() as folder:
        composition = new_composition(engine, Path(folder), PLANS.read_text())
        try:
            composition.up()
            return {"tls": _tls(composition), "headers": _headers(composition)}
        finally:
            composition.down(volumes=True)


def _tls(composition: Composition) -> dict[str, str]:
    return {name: _handshake(composition, version) for name, version in VERSIONS.items()}


def _handshake(composition: Composition, version: ssl.TLSVersion) -> str:
    context = ssl.create_default_context(cafile=str(composition.data_dir / "tls/ca.pem"))
    # Old versions are asked for in earnest: this side would refuse them by itself.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    try:
        with (
            socket.create_connection(("127.0.0.1", composition.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            return f"accepted: {(connection.cipher() or ('',))[0]}"
    except OSError as exc:
        return f"refused: {type(exc).__name__}"


def _headers(composition: Composition) -> dict[str, Any]:
    token = composition.token(composition.create_partner("reviewer"))
    calls = {
        "200": ("/v1/models", {"Authorization": f"Bearer {token}"}),
        "401": ("/v1/models", {}),
        "404": ("/nothing", {"Authorization": f"Bearer {token}"}),
    }
    with composition.client() as client:
        answers = {
            name: client.get(path, headers=headers) for name, (path, headers) in calls.items()
        }
    return {
        name: {"status": answer.status_code, "headers": dict(answer.headers)}
        for name, answer in answers.items()
    }


def _requirements() -> Iterator[dict[str, Any]]:
    """Each requirement with its tests, and what became of them now."""
    rows = _ROW.findall((ROOT / "docs/security.md").read_text())
    outcomes = _run_tests(sorted({test for row in rows for test in _TEST.findall(row[3])}))
    for number, requirement, state, proof in rows:
        tests = {test: outcomes.get(test, "not run") for test in _TEST.findall(proof)}
        yield {
            "number": f"SEC-{number}",
            "requirement": requirement,
            "state": state,
            "tests": tests,
            "reason": _TEST.sub("", proof).strip(" ,;"),
        }


def _run_tests(names: list[str]) -> dict[str, str]:
    # Those of the image and the composition are `make image-test`; its result is given with it.
    asked = [name for name in names if not name.startswith("container/")]
    report = OUT / "tests.xml"
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}"]
    subprocess.run([*command, *(f"tests/{name}" for name in asked)], cwd=ROOT, check=False)
    outcomes: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  # pytest wrote it just now.
        path = (case.get("classname") or "").replace(".", "/").removeprefix("tests/")
        name = f"{path}.py::{(case.get('name') or '').partition('[')[0]}"
        bad = case.find("failure") is not None or case.find("error") is not None
        state = "failed" if bad else "skipped" if case.find("skipped") is not None else "passed"
        outcomes[name] = state if outcomes.get(name) in {None, "passed"} else outcomes[name]
    return outcomes


def _write(name: str, facts: Any) -> None:
    (OUT / name).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _output(*command: str) -> str:
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def _pack() -> Path:
    """The SHA-256 of every file, then all of them in one archive."""
    files = sorted(path for path in OUT.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(OUT)}\n"
        for path in files
    ]
    (OUT / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
    archive = OUT.with_suffix(".tar.gz")
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(OUT, arcname="evidence")
    return archive


if __name__ == "__main__":
    sys.exit(main())
