"""What tools report, and which of it has been accepted, with a reason each."""

import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path

ACCEPTED_FILE = Path(__file__).parents[2] / "deploy" / "accepted-findings.toml"


@dataclass(frozen=True)
class Finding:
    """One sentence of one tool about one place."""

    tool: str
    rule: str
    where: str
    text: str


@dataclass(frozen=True)
class Accepted:
    """Findings that stay, and why. `where` may have `*` in it."""

    tool: str
    rule: str
    where: str
    reason: str

    def covers(self, finding: Finding) -> bool:
        same = (self.tool, self.rule) == (finding.tool, finding.rule)
        return same and fnmatch(finding.where, self.where)


@dataclass(frozen=True)
class Verdict:
    """What is left to mend, what was accepted, and which reasons no longer have a finding."""

    open: Sequence[Finding]
    accepted: Sequence[tuple[Finding, Accepted]]
    stale: Sequence[Accepted]


def read_accepted(path: Path = ACCEPTED_FILE) -> list[Accepted]:
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["accepted"]
    return [Accepted(**entry) for entry in entries]


def judge(
    findings: Iterable[Finding], accepted: Sequence[Accepted], tools: Iterable[str]
) -> Verdict:
    """Match them. A reason whose tool ran and found nothing of the kind is stale."""
    matches = [(found, next((a for a in accepted if a.covers(found)), None)) for found in findings]
    used = {reason for _, reason in matches if reason is not None}
    ran = set(tools)
    return Verdict(
        open=[found for found, reason in matches if reason is None],
        accepted=[(found, reason) for found, reason in matches if reason is not None],
        stale=[reason for reason in accepted if reason.tool in ran and reason not in used],
    )


def write_verdict(verdict: Verdict, path: Path) -> None:
    facts = {
        "open": [asdict(found) for found in verdict.open],
        "accepted": [{**asdict(f), "reason": reason.reason} for f, reason in verdict.accepted],
        "stale": [asdict(reason) for reason in verdict.stale],
    }
    path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
