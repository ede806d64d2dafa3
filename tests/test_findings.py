"""A finding stays only with a reason, and a reason only with a finding."""

from findings import Accepted, Finding, judge, read_accepted

SUBPROCESS = Finding("bandit", "B603", "gateway/cli/run.py", "subprocess call")
SHELL = Finding("bandit", "B602", "gateway/cli/run.py", "with a shell")
REASON = Accepted("bandit", "B603", "gateway/*", "No shell, and no text of a caller's.")
GONE = Accepted("gixy", "alias", "nginx.conf", "There was one.")


def test_what_has_no_reason_is_open() -> None:
    """The reason for one rule does not cover another, nor another place."""
    elsewhere = Finding("bandit", "B603", "model/store.py", "subprocess call")
    verdict = judge([SUBPROCESS, SHELL, elsewhere], [REASON], ["bandit"])

    assert verdict.accepted == [(SUBPROCESS, REASON)]
    assert verdict.open == [SHELL, elsewhere]


def test_reason_without_a_finding_is_stale_if_its_tool_looked() -> None:
    """Else it would cover what comes back for another cause."""
    assert judge([SUBPROCESS], [REASON, GONE], ["bandit", "gixy"]).stale == [GONE]
    assert judge([SUBPROCESS], [REASON, GONE], ["bandit"]).stale == []


def test_every_accepted_finding_has_its_reason() -> None:
    """In a sentence."""
    accepted = read_accepted()

    assert all(len(entry.reason) > 20 and entry.reason.endswith(".") for entry in accepted)
    assert len({(a.tool, a.rule, a.where) for a in accepted}) == len(accepted)
