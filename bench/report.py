"""The table and the JSON of one run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.cells import CELLS
from bench.rounds import Row
from bench.targets import judge


@dataclass
class Report:
    """One run: what was measured, and what could not be.

    Attributes:
        table: the rows of each cell.
        servers: memory and start of everybody, for each model.
        facts: of our own stack; see `facts.py`.
        missing: who did not take part, and why.
    """

    table: dict[str, list[Row]] = field(default_factory=dict)
    servers: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def as_text(report: Report) -> str:
    """All of it for people."""
    parts = [_cell(name, rows) for name, rows in report.table.items()]
    parts += [_servers(report.servers), _targets(report)]
    if report.missing:
        lines = [f"  {name}: {reason}" for name, reason in report.missing.items()]
        parts.append("\n".join(["Not measured:", *lines]))
    return "\n\n".join(parts)


def _cell(name: str, rows: Sequence[Row]) -> str:
    cell = next(cell for cell in CELLS if cell.name == name)
    first = rows[0]
    head = f"{'req/s':>9}{'range':>18}{'rows/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'failed':>7}"
    title = f"{name} ({cell.connections} connections)"
    lines = [f"{title:46}{head}{f'{first.entrant} / it':>28}"]
    for row in rows:
        least, most = row.spread
        ratio, low, high = first.ratios(row)
        lines.append(
            f"  {row.entrant:44}{row.requests_per_s:>9,.0f}{f'{least:,.0f} … {most:,.0f}':>18}"
            f"{row.requests_per_s * cell.rows:>12,.0f}{row.p50_ms:>9.2f}{row.p99_ms:>9.2f}"
            f"{row.failed:>7}{f'{ratio:.2f} ({low:.2f} … {high:.2f})':>28}"
        )
    return "\n".join(lines)


def _servers(servers: Sequence[Mapping[str, Any]]) -> str:
    title = "memory (PSS of the process tree) and start"
    lines = [f"{title:46}{'idle MB':>9}{'after MB':>10}{'ready s':>9}"]
    for one in servers:
        name = f"{one['name']}, {one['model']}"
        ready = f"{one['ready_s']:.1f}" if one["ready_s"] else "-"
        lines.append(f"  {name:44}{one['idle_mb']:>9.0f}{one['after_mb']:>10.0f}{ready:>9}")
    return "\n".join(lines)


def _targets(report: Report) -> str:
    lines = [f"{'bars (ratio of requests/s, if not said)':50}{'wanted':>9}{'found':>9}"]
    for verdict in judge(report.table, report.facts):
        found = "not run" if verdict.found is None else f"{verdict.found:.2f}"
        mark = {True: "met", False: "MISSED", None: ""}[verdict.met]
        sign = "<=" if verdict.at_most else ">="
        lines.append(f"  {verdict.what:48}{sign:>3}{verdict.wanted:>6.2f}{found:>9}  {mark}")
    return "\n".join(lines)


def as_json(report: Report) -> str:
    """All of it for programs."""
    cells = {
        name: [
            {
                "entrant": row.entrant,
                "body_bytes": row.body_bytes,
                "rounds": [one.to_json() for one in row.rounds],
            }
            for row in rows
        ]
        for name, rows in report.table.items()
    }
    bars = [
        {**asdict(verdict), "met": verdict.met} for verdict in judge(report.table, report.facts)
    ]
    document = {
        "cells": cells,
        "servers": report.servers,
        "facts": report.facts,
        "bars": bars,
        "missing": report.missing,
    }
    return json.dumps(document, indent=1) + "\n"
