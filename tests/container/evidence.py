"""`make evidence`: what a partner's security reviewer asks for, in one archive."""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import running_stack
import scan
from composition import new_composition
from engine import IMAGE, ROOT, Engine
from engines import find_engine
from evidence_page import FILES, Evidence, page
from requirement_results import results

OUT = ROOT / "var" / "evidence"
PLANS = ROOT / "config" / "plans.toml"


def main() -> int:
    """Exit code: 1 where the scan has something open, or a test behind a requirement failed."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    files = _of_files()
    open_findings = scan.main()
    shutil.copytree(scan.OUT, OUT / "scan")
    engine = find_engine()
    image = _of_image(engine)
    running_stack, requirements = _of_running_stack(engine), results(OUT)
    if (_of_files(), _of_image(engine)) != (files, image):
        sys.stderr.write("NOTHING WAS PACKED: files or image changed while they were looked at.\n")
        return 1
    evidence = Evidence(_source(engine, files, image), running_stack, requirements)
    for name, facts in evidence.files().items():
        (OUT / name).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    for name in ("docs/security.md", "SECURITY.md", "deploy/accepted-findings.toml"):
        shutil.copy(ROOT / name, OUT)
    findings = json.loads((scan.OUT / "findings.json").read_text())
    not_looked_up = (scan.OUT / "not-looked-up.txt").read_text().splitlines()
    (OUT / "index.html").write_text(page(evidence, findings, not_looked_up), encoding="utf-8")
    archive = _pack()
    _say(archive, evidence.failed)
    return 1 if open_findings or evidence.failed else 0


def _of_files() -> dict[str, Any]:
    """Which state of the repository this is."""
    return {
        "commit": _output("git", "rev-parse", "HEAD"),
        "changed since": _output("git", "status", "--porcelain").splitlines(),
        "SHA-256 of the change": hashlib.sha256(
            _output("git", "diff", "HEAD").encode()
        ).hexdigest(),
    }


def _of_image(engine: Engine) -> dict[str, Any]:
    """Which image of it."""
    image = engine.inspect(IMAGE, "image")
    return {
        "image": image["Id"],
        "layers": image["RootFS"]["Layers"],
        "labels": image["Config"]["Labels"],
    }


def _source(engine: Engine, files: dict[str, Any], image: dict[str, Any]) -> dict[str, Any]:
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        **files,
        **image,
        "engine": engine.program,
        "stand-ins of the base images": engine.has_stand_ins,
    }


def _of_running_stack(engine: Engine) -> dict[str, Any]:
    """With the shipped plans, on volumes of its own."""
    with tempfile.TemporaryDirectory() as folder:
        composition = new_composition(engine, Path(folder), PLANS.read_text())
        composition.down(volumes=True)
        try:
            return running_stack.look(composition.up())
        finally:
            composition.down(volumes=True)


def _output(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _pack() -> Path:
    """The SHA-256 of every file, then all of them in one archive, and its SHA-256 beside it."""
    files = sorted(path for path in OUT.rglob("*") if path.is_file())
    assert {path.relative_to(OUT).as_posix() for path in files} == {*FILES, "index.html"}
    lines = [f"{_sha256(path)}  {path.relative_to(OUT)}\n" for path in files]
    (OUT / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
    archive = OUT.with_suffix(".tar.gz")
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(OUT, arcname="evidence")
    archive.with_name(f"{archive.name}.sha256").write_text(f"{_sha256(archive)}  {archive.name}\n")
    return archive


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _say(archive: Path, failed: list[str]) -> None:
    size = archive.stat().st_size >> 10
    bad = f"FAILED: {', '.join(failed)}" if failed else "no requirement's test failed"
    sys.stdout.write(f"{archive.relative_to(ROOT)} ({size} kB), begin with index.html; {bad}\n")


if __name__ == "__main__":
    sys.exit(main())
