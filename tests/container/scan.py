"""`make scan`: every look at the files and the image, and whether anything is left to mend."""

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import supply
from engine import IMAGE, ROOT, NoEngine
from engines import find_engine
from findings import Finding, judge, read_accepted, write_verdict
from scanners import SCANNERS, run

OUT = ROOT / "var" / "scan"
# Where a tool takes the reason beside the line itself, the reason stands there.
SKIPS = "checkov(:|.io/)skip|hadolint ignore|nosec|pragma: allowlist"
SKIPPING = ("Dockerfile", "docker-compose.yml", "deploy", "nginx", "gateway", "model", "config")


def main() -> int:
    """Exit code: 1 where something is open, or a look could not be taken where CI=true."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    findings: list[Finding] = []
    not_taken: list[str] = []
    looks: dict[str, Any] = {**SCANNERS, "vex": _vex, "image": _image, "pip-audit": _advisories}
    tools = []
    for name, look in looks.items():
        began = time.monotonic()
        try:
            found = list(look())
        except (NoEngine, RuntimeError) as exc:
            not_taken.append(f"{name}: {exc}")
            _say(f"{name:12} NOT LOOKED: {exc}")
            continue
        tools.append(name)
        findings += found
        _say(f"{name:12} {len(found)} findings ({time.monotonic() - began:.0f} s)")
    return _conclude(findings, tools, not_taken)


def _conclude(findings: list[Finding], tools: list[str], not_taken: list[str]) -> int:
    # Whether the advisory service answers is not in our hands; every other look is.
    missed = [line for line in not_taken if not line.startswith("pip-audit")]
    if "image" in tools:
        tools = [*tools, "debian", "sbom"]
    verdict = judge(findings, read_accepted(), tools)
    write_verdict(verdict, OUT / "findings.json")
    (OUT / "not-looked-up.txt").write_text("".join(f"{line}\n" for line in not_taken))
    (OUT / "skipped-in-place.txt").write_text(run("git", "grep", "-nE", SKIPS, "--", *SKIPPING))
    for found in verdict.open:
        _say(f"OPEN     {found.tool} {found.rule} {found.where}: {found.text}")
    for reason in verdict.stale:
        _say(
            f"STALE    {reason.tool} {reason.rule} {reason.where}: nothing is found there any more"
        )
    _say(
        f"{len(verdict.open)} open, {len(verdict.accepted)} accepted with a reason"
        f" (deploy/accepted-findings.toml), {len(verdict.stale)} stale reasons,"
        f" {len(not_taken)} looks not taken. Results: {OUT.relative_to(ROOT)}/"
    )
    failed = verdict.open or verdict.stale or (missed and os.environ.get("CI") == "true")
    return 1 if failed else 0


def _vex() -> list[Finding]:
    document, findings = supply.vex()
    text = json.dumps(document, indent=1) + "\n"
    (OUT / "vex.json").write_text(text)
    if supply.VEX_FILE.read_text() != text:
        findings.append(
            Finding("vex", "changed", "deploy/vex.json", "differs: copy var/scan/vex.json")
        )
    return findings


def _image() -> list[Finding]:
    """SBOM, and Debian's fixes that it lacks."""
    engine = find_engine()
    engine.build(IMAGE)
    with tempfile.TemporaryDirectory() as folder:
        engine.export(IMAGE, Path(folder))
        bill = supply.sbom(Path(folder), "0.1.0")
        packages = supply.debian_packages(Path(folder))
    path = OUT / "sbom.cdx.json"
    path.write_text(json.dumps(bill, indent=1) + "\n")
    faults = supply.sbom_faults(path)
    invalid = [Finding("sbom", "invalid", path.name, faults)] if faults else []
    return [*invalid, *supply.pending_updates(engine, packages)]


def _advisories() -> list[Finding]:
    outcome, findings = supply.advisories()
    (OUT / "advisories.txt").write_text(f"{outcome}\n")
    if outcome.startswith(supply.NOT_LOOKED_UP):
        # Never a count of findings where nothing was looked up.
        raise RuntimeError(outcome)
    return findings


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
