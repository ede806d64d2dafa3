"""Plans: how much a partner may do. Read from `plans.toml`, again whenever that file changes."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

SHIPPED_PLANS = Path(__file__).with_name("plans.toml")


class InvalidPlans(Exception):
    """The plans file cannot be used. `problems` holds one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Plan:
    """The limits of a plan. `None` means that there is no such limit."""

    name: str
    max_rows_per_call: int
    max_concurrent_calls: int
    requests_per_second: int | None = None
    requests_per_minute: int | None = None
    rows_per_hour: int | None = None


def plans_file() -> Path:
    """The file in use: `GATEWAY_PLANS`, else `config/plans.toml` here, else the shipped one."""
    named = os.environ.get("GATEWAY_PLANS")
    if named:
        return Path(named)
    local = Path("config/plans.toml")
    return local if local.is_file() else SHIPPED_PLANS


def load_plans(path: Path) -> Mapping[str, Plan]:
    """Read every plan of the file, by name.

    Raises:
        InvalidPlans: unreadable, an unknown or missing limit, or a plan that no call can keep.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise InvalidPlans([f"{path}: {exc}"]) from exc
    problems = [problem for name, table in tables.items() for problem in _problems(name, table)]
    if not tables:
        problems.append(f"{path}: holds no plan")
    if problems:
        raise InvalidPlans(problems)
    return {name: Plan(name=name, **table) for name, table in tables.items()}


def _problems(name: str, table: Any) -> list[str]:
    if not isinstance(table, dict):
        return [f"plan {name}: must be a table of limits"]
    known = {field.name for field in fields(Plan)} - {"name"}
    required = {"max_rows_per_call", "max_concurrent_calls"}
    problems = [f"plan {name}: unknown limit {key}" for key in sorted(table.keys() - known)]
    problems += [f"plan {name}: {key} is missing" for key in sorted(required - table.keys())]
    problems += [
        f"plan {name}: {key} must be a whole number above 0"
        for key, value in table.items()
        if key in known and not (type(value) is int and value > 0)
    ]
    return problems or _contradictions(name, table)


def _contradictions(name: str, table: Mapping[str, int]) -> list[str]:
    if table["max_rows_per_call"] > table.get("rows_per_hour", table["max_rows_per_call"]):
        # Such a call would be refused for ever with "try again later".
        return [f"plan {name}: max_rows_per_call is more than rows_per_hour"]
    return []
