"""What the image is made of, and what is known against it: SBOM, fixes, advisories, VEX."""

import gzip
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from engine import PYTHON_IMAGE, ROOT, Engine
from findings import Finding
from scanners import gixy_report, run

SBOM_TOOLS = ROOT / ".venv-sbom" / "bin"
VEX_FILE = ROOT / "deploy" / "vex.json"
NOT_LOOKED_UP = "NOT LOOKED UP"
_CVE = re.compile(r"CVE-\d{4}-\d+")
# A release with published advisories: whoever knows of none has looked nothing up.
_KNOWN_BAD = "jinja2==2.10\n"


def debian_packages(root: Path) -> dict[str, str]:
    """Name and version of every Debian package in an unpacked image."""
    found = {}
    for path in (root / "var/lib/dpkg/status.d").iterdir():
        text = path.read_text(encoding="utf-8")
        found[path.name] = re.search(r"^Version: (.*)$", text, flags=re.MULTILINE)[1]  # type: ignore[index]
    return found


def sbom(root: Path, version: str) -> dict[str, Any]:
    """Everything in the unpacked image, as CycloneDX 1.6."""
    folders = [str(path) for path in (root / "opt/gateway/lib").glob("python3*/site-packages")]
    python = {d.metadata["Name"]: d for d in distributions(path=[*folders, str(root / "app")])}
    components = [
        {
            **_component(name, d.version, f"pkg:pypi/{name.lower().replace('_', '-')}@{d.version}"),
            **_licenses(d),
        }
        for name, d in sorted(python.items())
    ]
    components.append(_interpreter(root))
    components += [
        _component(name, found, f"pkg:deb/debian/{name}@{quote(found)}?distro=debian-12")
        for name, found in sorted(debian_packages(root).items())
    ]
    subject = _component("model-gateway", version, f"pkg:oci/model-gateway@{version}", "container")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, json.dumps(components))}",
        "version": 1,
        "metadata": {"component": subject},
        "components": components,
    }


def _interpreter(root: Path) -> dict[str, str]:
    """Python itself: in the official image it is no package of Debian's."""
    text = (root / "opt/gateway/pyvenv.cfg").read_text(encoding="utf-8")
    version: str = re.search(r"^version = (\S+)$", text, flags=re.MULTILINE)[1]  # type: ignore[index]
    return _component("python", version, f"pkg:generic/python@{version}")


def _licenses(package: Distribution) -> dict[str, Any]:
    """As the package states it: an SPDX expression, else a name."""
    expression = package.metadata.get("License-Expression")
    if expression:
        return {"licenses": [{"expression": expression}]}
    classifiers = package.metadata.get_all("Classifier", [])
    named = [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License :: ")]
    stated = (package.metadata.get("License") or "").strip()
    names = named or ([stated] if stated and "\n" not in stated else [])
    return {"licenses": [{"license": {"name": name}} for name in names]} if names else {}


def _component(name: str, version: str, purl: str, kind: str = "library") -> dict[str, str]:
    facts = {"type": kind, "name": name, "version": version, "purl": purl}
    return {**facts, "bom-ref": purl}


def sbom_faults(path: Path) -> str:
    """What CycloneDX's own schema has against it; empty where nothing."""
    code = (
        "import sys; from cyclonedx.schema import SchemaVersion;"
        "from cyclonedx.validation.json import JsonStrictValidator as V;"
        "print(V(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read()) or '')"
    )
    return run(SBOM_TOOLS / "python", "-c", code, path).strip()


_PENDING = """
apt-get update -q >/dev/null || exit 9
for one in "$@"; do
  name=${one%%=*}; have=${one#*=}
  offered=$(apt-cache policy "$name" | sed -n 's/^  Candidate: //p')
  [ -n "$offered" ] && dpkg --compare-versions "$offered" gt "$have" && echo "$name $have $offered"
done
exit 0
"""


def pending_updates(engine: Engine, packages: dict[str, str]) -> Iterator[Finding]:
    """Debian's fixes that the image does not have yet, as its own sources offer them today."""
    pairs = [f"{name}={version}" for name, version in sorted(packages.items())]
    command = ("run", "--rm", "--network", "host", PYTHON_IMAGE, "sh", "-c", _PENDING, "sh")
    done = engine.run(*command, *pairs, check=False, timeout_s=180)
    if done.returncode != 0:
        raise RuntimeError(f"Debian's sources do not answer: {(done.stderr or done.stdout)[-500:]}")
    for line in done.stdout.splitlines():
        name, have, offered = line.split()
        yield Finding("debian", "pending", name, f"{have} in the image, {offered} offered")


def advisories() -> tuple[str, list[Finding]]:
    """What pip-audit's service knows of the pinned packages, or that it did not answer."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(_KNOWN_BAD)
        file.flush()
        control = _pip_audit(Path(file.name), "--no-deps", "--disable-pip")
    if not _vulnerabilities(control):
        return f"{NOT_LOOKED_UP}: the advisory service does not answer here", []
    report = _pip_audit(ROOT / "requirements/extras.txt", "--require-hashes", "--disable-pip")
    if report is None:
        return f"{NOT_LOOKED_UP}: pip-audit --strict could not look all packages up", []
    findings = [
        Finding(
            "pip-audit", found["id"], f"{d['name']}=={d['version']}", found["description"][:200]
        )
        for d in report["dependencies"]
        for found in d.get("vulns", [])
    ]
    return f"{len(report['dependencies'])} packages looked up", findings


def _pip_audit(requirements: Path, *options: str) -> dict[str, Any] | None:
    command = [SBOM_TOOLS / "pip-audit", "--strict", "--progress-spinner", "off", "-f", "json"]
    done = subprocess.run(
        [*command, *options, "-r", requirements],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return None
    return report


def _vulnerabilities(report: dict[str, Any] | None) -> list[Any]:
    return [v for d in (report or {}).get("dependencies", []) for v in d.get("vulns", [])]


def vex() -> tuple[dict[str, Any], list[Finding]]:
    """Statements on what scanners say of Debian's nginx by its version number (OpenVEX).

    Each rests on the changelog of the package itself; what that does not name is a finding.
    """
    reported = gixy_report("--checks", "nginx_cves")
    cves = sorted({cve for found in reported for cve in _CVE.findall(found["reason"])})
    fixed = _fixed_in_debian()
    statements = [
        {
            "vulnerability": {"name": cve},
            "products": [{"@id": "pkg:deb/debian/nginx?distro=debian-12"}],
            "status": "fixed",
            "status_notes": f"Ported back by Debian in nginx {fixed[cve]}; it stays 1.22.1.",
        }
        for cve in cves
        if cve in fixed
    ]
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "urn:model-gateway:vex",
        "author": "model-gateway maintainers",
        "version": 1,
        "statements": statements,
    }
    return document, [Finding("vex", cve, "nginx", "not fixed") for cve in cves if cve not in fixed]


def _fixed_in_debian() -> dict[str, str]:
    """By CVE, the version of Debian's nginx that its changelog says has the fix."""
    path = Path("/usr/share/doc/nginx/changelog.Debian.gz")
    if not path.is_file():
        raise RuntimeError("Debian's nginx is not installed: its changelog is the evidence")
    fixed, version = {}, ""
    for line in gzip.decompress(path.read_bytes()).decode("utf-8").splitlines():
        head = re.match(r"nginx \((\S+)\)", line)
        version = head[1] if head else version
        for cve in _CVE.findall(line):
            fixed[cve] = version
    return fixed
