"""A whole stream in one small set of numbers, in memory that does not grow with it."""

import heapq
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.cli.log_events import (
    NGINX_ACCESS,
    PHASES,
    REQUEST_FINISHED,
    Event,
    moment,
    number,
    text,
)
from gateway.cli.log_histogram import Histogram

QUANTILES_SAY = "p50, p95 and p99 come from a fixed histogram and are within 1 %."
MAX_NAMES = 10_000
OTHERS = "(others)"
NOBODY = "(not authenticated)"
SLOWEST, TOP_PARTNERS = 5, 10
ELSEWHERE = "elsewhere"


@dataclass(slots=True)
class PartnerTally:
    """Of one partner: refused are its calls that got 4xx, failed those that got 5xx."""

    requests: int = 0
    rows: int = 0
    refused: int = 0
    failed: int = 0


@dataclass(slots=True)
class Summary:
    """Counts of what was added. Only closing events of requests are requests."""

    requests: int = 0
    rows: int = 0
    other_lines: int = 0
    first: datetime | None = None
    last: datetime | None = None
    statuses: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    answered_by_nginx: Counter[str] = field(default_factory=Counter)
    durations: Histogram = field(default_factory=Histogram)
    phases: defaultdict[str, Histogram] = field(default_factory=lambda: defaultdict(Histogram))
    partners: dict[str, PartnerTally] = field(default_factory=dict)
    _slowest: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)

    def add(self, event: Event | None) -> None:
        """Count one line; None stands for a line that is no event."""
        if event is not None and event.get("event") == REQUEST_FINISHED:
            self._add_request(event)
            return
        self.other_lines += 1
        if event is not None and _nginx_alone(event):
            _count(self.answered_by_nginx, text(event, "status"))

    def to_json(self) -> dict[str, Any]:
        """Everything, for machines. Durations are milliseconds."""
        return {
            "requests": self.requests,
            "rows": self.rows,
            "other_lines": self.other_lines,
            "first": self.first.isoformat() if self.first else None,
            "last": self.last.isoformat() if self.last else None,
            "span_s": self.span_s,
            "requests_per_second": self.requests_per_second,
            "statuses": dict(sorted(self.statuses.items())),
            "codes": dict(self.codes.most_common()),
            "answered_by_nginx": dict(sorted(self.answered_by_nginx.items())),
            "durations": self._quantiles(self.durations),
            "phases": {name: self._quantiles(held) for name, held in self.slowest_phases()},
            "partners": self.top_partners(),
            "slowest": self.slowest_requests(),
            "quantiles": QUANTILES_SAY,
        }

    @property
    def span_s(self) -> float:
        """From the first request's end to the last one's."""
        if self.first is None or self.last is None:
            return 0.0
        return (self.last - self.first).total_seconds()

    @property
    def requests_per_second(self) -> float | None:
        """The mean rate; None where the stream spans no time."""
        return round(self.requests / self.span_s, 3) if self.span_s else None

    def share(self, phase: Histogram) -> float:
        """The phase's part of the time of all requests."""
        return phase.total / self.durations.total if self.durations.total else 0.0

    def slowest_phases(self) -> list[tuple[str, Histogram]]:
        """The phases by the time they took in all."""
        return sorted(self.phases.items(), key=lambda item: -item[1].total)

    def top_partners(self) -> list[dict[str, Any]]:
        """Those with most requests first."""
        ranked = sorted(self.partners.items(), key=lambda item: -item[1].requests)
        return [
            {
                "partner": name,
                "requests": tally.requests,
                "rows": tally.rows,
                "refused": tally.refused,
                "failed": tally.failed,
            }
            for name, tally in ranked[:TOP_PARTNERS]
        ]

    def slowest_requests(self) -> list[dict[str, Any]]:
        """The slowest requests, the slowest first."""
        return [facts for _, _, facts in sorted(self._slowest, reverse=True)]

    def _add_request(self, event: Event) -> None:
        self.requests += 1
        rows = int(number(event, "rows") or 0)
        self.rows += rows
        self._add_moment(event)
        status = text(event, "status")
        _count(self.statuses, status)
        if code := text(event, "code"):
            _count(self.codes, code)
        self._add_partner(text(event, "partner") or NOBODY, rows, status)
        self._add_durations(event)

    def _add_moment(self, event: Event) -> None:
        at = moment(event)
        if at is not None:
            self.first = at if self.first is None else min(self.first, at)
            self.last = at if self.last is None else max(self.last, at)

    def _add_partner(self, partner: str, rows: int, status: str) -> None:
        tally = self.partners.setdefault(_bounded(self.partners, partner), PartnerTally())
        tally.requests += 1
        tally.rows += rows
        tally.refused += status.startswith("4")
        tally.failed += status.startswith("5")

    def _add_durations(self, event: Event) -> None:
        whole = number(event, "duration_ms")
        if whole is None:
            return
        self.durations.add(whole)
        elsewhere = whole
        for name in PHASES:
            spent = number(event, name) if name in event else None
            if spent is not None:
                self.phases[name.removesuffix("_ms")].add(spent)
                elsewhere -= spent
        self.phases[ELSEWHERE].add(max(elsewhere, 0.0))
        self._keep_if_slow(whole, event)

    def _keep_if_slow(self, whole: float, event: Event) -> None:
        if len(self._slowest) == SLOWEST and whole <= self._slowest[0][0]:
            return
        names = ("request_id", "partner", "method", "route", "model", "status")
        facts = {"duration_ms": whole, **{name: text(event, name) for name in names}}
        # The count decides between equal durations: facts cannot be compared.
        entry = (whole, -self.requests, facts)
        keep = heapq.heappush if len(self._slowest) < SLOWEST else heapq.heappushpop
        keep(self._slowest, entry)

    def _quantiles(self, held: Histogram) -> dict[str, float | None]:
        named = {f"p{part}": held.quantile(part / 100) for part in (50, 95, 99)}
        return {
            **{name: None if ms is None else round(ms, 3) for name, ms in named.items()},
            "share": round(self.share(held), 4),
        }


def _nginx_alone(event: Event) -> bool:
    """Whether nginx answered without asking the gateway."""
    return event.get("event") == NGINX_ACCESS and number(event, "upstream_ms") is None


def _count(counts: Counter[str], name: str) -> None:
    counts[_bounded(counts, name)] += 1


def _bounded(known: Counter[str] | dict[str, Any], name: str) -> str:
    # Names come out of the stream, and a broken one could hold a new name on every line.
    return name if name in known or len(known) < MAX_NAMES else OTHERS
