"""What is decided before the first row is sent: columns, files, and how much at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from gateway.scoring.contract import ModelContract
from gateway.scoring.errors import ScoringFailed
from gateway.scoring.inputs import Input

# Half of a plan's calls at once, and at most so many: a partner's other calls go on meanwhile.
_MOST_AT_ONCE = 8
KEEP_ALL, KEEP_NONE = "all", "none"


@dataclass(frozen=True)
class Columns:
    """Which columns of a file are sent, and which stand before the answers.

    Attributes:
        remarks: what a person should know of it, one sentence each.
    """

    sent: tuple[str, ...]
    kept: tuple[str, ...]
    remarks: tuple[str, ...]


def choose_columns(source: Input, contract: ModelContract, keep: Sequence[str]) -> Columns:
    """Unless asked otherwise, what is no feature is kept: it says which row is which.

    Args:
        keep: names of columns, or `all`, or `none`.

    Raises: ScoringFailed, where a feature is not in the file, or a column would stand twice.
    """
    features = [feature.name for feature in contract.features]
    absent = [name for name in features if name not in source.columns]
    nullable = {feature.name for feature in contract.features if feature.nullable}
    missing = [name for name in absent if name not in nullable]
    if missing:
        raise ScoringFailed(_missing(missing, source))
    others = [name for name in source.columns if name not in features]
    kept = _kept(source, others, keep)
    twice = sorted(set(kept) & set(contract.output_columns))
    if twice:
        raise ScoringFailed(
            f"The file's column {twice[0]!r} has the name of an answer: choose with --keep."
        )
    remarks = [f"Not in the file, so sent as missing: {', '.join(absent)}."] if absent else []
    if others and not keep:
        remarks.append(f"Not of the model, so kept beside the answers: {', '.join(others)}.")
    sent = tuple(name for name in features if name in source.columns)
    return Columns(sent, tuple(kept), tuple(remarks))


def _kept(source: Input, others: Sequence[str], keep: Sequence[str]) -> Sequence[str]:
    if not keep:
        return others
    if list(keep) == [KEEP_ALL]:
        return source.columns
    if list(keep) == [KEEP_NONE]:
        return ()
    unknown = [name for name in keep if name not in source.columns]
    if unknown:
        raise ScoringFailed(
            f"--keep {unknown[0]}: no such column. There are: {_listed(source.columns)}."
        )
    return tuple(dict.fromkeys(keep))


def _missing(missing: Sequence[str], source: Input) -> str:
    close = get_close_matches(missing[0], source.columns, n=1)
    meant = f" (is it {close[0]!r}?)" if close else ""
    return (
        f"The file lacks {len(missing)} of the model's features: {missing[0]!r}{meant}"
        f"{', ' + _listed(missing[1:]) if missing[1:] else ''}."
        f" It has: {_listed(source.columns)}."
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:10])
    return f"{shown}, … ({len(names)} in all)" if len(names) > 10 else shown


def concurrency_of(plan: dict[str, Any], asked: int | None) -> int:
    """Calls in flight; what was asked for, as far as the plan allows."""
    allowed = next(
        (limit["limit"] for limit in plan["limits"] if limit["name"] == "concurrent_calls"),
        _MOST_AT_ONCE,
    )
    if asked is not None:
        return max(1, min(asked, allowed))
    return max(1, min(allowed // 2, _MOST_AT_ONCE))


def most_rows_per_call(
    plan: dict[str, Any], contract: ModelContract, window_rows: int | None, asked: int | None
) -> int:
    """The least of what plan, model and whoever asks allow."""
    limits = (plan["max_rows_per_call"], contract.max_rows, window_rows, asked)
    return max(1, min(limit for limit in limits if limit is not None))


def require_free(output: Path, *, overwrite: bool) -> None:
    """Raises: ScoringFailed, where a file would be lost."""
    if output.exists() and not overwrite:
        raise ScoringFailed(f"{output} exists: --overwrite replaces it.")
