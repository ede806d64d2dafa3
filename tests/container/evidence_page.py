"""The first page of the evidence: what was looked at, what was found, and where it stands."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

FILES = {
    "source.json": "the commit, the image and its layers, the engine",
    "requirements.json": "each requirement, its state, its tests and their results",
    "security.md": "threat model, and the same requirements as the project keeps them",
    "tests.xml": "the run of the requirements' tests (JUnit)",
    "image-test.xml": "the run of the image's and the composition's tests (JUnit)",
    "running-stack.json": "TLS, certificate and headers of the running composition",
    "scan/sbom.cdx.json": "what the image is made of (CycloneDX 1.6)",
    "scan/findings.json": "what the scanners say, with the reason of each finding that stays",
    "scan/skipped-in-place.txt": "lines that a tool is told to skip, each with its reason there",
    "scan/vex.json": "what version scanners report and does not apply (OpenVEX)",
    "scan/advisories.txt": "whether known advisories on Python packages could be looked up",
    "scan/not-looked-up.txt": "looks that could not be taken where this was made",
    "accepted-findings.toml": "the reasons as the project keeps them",
    "SECURITY.md": "how to report, what is in scope, how fast an image is built again",
}
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{border-bottom:1px solid #ccc;padding:.3em .6em;"
    "text-align:left;vertical-align:top}code{font-size:13px}.bad{color:#b00020;font-weight:600}"
)
_CHECK = "sha256sum --check evidence.tar.gz.sha256 && cd evidence && sha256sum --check SHA256SUMS"


@dataclass(frozen=True)
class Evidence:
    """What was gathered, but for the scan."""

    source: dict[str, Any]
    running_stack: dict[str, Any]
    requirements: Sequence[dict[str, Any]]

    @property
    def failed(self) -> list[str]:
        """Requirements with a test that failed, or that was not run."""
        bad = {"failed", "not run"}
        return [row["number"] for row in self.requirements if bad & set(row["tests"].values())]

    def files(self) -> dict[str, Any]:
        return {
            "source.json": self.source,
            "running-stack.json": self.running_stack,
            "requirements.json": self.requirements,
        }


def page(evidence: Evidence, findings: dict[str, Any], not_looked_up: Sequence[str]) -> str:
    """Everything a reviewer reads first; the files have the rest."""
    parts = (
        _head(evidence.source),
        _scan(findings, not_looked_up),
        _stack(evidence.running_stack),
        _requirements(evidence),
        "<h2>Files</h2>" + _table(("file", "what it is"), FILES.items()),
        f"<p>Unaltered? <code>{_CHECK}</code></p>",
    )
    title = "model-gateway: evidence"
    start = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    return f"{start}<style>{_STYLE}</style><h1>{title}</h1>{''.join(parts)}</html>\n"


def _head(source: dict[str, Any]) -> str:
    changed = "" if not source["changed since"] else ", with changes that are not in it"
    bases = (
        "Its base images were stand-ins made of Debian 12's packages, as no registry could be"
        " reached where this was made: Dockerfile and composition are the shipped ones."
        if source["stand-ins of the base images"]
        else "Its base images were pulled by the names in Dockerfile and composition."
    )
    return _paragraph(
        f"Made {source['made']} by `make evidence` from commit {source['commit']}{changed}."
        f" Image {source['image']}, built here. {bases}"
    )


def _scan(findings: dict[str, Any], not_looked_up: Sequence[str]) -> str:
    tools = Counter(found["tool"] for found in findings["accepted"])
    accepted = ", ".join(f"{tool} {count}" for tool, count in tools.items())
    reasons = {
        (f["tool"], f["rule"], f["reason"], sum(_same(f, g) for g in findings["accepted"]))
        for f in findings["accepted"]
    }
    return (
        "<h2>Scans</h2>"
        + _paragraph(f"Open: {len(findings['open'])}. Accepted with a reason: {accepted}.")
        + "".join(_paragraph(f"Not looked: {line}", "bad") for line in not_looked_up)
        + _table(("tool", "rule", "why it stays", "times"), sorted(reasons))
    )


def _same(one: dict[str, str], other: dict[str, str]) -> bool:
    return all(one[key] == other[key] for key in ("tool", "rule", "reason"))


def _stack(stack: dict[str, Any]) -> str:
    tls = {
        **stack["tls"],
        "TLS 1.2, all ciphers": ", ".join(stack["ciphers of TLS 1.2"]),
        "handshake for another name": stack["handshake for another name"],
        "plain HTTP": stack["plain HTTP"],
        "certificate": ", ".join(f"{name}: {fact}" for name, fact in stack["certificate"].items()),
    }
    answers = (
        (asked, answer["status"], "\n".join(f"{k}: {v}" for k, v in answer["headers"].items()))
        for asked, answer in stack["answers"].items()
    )
    return (
        "<h2>The running stack</h2>"
        + _table(("asked for", "answer"), tls.items())
        + _table(("asked for", "status", "headers"), answers)
    )


def _requirements(evidence: Evidence) -> str:
    states = Counter(row["state"] for row in evidence.requirements)
    rows = (
        (
            row["number"],
            row["requirement"],
            row["state"],
            "\n".join(f"{result}: {test}" for test, result in row["tests"].items()),
            row["reason"],
        )
        for row in evidence.requirements
    )
    summary = ", ".join(f"{count} {state}" for state, count in states.items())
    failed = ", ".join(evidence.failed) or "none"
    return (
        "<h2>Requirements</h2>"
        + _paragraph(f"{summary}. With a test that failed or was not run: {failed}.")
        + _table(("number", "requirement", "state", "tests", "note"), rows)
    )


def _paragraph(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(str(value))}</td>" for value in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{heads}</tr>{body}</table>"


def _cell(text: str) -> str:
    mark = ' class="bad"' if text.startswith(("failed", "not run", "skipped")) else ""
    return f"<span{mark}>{escape(text).replace(chr(10), '<br>')}</span>"
